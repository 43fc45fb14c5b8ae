"""Which counts of a set of tables have to be withheld, so that small ones cannot be worked out.

A count from 1 to `least` - 1 could point at somebody and is withheld. That alone does not help: margins give
it away, within one table and across tables that share a margin. So more counts are withheld until a reader
who solves all the sums, knowing that counts are whole and never below 0, is left with

* for a small count: a range that holds all of 1 to `least`, so not even that it is small,
* for any withheld count: a range at least `protection` wide, from its least to its largest value.

For each withheld count we look for another set of tables that agrees with everything published and in which
it is larger, and one in which it is smaller: a mixed-integer program with the cheapest further counts to
withhold (after Kelly, Golden & Assad 1992, "Cell suppression: disclosure protection for sensitive tabular
data"). What was found is checked in whole numbers; it proves the range, whatever the solver did.

Blind spots: what several reports tell together (periods that overlap, the same period before and after
more of the log arrived), what a reader knows of some people from elsewhere, and what follows for a reader
who also works out which further counts would have been chosen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import NamedTuple

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, hstack

from models.columns import Ints

#: A count's place: (dimension, category) pairs by name of dimension; () is the total of all.
Cell = tuple[tuple[str, str], ...]


class Sum(NamedTuple):
    """One count and those that add up to it."""

    whole: Cell
    parts: tuple[Cell, ...]


def cell(**categories: str) -> Cell:
    """A place.

    >>> cell(tool="county", purpose="burglary")
    (('purpose', 'burglary'), ('tool', 'county'))
    """
    return tuple(sorted(categories.items()))


@dataclass(frozen=True)
class Tables:
    """Tables over the same records. `crossings` names the dimensions of each: one or two, more work too.

    Tables that share dimensions share the counts of their margins, and all share the total.
    """

    categories: Mapping[str, Sequence[str]]
    """The categories of each dimension: every record has exactly one of them."""
    crossings: Sequence[tuple[str, ...]]
    counts: Mapping[Cell, int] = field(default_factory=dict)

    def sums(self) -> list[Sum]:
        """Every sum that a reader can form, each once."""
        found: dict[Sum, None] = {}
        waiting = [tuple(sorted(crossing)) for crossing in self.crossings]
        done: set[tuple[str, ...]] = set()
        while waiting:
            crossing = waiting.pop()
            if crossing in done or not crossing:
                continue
            done.add(crossing)
            for dimension in crossing:
                rest = tuple(other for other in crossing if other != dimension)
                waiting.append(rest)
                for kept in product(*(self.categories[other] for other in rest)):
                    whole = tuple(zip(rest, kept, strict=True))
                    parts = tuple(
                        tuple(sorted((*whole, (dimension, one)))) for one in self.categories[dimension]
                    )
                    found[Sum(whole, parts)] = None
        return sorted(found)


def tabulate(
    records: Mapping[tuple[str, ...], int],
    dimensions: Sequence[str],
    categories: Mapping[str, Sequence[str]],
    crossings: Sequence[tuple[str, ...]],
) -> Tables:
    """Count records. A key has a category for each of `dimensions`, its value says how many there are.

    Raises:
        KeyError: a record's category is none of its dimension.
    """
    places = {name: place for place, name in enumerate(dimensions)}
    wanted = {(), *(tuple(sorted(crossing)) for crossing in crossings)}
    wanted |= {(name,) for crossing in crossings for name in crossing}
    counts: Counter[Cell] = Counter()
    for crossing in sorted(wanted):
        for kept in product(*(categories[name] for name in crossing)):
            counts[tuple(zip(crossing, kept, strict=True))] = 0
        for record, number in records.items():
            place = tuple((name, record[places[name]]) for name in crossing)
            if place not in counts:
                raise KeyError(place)
            counts[place] += number
    return Tables(categories, crossings, dict(counts))


def withheld(
    tables: Tables,
    least: int = 5,
    protection: int | None = None,
    known: Mapping[Cell, int] | None = None,
) -> frozenset[Cell]:
    """The places whose counts must not be published; see the module.

    `protection` is `least` - 1 when it is not given. `known` are numbers that a reader knows a count not to
    be below, for instance because its category would not be listed otherwise.

    Raises:
        ValueError: the counts do not add up, or what is known leaves no room for the ranges.
    """
    if least < 1 or (protection is not None and protection < 1):
        raise ValueError("the least count and the protection are 1 or more")
    small = [place for place, count in sorted(tables.counts.items()) if 0 < count < least]
    if not small:
        return frozenset()
    width = max(least - 1, 1) if protection is None else protection
    search = _Search(tables, known or {})
    for one in small:
        search.withhold(one)
    for one in small:
        search.raise_to(one, least)
        search.lower_to(one, 1)
    # What had to be withheld on the way needs a range, too; each may ask for more.
    while (place := search.unprotected(width)) is not None:
        search.widen(place, width)
    return frozenset(search.withheld)


class _Search:
    """What is withheld so far, with the least and the largest value that is proved possible for each."""

    def __init__(self, tables: Tables, known: Mapping[Cell, int]) -> None:
        self._cells = sorted(tables.counts)
        self._place = {one: number for number, one in enumerate(self._cells)}
        self._counts = np.array([tables.counts[one] for one in self._cells], np.int64)
        self._floors = np.array([known.get(one, 0) for one in self._cells], np.int64)
        sums = tables.sums()
        rows, columns, signs = [], [], []
        weight = Counter(one.whole for one in sums)
        for row, one in enumerate(sums):
            for sign, places in ((-1, (one.whole,)), (1, one.parts)):
                for place in places:
                    rows.append(row)
                    columns.append(self._place[place])
                    signs.append(sign)
        shape = (len(sums), len(self._cells))
        self._sums = csr_array((np.array(signs, np.int64), (rows, columns)), shape=shape)
        if (self._sums @ self._counts).any() or (self._counts < self._floors).any():
            raise ValueError("the counts do not add up, or are below what is known of them")
        both = hstack([self._sums, -self._sums]).astype(float).tocsr()
        self._constraint = LinearConstraint(both, 0, 0)
        # Inner counts are withheld before margins and margins before the total; a 0 says more than it hides.
        self._price = np.array(
            [
                100 * (1 + 8 * weight[one]) + 10 * int(count).bit_length() + (300 if count == 0 else 0)
                for one, count in zip(self._cells, self._counts, strict=True)
            ],
            float,
        )
        self._hidden = np.zeros(len(self._cells), np.bool_)
        self._low, self._high = self._counts.copy(), self._counts.copy()

    @property
    def withheld(self) -> list[Cell]:
        """All places so far."""
        return [self._cells[number] for number in np.flatnonzero(self._hidden)]

    def withhold(self, place: Cell) -> None:
        """Withhold one place."""
        self._hidden[self._place[place]] = True

    def raise_to(self, place: Cell, value: int) -> None:
        """Make it possible that a count is as large as this."""
        number = self._place[place]
        if self._high[number] < value:
            self._accept(self._change(number, value - int(self._counts[number])))

    def lower_to(self, place: Cell, value: int) -> None:
        """Make it possible that a count is as small as this."""
        number = self._place[place]
        if self._low[number] > value:
            self._accept(self._change(number, value - int(self._counts[number])))

    def unprotected(self, width: int) -> Cell | None:
        """The first withheld place whose range is narrower."""
        narrow = np.flatnonzero(self._hidden & (self._high - self._low < width))
        return self._cells[narrow[0]] if len(narrow) else None

    def widen(self, place: Cell, width: int) -> None:
        """Make a range so wide, upwards or downwards, whichever is cheaper."""
        number = self._place[place]
        low, high, count = (int(one[number]) for one in (self._low, self._high, self._counts))
        changes = [self._change(number, low + width - count)]
        if high - width >= self._floors[number]:
            changes.append(self._change(number, high - width - count))
        self._accept(min(changes, key=self._cost))

    def _cost(self, change: Ints) -> float:
        return float(np.abs(change) @ np.where(self._hidden, 1.0, self._price))

    def _accept(self, change: Ints) -> None:
        """Withhold what a change touches, and remember the values that it proves possible."""
        other = self._counts + change
        self._hidden |= change != 0
        self._low, self._high = np.minimum(self._low, other), np.maximum(self._high, other)

    def _change(self, number: int, amount: int) -> Ints:
        """The cheapest change of all counts that changes one by an amount and keeps every sum."""
        cost = np.where(self._hidden, 1.0, self._price)
        most = np.full(len(cost), np.inf)
        up_low, up_high = np.zeros(len(cost)), most
        down_low, down_high = np.zeros(len(cost)), (self._counts - self._floors).astype(float)
        if amount > 0:
            up_low[number] = up_high[number] = amount
            down_high[number] = 0.0
        else:
            down_low[number] = down_high[number] = -amount
            up_high[number] = 0.0
        bounds = Bounds(np.concatenate([up_low, down_low]), np.concatenate([up_high, down_high]))
        # Two-way tables have whole solutions anyway; only linked ones may need to be told.
        for whole in (0, 1):
            solved = milp(
                np.concatenate([cost, cost]),
                integrality=np.full(2 * len(cost), whole),
                bounds=bounds,
                constraints=self._constraint,
            )
            if solved.x is None:
                break
            parts = np.rint(solved.x).astype(np.int64)
            change: Ints = parts[: len(cost)] - parts[len(cost) :]
            kept = not (self._sums @ change).any() and (self._counts + change >= self._floors).all()
            if kept and change[number] == amount:
                return change
        raise ValueError(f"no range can be found for {self._cells[number]}: {solved.message}")
