"""What honest searches should look like, and what a simulation achieves.

Every target is a fact about a real log: that of Los Angeles (17 searches a day by 330 users in
2020, ktla.com), that of Eugene, Oregon (4,294 searches by 147 users in 2025, CC0-1.0), or that of
a department in Texas whose audit log was published (vague reasons by hour).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bench.simulator.clock import HOURS, WEEKDAYS, Floats, Ints
from bench.simulator.matters import VAGUE
from bench.simulator.world import World

LOS_ANGELES, EUGENE, TEXAS = "Los Angeles 2020", "Eugene 2025", "Texas"
#: The top ten of Eugene's 147 users.
TOP = 10 / 147


class Target(NamedTuple):
    """One fact: its value in the real log, the band that a simulation must meet, and what one did."""

    name: str
    source: str
    real: float
    low: float
    high: float
    achieved: float

    @property
    def met(self) -> bool:
        """Whether the simulation lies within the band."""
        return self.low <= self.achieved <= self.high


def targets(world: World) -> list[Target]:
    """All targets against the honest searches of a world, without incidents and added traps.

    Bands are wide enough for chance between seeds and for the habits of another city, no wider.
    """
    table = world.honest
    users = _counts(table["officer"])
    visits = _counts(table["officer"] * 10_000 + table["day"])
    hour = table["second"] // 3600
    weekday = (table["day"] + world.city.first.weekday()) % 7
    night = (hour >= 1) & (hour <= 4)
    last_year = table["day"] >= world.city.days - 365
    vague = (table["reason"] >= world.reasons.vague) & (table["reason"] < world.reasons.vague + len(VAGUE))
    mean = float(users.mean())
    rate = world.city.per_day
    return [
        Target("searches a day", LOS_ANGELES, rate, 0.9 * rate, 1.15 * rate, len(hour) / world.city.days),
        Target("Gini of searches by user", EUGENE, 0.590, 0.53, 0.65, gini(users)),
        Target(f"share of the busiest {TOP:.1%} of users", EUGENE, 0.330, 0.28, 0.40, _top_share(users)),
        Target("median user / mean", EUGENE, 0.548, 0.42, 0.68, float(np.median(users)) / mean),
        Target("90th percentile user / mean", EUGENE, 2.36, 1.9, 2.8, float(np.quantile(users, 0.9)) / mean),
        Target("95th percentile user / mean", EUGENE, 3.05, 2.6, 4.0, float(np.quantile(users, 0.95)) / mean),
        Target("busiest user / mean", EUGENE, 11.6, 6.5, 20.0, float(users.max()) / mean),
        Target("from 1 to 5 am", EUGENE, 0.062, 0.048, 0.085, float(night.mean())),
        Target("at weekends", EUGENE, 0.177, 0.160, 0.200, float((weekday >= 5).mean())),
        Target("hours, total variation", EUGENE, 0.0, 0.0, 0.07, variation(hour, HOURS)),
        Target("weekdays, total variation", EUGENE, 0.0, 0.0, 0.05, variation(weekday, WEEKDAYS)),
        Target("vague reasons, 1 to 5 am", TEXAS, 0.112, 0.045, 0.20, float(vague[last_year & night].mean())),
        Target(
            "vague reasons, otherwise", TEXAS, 0.033, 0.018, 0.05, float(vague[last_year & ~night].mean())
        ),
        *_by_day(world, visits),
    ]


def _by_day(world: World, visits: Ints) -> list[Target]:
    """Clustering within a user's days. It depends on volume, so only the demo's is compared."""
    if world.city.per_day / world.city.officers > 0.1:
        return []
    table = world.honest
    counts = np.zeros((world.city.officers, world.city.days + 40))
    np.add.at(counts, (table["officer"], table["day"]), 1)
    counts = counts[:, : world.city.days]
    spread = float(counts.var(axis=1).sum() / counts.mean(axis=1).sum())
    return [
        Target("searches of a user on an active day, median", EUGENE, 1, 1, 1, float(np.median(visits))),
        Target("the same, mean", EUGENE, 1.98, 1.6, 2.3, float(visits.mean())),
        Target("the same, 99th percentile", EUGENE, 8, 6, 10, float(np.quantile(visits, 0.99))),
        Target("the same, largest", EUGENE, 12, 10, 22, float(visits.max())),
        Target("variance / mean of a user's days", EUGENE, 2.61, 2.2, 4.0, spread),
    ]


def gini(values: Ints) -> float:
    """Gini coefficient of non-negative values: 0 when all are equal, towards 1 when one has all.

    >>> gini(np.array([1, 1, 1, 1]))
    0.0
    """
    ordered = np.sort(values)
    rank = np.arange(1, len(ordered) + 1)
    return float((2 * rank - len(ordered) - 1) @ ordered / (len(ordered) * ordered.sum()))


def variation(values: Ints, real: tuple[int, ...]) -> float:
    """Total variation distance between how often values occur and how often they really do, in
    [0, 1]: the share of searches that would have to move."""
    found: Floats = np.bincount(values, minlength=len(real)) / len(values)
    return float(np.abs(found - np.asarray(real) / sum(real)).sum() / 2)


def _counts(keys: Ints) -> Ints:
    return np.asarray(np.unique(keys, return_counts=True)[1], dtype=np.int64)


def _top_share(users: Ints) -> float:
    return float(np.sort(users)[-max(1, round(TOP * len(users))) :].sum() / users.sum())
