"""Local days of one agency: open ones to which searches are added, and closed ones that are judged."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from models.columns import Column, Columns, Floats, Growing, Ints, Rows, Table, by_appearance
from models.days import LocalDays
from models.search import Search

Flags = NDArray[np.bool_]
T = TypeVar("T")


def manual(table: Table, first: int = 0) -> Flags:
    """Which searches from `first` on a person made, not hot lists or batches; shape (n - first,)."""
    return table.column("search_type").where(lambda kind: kind == "manual", first)


class OpenDay(Growing):
    """The searches of a local day that is still open, as they arrived.

    `number` is the day as `date.toordinal()`.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number
        self._rows: dict[str, int] = {}
        """event_id -> its first row."""

    def add(self, part: Table) -> None:
        """Put searches behind those that are there."""
        first = len(self)
        super().add(part)
        if self._rows.keys().isdisjoint(part.event_ids):
            self._rows.update(zip(part.event_ids, range(first, len(self)), strict=True))
        else:
            for row, event_id in enumerate(part.event_ids, first):
                self._rows.setdefault(event_id, row)

    def fresh(self, part: Table) -> Ints | None:
        """The rows of `part` that are not here yet; None stands for all of them.

        Two logs may tell of one search: it is the same when all agrees but what is each log's own. Where
        they contradict one another both are kept, so that it does not matter which came first. That two
        searches of different people share an id is chance.
        """
        ids = part.event_ids
        if self._rows.keys().isdisjoint(ids) and len(set(ids)) == len(ids):
            return None
        times = part.times.tolist()
        seen: dict[tuple[str, str, float], list[int]] = {}
        found = []
        for row, event_id in enumerate(ids):
            told = (event_id, part.value("requester_id", row), times[row])
            before = seen.setdefault(told, [])
            others = [*((part, other) for other in before), *((self, other) for other in self._alike(*told))]
            if not others or _substance(part.search(row)) not in [
                _substance(table.search(other)) for table, other in others
            ]:
                found.append(row)
                before.append(row)
        return np.array(found, np.int64)

    def _alike(self, event_id: str, requester_id: str, at: float) -> list[int]:
        """The rows with this id, requester and time."""
        first = self._rows.get(event_id)
        if first is None:
            return []

        def is_it(row: int) -> bool:
            return bool(self.times[row] == at) and self.value("requester_id", row) == requester_id

        later = (row for row in range(first + 1, len(self)) if self.event_ids[row] == event_id)
        return [row for row in (first, *later) if is_it(row)]


class Arrivals(NamedTuple):
    """What has just been added to one open day: its rows from `first` on.

    `places` tells of each of them its place among all that arrived together, on whatever days.
    """

    day: OpenDay
    first: int
    places: Ints

    @property
    def rows(self) -> range:
        """The rows of the open day that are new."""
        return range(self.first, self.first + len(self.places))


class Groups(NamedTuple):
    """Rows of a table by the value of a field, groups in order of their first row."""

    names: list[str]
    rows: Ints
    """The rows of the first group, then those of the second, ..., each in the table's order."""
    bounds: Ints
    """Shape (groups + 1,): group i has `rows[bounds[i]:bounds[i + 1]]`."""

    @property
    def sizes(self) -> Ints:
        """Rows of each group."""
        return np.diff(self.bounds)

    @property
    def number(self) -> Ints:
        """Of each entry of `rows`, the number of its group."""
        return np.repeat(np.arange(len(self.names)), self.sizes)

    def of(self, group: int) -> Ints:
        """The rows of one group."""
        return self.rows[self.bounds[group] : self.bounds[group + 1]]


def grouped(column: Column, rows: Ints) -> Groups:
    """Some rows (ascending) by a column's value; equal values may stand in it more than once."""
    values, codes = column.distinct()
    order, ranks = by_appearance(codes[rows], len(values))
    bounds = np.concatenate(([0], np.cumsum(np.bincount(ranks, minlength=len(order)))))
    names = [values[place] for place in order.tolist()]
    return Groups(names, rows[np.argsort(ranks, kind="stable")], bounds)


