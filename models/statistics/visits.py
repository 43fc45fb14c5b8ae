"""Who searched for whom: the visits of closed days, and those of days that are still open.

A visit is a search that a person made for a person. A pair is a requester and a subject.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import NamedTuple

import msgspec
import numpy as np

from models.columns import Ints, Packed, Table, pack_exactly, unpack
from models.windows import Day, OpenDay, manual

#: A pair's visits are kept up to this many; more cannot make an alert any surer.
MOST_VISITS = 90

Pair = tuple[str, str]
#: A visit by day and case.
Made = tuple[int, str]
#: What is kept of a visit besides its time and event.
_KEPT = ("requester_id", "subject_ref", "case_number", "unit_id")
_ROW = (1 << 32) - 1


class Visit(NamedTuple):
    """One visit; `at` is in epoch seconds, `case` empty where none was given."""

    requester: str
    subject: str
    case: str
    unit: str
    at: float
    event: str

    @classmethod
    def of(cls, table: Table, row: int) -> Visit:
        """The visit in one row."""
        return cls(
            requester=table.value("requester_id", row),
            subject=table.value("subject_ref", row),
            case=(table.value("case_number", row) or "").strip(),
            unit=table.value("unit_id", row),
            at=float(table.times[row]),
            event=table.event_ids[row],
        )


def rows_of(table: Table, first: int = 0) -> Ints:
    """The rows from `first` on that are visits."""
    known = table.column("subject_ref").where(lambda subject: subject is not None)
    return np.flatnonzero((known & manual(table))[first:]) + first


def pairs_of(table: Table, rows: Ints) -> Iterator[Pair]:
    """The pairs of some visits."""
    columns = (table.column(name) for name in ("requester_id", "subject_ref"))
    requesters, subjects = (map(values.__getitem__, codes[rows].tolist()) for values, codes in columns)
    return zip(requesters, subjects, strict=True)


def cases_of(table: Table) -> list[str]:
    """The case of each search, empty where none was given."""
    values, codes = table.column("case_number")
    cases = [(value or "").strip() for value in values]
    return [cases[code] for code in codes.tolist()]


def distinct(made: Iterable[Made]) -> tuple[int, int, int]:
    """Distinct cases, days and weeks of some visits; without a case number each day is a case."""
    visits = list(made)
    days = {day for day, _ in visits}
    return len({case or day for day, case in visits}), len(days), len({day // 7 for day in days})


class Visits:
    """The visits of closed days, until they are forgotten."""

    def __init__(self) -> None:
        self.total = 0
        self.by_requester: Counter[str] = Counter()
        self.by_subject: Counter[str] = Counter()
        self._pairs: dict[Pair, tuple[int, ...]] = {}
        """The visits of a pair, oldest first: day << 32 | row in that day's table."""
        self._days: dict[int, _Kept] = {}

    def __contains__(self, pair: object) -> bool:
        """Whether a pair has any."""
        return pair in self._pairs

    def number(self, pair: Pair) -> int:
        """How many a pair has."""
        return len(self._pairs.get(pair, ()))

    def of(self, pair: Pair) -> list[Visit]:
        """A pair's visits, oldest first."""
        visits = self._pairs.get(pair, ())
        return [Visit.of(self._days[visit >> 32].table, visit & _ROW) for visit in visits]

    def made(self, pair: Pair) -> list[Made]:
        """The same by day and case alone."""
        visits = self._pairs.get(pair, ())
        return [(visit >> 32, self._days[visit >> 32].cases[visit & _ROW]) for visit in visits]

    def remember(self, day: Day, today: Mapping[Pair, Sequence[int]]) -> None:
        """Take in the visits of a closed day: by pair their rows."""
        kept: list[int] = []
        for pair, rows in today.items():
            kept += rows[: MOST_VISITS - self.number(pair)]
        if kept:
            self._keep(day.number, pack_exactly(day.only(_KEPT, np.array(kept, np.int64))))

    def _keep(self, number: int, packed: Packed) -> None:
        table = unpack(packed)
        self._days[number] = _Kept(packed, table, cases_of(table))
        pairs = list(pairs_of(table, np.arange(len(table))))
        known = self._pairs
        for visit, pair in enumerate(pairs, number << 32):
            known[pair] = (*known[pair], visit) if pair in known else (visit,)
        self.by_requester.update(map(itemgetter(0), pairs))
        self.by_subject.update(map(itemgetter(1), pairs))
        self.total += len(pairs)

    def forget(self, before: int) -> None:
        """Let go of the days before an ordinal day."""
        for number in [number for number in self._days if number < before]:
            table = self._days.pop(number).table
            for pair in pairs_of(table, np.arange(len(table))):
                # A pair's visits are in order of days, and this is the oldest day.
                rest = self._pairs[pair][1:]
                if rest:
                    self._pairs[pair] = rest
                else:
                    del self._pairs[pair]
                for counts, key in zip((self.by_requester, self.by_subject), pair, strict=True):
                    counts[key] -= 1
                    if not counts[key]:
                        del counts[key]
            self.total -= len(table)

    def snapshot(self) -> dict[str, bytes]:
        """Blocks `week/N` with the visits of the days of a week."""
        weeks: dict[int, list[tuple[int, Packed]]] = {}
        for number, kept in sorted(self._days.items()):
            weeks.setdefault(number // 7, []).append((number, kept.packed))
        return {f"week/{week}": msgspec.msgpack.encode(days) for week, days in weeks.items()}

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take back what `snapshot` gave, into an empty one. Raises ValueError or a DecodeError."""
        for week in sorted(int(name[5:]) for name in blocks if name.startswith("week/")):
            days = msgspec.msgpack.decode(blocks[f"week/{week}"], type=list[tuple[int, Packed]])
            for number, packed in days:
                self._keep(number, packed)


class _Kept(NamedTuple):
    """A closed day: its visits as they go into the state, as a table, and their cases."""

    packed: Packed
    table: Table
    cases: list[str]


class OpenVisits:
    """Of each open day and pair the visit that came first. Not part of any state."""

    def __init__(self) -> None:
        self._days: dict[int, tuple[OpenDay, dict[Pair, int]]] = {}
        self._number: dict[Pair, int] = {}
        """On how many open days a pair has a visit."""

    def enter(self, pair: Pair, day: OpenDay, row: int) -> int:
        """Note a visit. On how many open days the pair has one now; 0 when this day had one."""
        opened = self._days.get(day.number)
        if opened is None:
            opened = self._days[day.number] = day, {}
        if pair in opened[1]:
            return 0
        opened[1][pair] = row
        number = self._number[pair] = self._number.get(pair, 0) + 1
        return number

    def until(self, pair: Pair, last: int) -> list[Visit]:
        """A pair's visits on open days up to an ordinal day, oldest first."""
        opened = sorted(number for number in self._days if number <= last)
        found = (self._days[number] for number in opened)
        return [Visit.of(day, rows[pair]) for day, rows in found if pair in rows]

    def close(self, number: int) -> None:
        """Let go of an open day."""
        if number not in self._days:
            return
        for pair in self._days.pop(number)[1]:
            if self._number[pair] == 1:
                del self._number[pair]
            else:
                self._number[pair] -= 1
