"""What a peer group says about one of its members: the empirical-Bayes prior.

The rates of a group's members (counts a day of exposure) follow a gamma distribution with mean m
and squared coefficient of variation c, estimated by moments as in credibility theory
(Buhlmann & Straub 1970): the scatter of the members' own rates, less what chance alone makes.
Each group leans on its pool, the whole agency, with the weight n / (n + 20) of its n members.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.statistics.negative_binomial import Floats, Ints

#: Members at which a group's own estimate weighs as much as the pool's.
LEAN = 20.0
#: Squared coefficient of variation between members where it cannot be estimated, and its bounds.
VARIATION, LEAST_VARIATION, MOST_VARIATION = 1.0, 0.05, 4.0
#: Discounted days of exposure of all its members after which a prior limits what is learned.
ESTABLISHED = 14.0


@dataclass(frozen=True, slots=True)
class Prior:
    """One value a group: mean rate m > 0 a day, squared variation c, and whether it is trusted yet."""

    mean: Floats
    variation: Floats
    established: np.ndarray

    @staticmethod
    def vague(groups: int) -> Prior:
        """Before there is data: half a count a day, give or take as much."""
        return Prior(np.full(groups, 0.5), np.full(groups, VARIATION), np.zeros(groups, np.bool_))


def credibility(counts: Floats, exposure: Floats, group: Ints, pool: Ints, phi: Floats) -> Prior:
    """The prior of every group.

    `counts` and `exposure` (days) hold one value a member and `group` its group; `pool` holds the
    pool of each group and `phi` the variance-to-mean ratio of counts in each pool.
    """
    groups, pools = len(pool), len(phi)
    own = _moments(counts, exposure, group, groups, phi[pool])
    whole = _moments(counts, exposure, pool[group], pools, phi)
    weight = own.members / (own.members + LEAN)
    return Prior(
        weight * own.mean + (1 - weight) * whole.mean[pool],
        weight * own.variation + (1 - weight) * whole.variation[pool],
        whole.exposure[pool] >= ESTABLISHED,
    )


@dataclass(frozen=True, slots=True)
class _Moments:
    members: Floats
    exposure: Floats
    mean: Floats
    variation: Floats


def _moments(counts: Floats, exposure: Floats, label: Ints, labels: int, phi: Floats) -> _Moments:
    def total(values: Floats) -> Floats:
        return np.bincount(label, values, labels).astype(np.float64)

    served = exposure > 0
    days = np.where(served, exposure, 1.0)
    members, all_days, all_counts = total(served.astype(np.float64)), total(exposure), total(counts)
    mean = (all_counts + 0.5) / (all_days + 1.0)
    scatter = total(exposure * (counts / days - mean[label]) ** 2)
    spread = all_days - total(exposure**2) / np.maximum(all_days, 1e-9)
    # One member, or members without exposure, cannot show how members differ.
    known = (members >= 2) & (spread > 1e-6)
    between = (scatter - (members - 1) * phi * mean) / np.where(known, spread, 1.0)
    variation = np.clip(between / mean**2, LEAST_VARIATION, MOST_VARIATION)
    return _Moments(members, all_days, mean, np.where(known, variation, VARIATION))
