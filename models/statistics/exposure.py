"""How much a day counts: the day of the week, and what befell the peers on that day.

A busy Friday or a city-wide incident raises everybody's counts; the exposure of a day says by
how much, so that only what a member does beyond its peers is left to surprise.
"""

from __future__ import annotations

import numpy as np

from models.statistics.negative_binomial import Floats, Ints

#: Expected counts with which a weekday of a group leans on its pool, and of a pool on a flat week.
WEEKDAY_LEAN = 30.0
#: Expected counts with which a peer shock leans on "as usual", so that in a small unit a few
#: searches of colleagues do not excuse a surge.
SHOCK_LEAN = 10.0
#: A day is never taken for less or more of a usual day than this.
LEAST_SHOCK, MOST_SHOCK = 0.3, 5.0


class Weekdays:
    """Observed and expected discounted counts by group and day of the week (ordinal modulo 7)."""

    def __init__(self) -> None:
        self.seen: Floats = np.zeros((0, 7))
        self.due: Floats = np.zeros((0, 7))

    def grow(self, groups: int) -> None:
        """Make room for groups up to this number."""
        more = groups - len(self.seen)
        if more > 0:
            self.seen = np.vstack([self.seen, np.zeros((more, 7))])
            self.due = np.vstack([self.due, np.zeros((more, 7))])

    def learn(self, weekday: int, seen: Floats, due: Floats, discount: float) -> None:
        """Take in a closed day: what each group did and what a flat week would have expected."""
        self.seen *= discount
        self.due *= discount
        self.seen[:, weekday] += seen
        self.due[:, weekday] += due

    def profile(self, pool: Ints, pools: int) -> Floats:
        """Factor of each group (row) and weekday (column); every row has mean 1."""
        seen, due = np.zeros((pools, 7)), np.zeros((pools, 7))
        np.add.at(seen, pool, self.seen)
        np.add.at(due, pool, self.due)
        whole = (seen + WEEKDAY_LEAN) / (due + WEEKDAY_LEAN)
        own = (self.seen + WEEKDAY_LEAN * whole[pool]) / (self.due + WEEKDAY_LEAN)
        return np.asarray(own / own.mean(axis=1, keepdims=True))


def peer_shock(counts: Floats, expected: Floats, group: Ints, groups: int) -> Floats:
    """How many times the usual the *other* members of each member's group did today.

    A member's own count never enters its own shock, or a surge would excuse itself.
    """
    others = np.bincount(group, counts, groups)[group] - counts
    usual = np.bincount(group, expected, groups)[group] - expected
    return np.clip((others + SHOCK_LEAN) / (usual + SHOCK_LEAN), LEAST_SHOCK, MOST_SHOCK)
