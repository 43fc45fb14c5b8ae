"""How somebody usually searches: Dirichlet-multinomial habits of requesters, units and the agency.

A habit counts, for each aspect of a search, on how many days each value was seen. Counts grow with
time instead of fading: what is seen on day d weighs 2^(d / half-life), so only ratios within one
habit, and to the weight of today, mean anything.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from msgspec import Struct

from models.columns import Codes, Column, Floats, distinct
from models.windows import Groups

#: A requester's own history weighs as much as the unit's after so many days with searches.
UNIT_STRENGTH = 20.0
#: The agency's habit counts in the unit's like so many days; one further day is kept for the unseen.
AGENCY_STRENGTH = 20.0

N = TypeVar("N", float, Floats)


class Habit(Struct, array_like=True):
    """The habit of one requester, one unit or the agency."""

    at: int
    """Day of the last update."""
    counts: list[dict[str, float]]
    """For each aspect, value -> weight."""
    totals: list[float]
    """For each aspect, the sum of its weights."""
    days: int = 0
    """Days with searches."""

    @classmethod
    def new(cls, day: int, aspects: int) -> Habit:
        """An empty one."""
        return cls(day, [{} for _ in range(aspects)], [0.0] * aspects)

    def add(self, aspect: int, values: Iterable[str], weight: float, most: int) -> None:
        """Values that were seen today; beyond `most` different ones the rarest make room."""
        counts = self.counts[aspect]
        # Each value is counted by itself, so the order does not matter.
        for value in values:
            counts[value] = counts.get(value, 0.0) + weight
            self.totals[aspect] += weight
        if len(counts) > most:
            self.make_room(aspect, most)

    def make_room(self, aspect: int, most: int) -> None:
        """Forget the rarest values beyond `most`."""
        counts = self.counts[aspect]
        while len(counts) > most:
            rarest = min((count, value) for value, count in counts.items())[1]
            self.totals[aspect] -= counts.pop(rarest)

    def lived(self, day: int) -> None:
        """Searches were made on a day."""
        self.days += day != self.at or self.days == 0
        self.at = day

    def share(self, aspect: int, value: str) -> float:
        """The part of the days on which a value was seen, about."""
        return self.counts[aspect].get(value, 0.0) / (self.totals[aspect] or 1.0)


class Priors(NamedTuple):
    """A requester's habit, whose prior is the unit's, whose prior is the agency's; `weight` is that
    of one day of today."""

    own: Habit
    unit: Habit
    agency: Habit
    weight: float

    def probability(self, aspect: int, value: str) -> float:
        """Predictive probability of one value."""
        own, unit, agency = (habit.counts[aspect].get(value, 0.0) for habit in self[:3])
        return self._predicted(aspect, own, unit, agency)

    def chance(self, aspect: int, value: str) -> float:
        """Chance of a value no more probable than this one, values never seen included."""
        weight = self.weight
        own, unit, agency = (habit.totals[aspect] for habit in self[:3])
        unseen = (
            UNIT_STRENGTH * weight / (own + UNIT_STRENGTH * weight)
            * AGENCY_STRENGTH * weight / (unit + AGENCY_STRENGTH * weight)
            * weight / (agency + weight)
        )  # fmt: skip
        # Equal probabilities must compare as equal although they were rounded differently.
        bound = max(self.probability(aspect, value), unseen) * (1 + 1e-9)
        values = sorted({value for habit in self[:3] for value in habit.counts[aspect]})
        weights = (np.array([habit.counts[aspect].get(one, 0.0) for one in values]) for habit in self[:3])
        p: Floats = self._predicted(aspect, *weights)
        return min(1.0, unseen + float(p[p <= bound].sum()))

    def _predicted(self, aspect: int, own: N, unit: N, agency: N) -> N:
        """Predictive probability of one value or many, given their weights in the three habits."""
        weight = self.weight
        totals = [habit.totals[aspect] for habit in self[:3]]
        whole = agency / (totals[2] + weight)
        prior = (unit + AGENCY_STRENGTH * weight * whole) / (totals[1] + AGENCY_STRENGTH * weight)
        return (own + UNIT_STRENGTH * weight * prior) / (totals[0] + UNIT_STRENGTH * weight)


def product_chance(parts: Sequence[float]) -> float:
    """Chance that a product of independent uniforms is as small as that of `parts`."""
    x = max(math.prod(parts), 1e-300)
    log = -math.log(x)
    term = total = 1.0
    for i in range(1, len(parts)):
        term *= log / i
        total += term
    return min(1.0, x * total)


class Shown:
    """What each requester showed of one aspect on a day: pairs of group and value, each once."""

    def __init__(self, by_requester: Groups, column: Column) -> None:
        self._names, codes = column.distinct()
        self._size = max(len(self._names), 1)
        pairs = distinct(by_requester.number * self._size + codes[by_requester.rows])
        self._groups, self._codes = np.divmod(pairs, self._size)
        self.groups: list[int] = self._groups.tolist()
        self.values = [self._names[code] for code in self._codes.tolist()]

    def add_to(self, habits: Sequence[Habit], aspect: int, weight: float, most: int) -> None:
        """Add to the habit of each group what it showed, as `Habit.add` does."""
        own = [habit.counts[aspect] for habit in habits]
        totals = [habit.totals for habit in habits]
        for group, value in zip(self.groups, self.values, strict=True):
            counts = own[group]
            counts[value] = counts.get(value, 0.0) + weight
            totals[group][aspect] += weight
            if len(counts) > most:
                habits[group].make_room(aspect, most)

    def by(self, unit_of: Codes) -> dict[int, list[str]]:
        """The values shown in each unit, when `unit_of` tells the unit of each group."""
        found: dict[int, list[str]] = {}
        pairs = distinct(unit_of[self._groups].astype(np.int64) * self._size + self._codes)
        units, codes = np.divmod(pairs, self._size)
        for unit, code in zip(units.tolist(), codes.tolist(), strict=True):
            found.setdefault(unit, []).append(self._names[code])
        return found
