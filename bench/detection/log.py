"""A simulated log as everybody reads it who is no detector of ours: who searched when, under which case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from models.days import LocalDays

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

#: A requester's case is counted again only after so many days without it, as `high_count` does.
CASE_DAYS = 28
#: What an entity of each kind is, in a search.
FIELDS = {
    "requester": "requester_id",
    "unit": "unit_id",
    "area": "incident_area",
    "agency": "agency_id",
    "subject": "subject_ref",
    "case": "case_number",
    "tool": "tool",
}


class Line(Struct):
    """The part of a search that is read."""

    event_id: str
    event_time: datetime
    requester_id: str
    agency_id: str
    tool: str
    unit_id: str | None = None
    case_number: str | None = None
    subject_ref: str | None = None
    incident_area: str | None = None
    search_type: str = "manual"


@dataclass(frozen=True)
class Counts:
    """Daily counts of some keys; matrices are keys x days.

    `cases` counts distinct cases, `searches` all searches. `served` says when a key is expected to
    search at all. `first` is the ordinal of the first day.
    """

    kind: str
    keys: tuple[str, ...]
    first: int
    cases: Ints
    searches: Ints
    served: Flags

    @property
    def weekday(self) -> Ints:
        """0 to 6 for each day."""
        return (self.first + np.arange(self.cases.shape[1])) % 7


class Log:
    """The searches of one file, made by hand or automatic, in the file's order."""

    def __init__(self, lines: Sequence[Line], zone: str, span: tuple[int, int] | None = None) -> None:
        """`span` is the first day and the day after the last, ordinals; else those of the searches."""
        self.lines = lines
        times = np.array([line.event_time.timestamp() for line in lines])
        self.days: Ints = LocalDays.of(zone).all_at(times)[0]
        self.first, self.last = span or (int(self.days.min()), int(self.days.max()) + 1)

    @classmethod
    def read(cls, path: Path, zone: str, span: tuple[int, int]) -> Log:
        """Read a file of events. Raises `msgspec.DecodeError` for a line that is no search."""
        decoder = msgspec.json.Decoder(Line)
        with path.open("rb") as lines:
            return cls([decoder.decode(line) for line in lines], zone, span)

    @cached_property
    def row(self) -> dict[str, int]:
        """The row of each event."""
        return {line.event_id: row for row, line in enumerate(self.lines)}

    def entity(self, kind: str, row: int) -> str | None:
        """The entity of a kind that a search belongs to."""
        found: str | None = getattr(self.lines[row], FIELDS[kind])
        return found

    def counts(self, kind: str, keys: Sequence[str], served: Flags, again: int = 1) -> Counts:
        """The counts of some keys by day. A case counts again for a key after `again` days without it;
        1 counts it once a day."""
        place = {key: number for number, key in enumerate(keys)}
        numbers: dict[str, int] = {}
        key, case, day = [], [], []
        for row, line in enumerate(self.lines):
            at = place.get(getattr(line, FIELDS[kind]))
            if at is None or line.search_type != "manual":
                continue
            # A search without case and subject is a case of its own, as the detectors have it.
            name = line.case_number or line.subject_ref or line.event_id
            key.append(at)
            case.append(numbers.setdefault(name, len(numbers)))
            day.append(int(self.days[row]) - self.first)
        shape = (len(keys), self.last - self.first)
        searches = np.zeros(shape, np.int64)
        np.add.at(searches, (key, day), 1)
        seen = np.unique(np.array([key, case, day], np.int64).reshape(3, -1), axis=1)
        same = (np.diff(seen[0]) == 0) & (np.diff(seen[1]) == 0) & (np.diff(seen[2]) <= again)
        new = np.concatenate(([True], ~same if again > 1 else np.ones(len(same), np.bool_)))
        cases = np.zeros(shape, np.int64)
        if seen.size:
            np.add.at(cases, (seen[0][new], seen[2][new]), 1)
        return Counts(kind, tuple(keys), self.first, cases, searches, served)
