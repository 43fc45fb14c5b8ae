"""What the generator knows about its incidents and decoys, as written to and read from JSON lines."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from models.alert import Kind


class Label(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One incident (labels.jsonl), or one honest trap (decoys.jsonl).

    An incident of kind `report` is one that a report over a year should show, and no alert. `level`
    runs from 1 (plain) to 4 (evading); decoys have 0. `keys` gives the entities concerned by entity
    kind: requester, unit, agency, tool, subject, case, source, and for a report area. `start` and
    `end` are event time, both inclusive. `detectors` are the functions, or stanzas, that should tell it,
    `clauses` the policy clauses that its searches breach. A decoy of kind `policy` may be noticed,
    but must not be called a breach.
    """

    incident: str
    scenario: str
    level: Annotated[int, Meta(ge=0, le=4)]
    kind: Kind | Literal["report"]
    title: str
    agency_id: str
    keys: dict[str, tuple[str, ...]]
    event_ids: tuple[str, ...]
    start: Annotated[datetime, Meta(tz=True)]
    end: Annotated[datetime, Meta(tz=True)]
    detectors: tuple[str, ...] = ()
    clauses: tuple[str, ...] = ()


def write_labels(path: Path, labels: list[Label]) -> None:
    """One JSON object a line."""
    path.write_bytes(msgspec.json.Encoder().encode_lines(labels))


def read_labels(path: Path) -> list[Label]:
    """Read labels back. Raises `msgspec.ValidationError` naming the field and the line."""
    decoder = msgspec.json.Decoder(Label)
    labels = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        if line.strip():
            try:
                labels.append(decoder.decode(line))
            except msgspec.DecodeError as error:
                raise msgspec.ValidationError(f"{path.name}:{number}: {error}") from error
    return labels
