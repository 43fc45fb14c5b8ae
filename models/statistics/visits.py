"""Who searched for whom: the visits of closed days. Those of days that are still open are in `open_visits`.

A visit is a search that a person made for a person, with those of the same local day within four hours of
it. A pair is a requester and a subject; it is held as one number, made of a number for each name, so that
thousands are looked up at once. Such numbers mean nothing outside this process: the state has the names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, cast

import msgspec
import numpy as np

from models.columns import Column, Floats, Ints, Packed, Table, numbering, pack_exactly, unpack
from models.columns import distinct as distinct_numbers
from models.windows import Day, manual

#: A pair's visits are kept up to this many; more cannot make an alert any surer.
MOST_VISITS = 90
#: Names that may be held without being in use, before those are forgotten that are not.
MOST_UNUSED = 20_000

#: Searches of one pair and day within so many seconds of a visit's first are that visit: half a shift, so
#: that the work on one photograph is one visit, and coming back after hours is another.
SITTING = 4 * 3600.0
#: What is kept of a visit besides its time and event.
_KEPT = ("requester_id", "subject_ref", "case_number", "unit_id")
_LOW = (1 << 32) - 1
NONE = np.zeros(0, np.int64)


class Made(NamedTuple):
    """A search for somebody: its time (epoch seconds), local day (ordinal) and case (empty: none given)."""

    at: float
    day: int
    case: str


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
    known = table.column("subject_ref").given(first)
    return np.flatnonzero(known & manual(table, first)) + first


def cases_of(table: Table) -> Column:
    """The case of each search, empty where none was given."""
    values, codes = table.column("case_number")
    return Column([(value or "").strip() for value in values], codes)


def begun(searches: Iterable[Made]) -> list[Made]:
    """Those searches of one pair with which a visit begins, in order of time."""
    found: list[Made] = []
    for one in sorted(searches):
        if not found or one.day > found[-1].day or one.at - found[-1].at > SITTING:
            found.append(one)
    return found


class DayVisits(NamedTuple):
    """The searches of a closed day that are kept: of each requester and subject those with which a visit
    begins, and the first under each case."""

    rows: Ints
    cases: Column
    """Of every search of the day, not only of visits; each value stands in it once."""
    pair_of: Ints
    """Of each visit its pair, a number from 0 on."""
    of_pair: Ints
    """Of each pair a row."""

    @classmethod
    def of(cls, day: Day) -> DayVisits:
        """Made once for all detectors."""
        return day.once("visits", lambda: cls._of(day))

    @classmethod
    def _of(cls, day: Day) -> DayVisits:
        rows, cases = rows_of(day), cases_of(day).distinct()
        who, whom = (day.column(name).distinct() for name in ("requester_id", "subject_ref"))
        pairs = who.codes[rows].astype(np.int64) * max(len(whom.values), 1) + whom.codes[rows]
        each = pairs * max(len(cases.values), 1) + cases.codes[rows]
        first = np.unique(each, return_index=True)[1]
        first = distinct_numbers(np.concatenate((first, _begun_later(pairs, day.times[rows]))))
        _, of_pair, pair_of = np.unique(pairs[first], return_index=True, return_inverse=True)
        return cls(rows[first], cases, pair_of, rows[first][of_pair])

    def case(self, row: int) -> str:
        """The case of one search of the day, empty where none was given."""
        return cast(str, self.cases.values[self.cases.codes[row]])


def begun_at(times: Floats) -> list[int]:
    """The places of the searches of one pair and day with which a visit begins; times ascend."""
    found, place = [], 0
    while place < len(times):
        found.append(place)
        place = int(np.searchsorted(times, times[place] + SITTING, "right"))
    return found


def _begun_later(pairs: Ints, times: Floats) -> Ints:
    """Which searches of a day, in order of time, begin a visit that is not the first one of their pair."""
    _, first, which = np.unique(pairs, return_index=True, return_inverse=True)
    several = distinct_numbers(which[times - times[first][which] > SITTING])
    order = np.argsort(which, kind="stable") if len(several) else NONE
    found = []
    for start, end in np.searchsorted(which[order], np.stack((several, several + 1), axis=1)).tolist():
        own = order[start:end]
        found += own[begun_at(times[own])[1:]].tolist()
    return np.array(found, np.int64)


#: The numbers of the requesters and subjects in a table's columns, by their places there.
Known = tuple[Ints, Ints]


class Pairs:
    """Numbers for pairs."""

    def __init__(self) -> None:
        self.requesters = numbering()
        self.subjects = numbering()

    def at(self, table: Table, rows: Ints, known: Known = (NONE, NONE)) -> tuple[Ints, Known]:
        """The pairs of some visits, new ones numbered. `known` is what the same table gave before it grew,
        besides the pairs."""
        requesters, subjects = table.column("requester_id"), table.column("subject_ref")
        who = _numbers(self.requesters, requesters.values, known[0])
        whom = _numbers(self.subjects, subjects.values, known[1])
        return who[requesters.codes[rows]] << 32 | whom[subjects.codes[rows]], (who, whom)


def _numbers(names: Mapping[str, int], values: Sequence[str], known: Ints) -> Ints:
    """The number of each value; those of the first are known."""
    new = values[len(known) :]
    return np.concatenate((known, np.fromiter(map(names.__getitem__, new), np.int64, len(new))))


class Visits:
    """The visits of closed days, until they are forgotten."""

    def __init__(self) -> None:
        self.pairs = Pairs()
        # The pair of every visit, ascending, and which one it is: day << 32 | row in that day's
        # table. Those of one pair stand together, oldest first.
        self._pairs = self._visits = NONE
        self._by_subject = NONE
        """Visits of each subject, by its number."""
        self._days: dict[int, _Kept] = {}
        self._given: dict[int, list[int]] = {}
        """By week, as it was among the changes before, the days that it had."""

    @property
    def total(self) -> int:
        """How many there are."""
        return len(self._pairs)

    def numbers(self, pairs: Ints) -> Ints:
        """How many each pair has."""
        found = np.zeros(len(pairs), np.int64)
        if len(self._pairs):
            first = np.searchsorted(self._pairs, pairs)
            # Most pairs have none, and need no second look.
            some = np.flatnonzero(self._pairs.take(first, mode="clip") == pairs)
            found[some] = np.searchsorted(self._pairs, pairs[some], "right") - first[some]
        return found

    def number(self, pair: int) -> int:
        """How many a pair has."""
        return int(self.numbers(np.array([pair]))[0])

    def by_requester(self, pair: int) -> int:
        """How many the requester of a pair has."""
        first = pair & ~_LOW
        start, end = np.searchsorted(self._pairs, [first, first + _LOW + 1]).tolist()
        return int(end - start)

    def by_subject(self, pair: int) -> int:
        """How many the subject of a pair has."""
        subject = pair & _LOW
        return int(self._by_subject[subject]) if subject < len(self._by_subject) else 0

    def has(self, subject: str) -> bool:
        """Whether there is a visit to a subject."""
        return self.by_subject(self.pairs.subjects.get(subject, _LOW)) > 0

    def of(self, pair: int) -> list[Visit]:
        """A pair's visits, oldest first."""
        return [self.visit(which) for which in self._which(pair)]

    def made(self, pair: int) -> list[Made]:
        """The same by time, day and case alone."""
        return [
            Made(float(self._days[which >> 32].table.times[which & _LOW]), which >> 32, self.case(which))
            for which in self._which(pair)
        ]

    def about(self, subjects: Ints) -> tuple[Ints, Ints]:
        """All visits to some subjects: the pair of each, and which one it is (for `visit` and `case`)."""
        wanted = np.zeros(max(len(self.pairs.subjects), 1), np.bool_)
        wanted[subjects] = True
        found = wanted[self._pairs & _LOW]
        return self._pairs[found], self._visits[found]

    def visit(self, which: int) -> Visit:
        """One of them."""
        return Visit.of(self._days[which >> 32].table, which & _LOW)

    def case(self, which: int) -> str:
        """Its case, empty where none was given."""
        return self._days[which >> 32].case(which & _LOW)

    def _which(self, pair: int) -> list[int]:
        start, end = np.searchsorted(self._pairs, [pair, pair + 1]).tolist()
        return cast("list[int]", self._visits[start:end].tolist())

    def remember(self, day: Day, pairs: Ints) -> None:
        """Take in the visits of a closed day, of each pair as many as fit; `pairs` has those of
        `DayVisits.of_pair`."""
        today = DayVisits.of(day)
        rows, which = today.rows, today.pair_of
        each, number = np.bincount(which, minlength=len(pairs)), self.numbers(pairs)
        crowded = number + each > MOST_VISITS
        if crowded.any():
            room = np.maximum(MOST_VISITS - number, 0)
            order = np.argsort(which, kind="stable")
            place = np.empty(len(rows), np.int64)
            place[order] = np.arange(len(rows)) - (np.cumsum(each) - each)[which[order]]
            rows, which = rows[place < room[which]], which[place < room[which]]
            kept = _Kept.of(pack_exactly(day.only(_KEPT, rows)))
        else:
            # Others keep the very same.
            kept = day.once("kept visits", lambda: _Kept.of(pack_exactly(day.only(_KEPT, rows))))
        if len(rows):
            self._keep(day.number, kept, pairs[which])

    def _keep(self, number: int, kept: _Kept, pairs: Ints) -> None:
        self._days[number] = kept
        order = np.argsort(pairs, kind="stable")
        after = np.searchsorted(self._pairs, pairs[order], "right")
        self._pairs = np.insert(self._pairs, after, pairs[order])
        self._visits = np.insert(self._visits, after, (number << 32) + order)
        self._by_subject = _sum(self._by_subject, np.bincount(pairs & _LOW))

    def forget(self, before: int) -> None:
        """Let go of the days before an ordinal day."""
        gone = [number for number in self._days if number < before]
        for number in gone:
            del self._days[number]
        if gone:
            stays = self._visits >> 32 >= before
            lost = np.bincount(self._pairs[~stays] & _LOW, minlength=len(self._by_subject))
            self._by_subject = self._by_subject - lost
            self._pairs, self._visits = self._pairs[stays], self._visits[stays]

    def renumber(self, others: Sequence[Ints]) -> list[Ints] | None:
        """Forget the names that occur neither here nor in `others`, when there are too many; `others`
        then come back with new numbers. None when nothing changed."""
        names = (self.pairs.requesters, self.pairs.subjects)
        used = np.concatenate((self._pairs, *others))
        if sum(map(len, names)) <= MOST_UNUSED + 2 * len(used):
            return None
        parts = [np.unique(part) for part in (used >> 32, used & _LOW)]
        new = []
        for known, part in zip(names, parts, strict=True):
            moved = np.zeros(len(known), np.int64)
            moved[part] = np.arange(len(part))
            kept = [*known]
            known.clear()
            for place in part.tolist():
                known[kept[place]]
            new.append(moved)

        def moved_pairs(pairs: Ints) -> Ints:
            return cast(Ints, new[0][pairs >> 32] << 32 | new[1][pairs & _LOW])

        pairs = moved_pairs(self._pairs)
        order = np.argsort(pairs, kind="stable")
        self._pairs, self._visits = pairs[order], self._visits[order]
        self._by_subject = np.bincount(pairs & _LOW)
        return [moved_pairs(pairs) for pairs in others]

    def snapshot(self) -> dict[str, bytes]:
        """Blocks `week/N` with the visits of the days of a week."""
        return {f"week/{week}": self._block(days) for week, days in self._weeks().items()}

    def changes(self) -> dict[str, bytes | None]:
        """As `snapshot`, with None for the weeks that have the same days as among the changes before."""
        before, self._given = self._given, self._weeks()
        return {
            f"week/{week}": None if days == before.get(week) else self._block(days)
            for week, days in self._given.items()
        }

    def _weeks(self) -> dict[int, list[int]]:
        """The days that there are by week."""
        weeks: dict[int, list[int]] = {}
        for number in sorted(self._days):
            weeks.setdefault(number // 7, []).append(number)
        return weeks

    def _block(self, days: Sequence[int]) -> bytes:
        return msgspec.msgpack.encode([(number, self._days[number].packed) for number in days])

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take back what `snapshot` gave, into an empty one. Raises ValueError or a DecodeError."""
        for week in sorted(int(name[5:]) for name in blocks if name.startswith("week/")):
            days = msgspec.msgpack.decode(blocks[f"week/{week}"], type=list[tuple[int, Packed]])
            for number, packed in days:
                kept = _Kept.of(packed)
                pairs, _ = self.pairs.at(kept.table, np.arange(len(kept.table)))
                self._keep(number, kept, pairs)


class _Kept(NamedTuple):
    """A closed day: its visits as they go into the state, as a table, and their cases."""

    packed: Packed
    table: Table
    cases: Column

    @classmethod
    def of(cls, packed: Packed) -> _Kept:
        table = unpack(packed)
        return cls(packed, table, cases_of(table))

    def case(self, row: int) -> str:
        return cast(str, self.cases.values[self.cases.codes[row]])


def _sum(one: Ints, other: Ints) -> Ints:
    """The sum of counts by number; the shorter one is filled up with zeros."""
    if len(one) < len(other):
        one, other = other, one
    summed = one.copy()
    summed[: len(other)] += other
    return summed
