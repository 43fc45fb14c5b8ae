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
from bench.simulator.searches import Table
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
        Target("95th percentile user / mean", EUGENE, 3.05, 2.6, 4.2, float(np.quantile(users, 0.95)) / mean),
        Target("busiest user / mean", EUGENE, 11.6, 6.5, 20.0, float(users.max()) / mean),
        Target("from 1 to 5 am", EUGENE, 0.062, 0.048, 0.085, float(night.mean())),
        Target("at weekends", EUGENE, 0.177, 0.160, 0.200, float((weekday >= 5).mean())),
        Target("hours, total variation", EUGENE, 0.0, 0.0, 0.07, variation(hour, HOURS)),
        Target("weekdays, total variation", EUGENE, 0.0, 0.0, 0.05, variation(weekday, WEEKDAYS)),
        Target("vague reasons, 1 to 5 am", TEXAS, 0.112, 0.04, 0.23, float(vague[last_year & night].mean())),
        Target(
            "vague reasons, otherwise", TEXAS, 0.033, 0.018, 0.06, float(vague[last_year & ~night].mean())
        ),
        *_by_day(world, visits),
    ]


def _by_day(world: World, visits: Ints) -> list[Target]:
    """Clustering within a user's days. It depends on volume, so only slow logs are compared, and
    mainly by the middle users (25th to 90th percentile): the busiest ten of Eugene make several
    times the searches of anybody here, and the pooled tail is theirs."""
    if world.city.per_day / world.city.officers > 0.1:
        return []
    middle = _middle_days(world.honest)
    return [
        Target("searches on an active day, median", EUGENE, 1, 1, 1, float(np.median(visits))),
        Target("the same, 99th percentile", EUGENE, 8, 5, 8, float(np.quantile(visits, 0.99))),
        Target("the same, largest", EUGENE, 12, 8, 18, float(visits.max())),
        Target("middle users, mean of an active day", EUGENE, 1.725, 1.55, 1.9, float(middle.mean())),
        Target("middle users, days of 2 or more", EUGENE, 0.402, 0.34, 0.46, float((middle >= 2).mean())),
        Target("middle users, days of 4 or more", EUGENE, 0.082, 0.055, 0.11, float((middle >= 4).mean())),
        Target("middle users, days of 6 or more", EUGENE, 0.013, 0.006, 0.025, float((middle >= 6).mean())),
        Target("middle users, days of 8 or more", EUGENE, 0.0072, 0.0005, 0.012, float((middle >= 8).mean())),
    ]


def _middle_days(table: Table) -> Ints:
    """Searches on each active day of the users between the 25th and the 90th percentile."""
    users, total = np.unique(table["officer"], return_counts=True)
    low, high = np.quantile(total, [0.25, 0.9])
    chosen = np.isin(table["officer"], users[(total > low) & (total <= high)])
    return _counts((table["officer"] * 10_000 + table["day"])[chosen])


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
