"""What one key did on one day: its searches and its cases."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple

import numpy as np

from models.columns import Ints, distinct
from models.windows import Day, Groups

#: Most event ids, and most case keys, that are remembered of a key and day.
MOST_REMEMBERED = 50
#: An allowance so large that only cases count.
CASES_ONLY = 1 << 60
#: A critical count that no day reaches.
NEVER = 1 << 60


class Tally:
    """Searches and new cases of one key on one local day, one after the other.

    The case of a search is its case number, else its subject, else the search itself. `before`
    holds the cases of the days before, which are not counted again; `told` says that an open day's
    tally has raised its alert. Complete days are counted all at once, see `totals`.
    """

    __slots__ = ("before", "cases", "first", "ids", "new", "searches", "told", "unit_id")

    def __init__(self, first: float, before: Collection[str] = ()) -> None:
        self.first = first
        self.before = before
        self.told = False
        self.searches = self.new = 0
        self.cases: set[str] = set()
        self.ids: list[str] = []
        self.unit_id = ""

    def add(self, case: str | None, unit_id: str, event_id: str) -> None:
        """Count a search."""
        self.searches += 1
        if case is None:
            self.new += 1
        elif case not in self.cases:
            self.cases.add(case)
            self.new += case not in self.before
        if self.searches <= MOST_REMEMBERED:
            self.ids.append(event_id)
        self.unit_id = unit_id

    def count(self, allowance: int) -> int:
        """New cases, or the searches beyond the allowance if they are more.

        One honest case takes several searches, so repeats are forgiven, but not without end:
        with an allowance of 0 it is plainly the number of searches.
        """
        return max(self.new, self.searches - allowance)


class Totals(NamedTuple):
    """What every key did on one complete day; entry i is that of `names[i]`."""

    names: list[str]
    searches: Ints
    new: Ints
    """Cases that `before` does not hold, and searches without a case."""
    cases: dict[str, list[str]]
    """By key its cases, sorted, at most 50."""
    units: list[str]
    """Unit of the last search."""
    first: list[float]
    """Time of the first search, epoch seconds."""
    ids: dict[str, list[str]]
    """By key the event ids of its first searches, at most 50."""

    def counted(self, allowance: int) -> Ints:
        """As `Tally.count`, for every key."""
        return np.maximum(self.new, self.searches - allowance)


def totals(day: Day, keys: Groups, before: Callable[[str], Collection[str]] | None) -> Totals:
    """Count a complete day by key. `before` gives the cases of a key that are not counted again; with
    None all are, and none are listed."""
    rows, number = keys.rows, keys.number
    values, codes = day.cases
    case = codes[rows]
    cited = case >= 0
    pairs = distinct(number[cited] * max(len(values), 1) + case[cited])
    holder, which = np.divmod(pairs, max(len(values), 1))
    size = len(keys.names)
    new = np.bincount(holder, minlength=size) + np.bincount(number[~cited], minlength=size)
    cases: dict[str, list[str]] = {}
    if before is not None:
        ends = np.searchsorted(holder, np.arange(size + 1)).tolist()
        told = [values[place] for place in which.tolist()]
        for place, name in enumerate(keys.names):
            own = told[ends[place] : ends[place + 1]]
            if own:
                if known := before(name):
                    new[place] -= sum(map(known.__contains__, own))
                cases[name] = sorted(own)[:MOST_REMEMBERED]
    units, unit_codes = day.column("unit_id")
    early = np.arange(len(rows)) - keys.bounds[number] < MOST_REMEMBERED
    ids = [day.event_ids[row] for row in rows[early].tolist()]
    bounds = [0, *np.cumsum(np.minimum(keys.sizes, MOST_REMEMBERED)).tolist()]
    return Totals(
        names=keys.names,
        searches=keys.sizes,
        new=new,
        cases=cases,
        units=[units[code] for code in unit_codes[rows[keys.bounds[1:] - 1]].tolist()],
        first=day.times[rows[keys.bounds[:-1]]].tolist(),
        ids={name: ids[bounds[place] : bounds[place + 1]] for place, name in enumerate(keys.names)},
    )