class Day(Table):
    """A closed local day of one agency: complete, free of repeats, in canonical order.

    The order is (event_time, event_id, requester_id, source_id), so that what is made of a day depends on the
    set of its searches alone. `number` is `date.toordinal()`, `start` and `end` are epoch
    seconds; a day is 23, 24 or 25 hours long.
    """

    def __init__(self, agency_id: str, number: int, days: LocalDays, searches: Table) -> None:
        self.agency_id = agency_id
        self.number = number
        self.start, self.end = days.start(number), days.end(number)
        self._arrived = searches
        self._order = _canonical(searches)
        self._times = searches.times[self._order]
        self._days = days
        self._columns: dict[str, Column] = {}
        self._made: dict[Hashable, Any] = {}
        ids = searches.event_ids
        self.event_ids = [ids[row] for row in self._order.tolist()]

    @classmethod
    def of(cls, agency_id: str, number: int, days: LocalDays, searches: Sequence[Search]) -> Day:
        """A day of searches that are at hand as objects."""
        return cls(agency_id, number, days, Columns.of(searches))

    def is_made_of(self, opened: OpenDay) -> bool:
        """Whether it is this open day, in another order: the values of its columns stand where they did."""
        return self._arrived is opened

    @property
    def times(self) -> Floats:
        """`event_time` of each search, epoch seconds, ascending."""
        return self._times

    @property
    def filled(self) -> Iterable[str]:
        """The fields that have a column."""
        return self._arrived.filled

    @property
    def hours(self) -> Ints:
        """Local hour 0-23 of each search."""
        return self.once("hours", lambda: self._days.all_at(self._times)[1])

    @property
    def cases(self) -> Column:
        """The case of each search: its case number, else its subject, else none (code -1)."""
        return self.once("cases", lambda: _cases(self.column("case_number"), self.column("subject_ref")))

    def search(self, row: int) -> Search:
        """One of them as an object."""
        return self._arrived.search(int(self._order[row]))

    def column(self, name: str) -> Column:
        """One field."""
        found = self._columns.get(name)
        if found is None:
            values, codes = self._arrived.column(name)
            found = self._columns[name] = Column(values, codes[self._order])
        return found

    def only(self, names: Sequence[str], rows: Ints) -> Table:
        """Some rows with some fields, in the order of `rows`."""
        return Rows(Columns(self.event_ids, self._times, {name: self.column(name) for name in names}), rows)

    def once(self, what: Hashable, make: Callable[[], T]) -> T:
        """What `make` gives, made once a day and shared by all who ask for the same."""
        if what not in self._made:
            self._made[what] = make()
        return cast("T", self._made[what])

    def manual_by(self, name: str) -> Groups:
        """Searches made by a person, by the value of a field. Made once and shared by all detectors."""
        return self.once(("by", name), lambda: grouped(self.column(name), np.flatnonzero(manual(self))))


#: What is each log's own, and what two logs that tell of one search must agree in.
_substance = attrgetter(
    *(
        name
        for name in Search.__struct_fields__
        if name not in ("source_id", "source_sequence", "ingest_time")
    )
)


def _canonical(searches: Table) -> Ints:
    order = np.argsort(searches.times, kind="stable")
    times = searches.times[order]
    if not np.any(times[1:] == times[:-1]):
        return order
    named = [
        map(values.__getitem__, codes.tolist())
        for values, codes in (searches.column("requester_id"), searches.column("source_id"))
    ]
    keys = list(zip(searches.times.tolist(), searches.event_ids, *named, strict=True))
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), np.int64)


def _cases(numbers: Column, subjects: Column) -> Column:
    places: dict[str | None, int] = {None: -1}

    def joint(column: Column) -> Ints:
        found = [places.setdefault(value, len(places) - 1) for value in column.values]
        return np.array(found, np.int64)[column.codes]

    codes = joint(numbers)
    codes = np.where(codes < 0, joint(subjects), codes)
    return Column([value for value in places if value is not None], codes)
