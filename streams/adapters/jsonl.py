"""Events that are in the product's own form already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from models.decoding import decode
from models.search import Search, Tick
from streams.adapters.base import Adapter, Problem


class Jsonl(Adapter):
    """One JSON object a line, fields as in `models/search.py`; passed through after all checks.

    CloudEvents envelopes are opened. Ticks are left out and counted: `produce` makes its own.
    --agency and --source do not apply.

    Traps: times need a zone; unknown fields are refused rather than dropped; an object that is
    spread over several lines is not one event.
    """

    name = "jsonl"

    def rows(self, lines: Iterable[str]) -> Iterator[Search | Problem]:
        """The searches in the order of the file."""
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            came = decode(line.strip().encode(), None)
            if isinstance(came, Search):
                yield came
            elif isinstance(came, Tick):
                self.notes["ticks left out"] += 1
            else:
                yield Problem(number, came.field, came.detail)
