"""Events in CloudEvents envelopes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from models.decoding import decode
from models.search import Search
from streams.adapters.base import Adapter, Problem


class _Envelope(Struct):
    specversion: Literal["1.0"]
    id: Annotated[str, Meta(min_length=1)]
    source: Annotated[str, Meta(min_length=1)]
    type: Annotated[str, Meta(min_length=1)]
    data: msgspec.Raw
    datacontenttype: str = "application/json"


class CloudEvents(Adapter):
    """One CloudEvents 1.0 envelope a line (structured mode), the search as `data` in JSON.

    specversion, id, source and type are required by the specification
    (github.com/cloudevents/spec, version 1.0.2) and are checked; the search inside is passed
    through after all checks. --agency and --source do not apply.

    Traps: a batch (a JSON array of envelopes) is not read; `data_base64` is not read; the
    envelope's own `time` is when it was sent and is not used.
    """

    name = "cloudevents"

    def rows(self, lines: Iterable[str]) -> Iterator[Search | Problem]:
        """The searches in the order of the file."""
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                envelope = _decoder.decode(line)
            except msgspec.DecodeError as error:
                yield Problem(number, None, f"not a CloudEvents 1.0 envelope with data, one a line: {error}")
                continue
            if "json" not in envelope.datacontenttype:
                yield Problem(number, "datacontenttype", "data must be JSON; send application/json")
                continue
            came = decode(bytes(envelope.data), None)
            if isinstance(came, Search):
                yield came
            else:
                field, said = getattr(came, "field", None), getattr(came, "detail", "it is a tick")
                yield Problem(number, f"data.{field}" if field else "data", said)


_decoder = msgspec.json.Decoder(_Envelope)
