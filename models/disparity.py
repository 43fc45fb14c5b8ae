"""Is one area searched beyond its share? Shrunk rate ratios, a funnel, and evidence that may be read any day.

Each area has an expected share of the agency's cases: what a denominator gives it (people who live
there, incidents reported), or what it had before. Over the weeks of a report

    ratio_i = O_i / E_i,  E_i = share_i * sum of all,  shrunk_i = (1/c + O_i/phi) / (1/c + E_i/phi)

c is the squared variation between areas and phi the over-dispersion of weekly counts, both by moments
(Clayton & Kaldor 1987); with phi, the limits of a funnel at 95% and 99.8% are 1 +- z sqrt(phi / E_i)
(Spiegelhalter 2005). Whoever looks every week will sooner or later see something beyond such
limits. So beside them stands an e-value: a bet against "its share is at most `tolerance` times the
expected", whose stake E grows only if that is wrong (Waudby-Smith & Ramdas 2024, betting on
a bounded mean; here averaged over fixed stakes). The chance that E ever reaches 20 is at most 1 in 20,
however often it is read and however the weeks scatter.

A disparity is a question, not an answer: more may happen in an area than the denominator says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincinv

from models.columns import Floats, Ints

#: z of the funnel's limits.
WARNING, ACTION = 1.96, 3.09
#: Stakes, as parts of the largest one that cannot lose everything, and their largest part.
STAKES, BOLDEST = 24, 0.95
#: An e-value from which on a disparity is named: 1 in 20 by chance, ever.
NAMED = 20.0


@dataclass(frozen=True)
class Disparity:
    """One area in one report. `week` is the last week's Monday (an ordinal)."""

    area: str
    week: int
    cases: int
    expected: float
    ratio: float
    shrunk: float
    interval: tuple[float, float]
    """Central 95% of the shrunk ratio."""
    warning: tuple[float, float]
    """The funnel at 95%."""
    action: tuple[float, float]
    """The funnel at 99.8%."""
    e_value: float

    @property
    def named(self) -> bool:
        """Whether it is searched beyond its share: by the evidence, and not by a hair."""
        return self.e_value >= NAMED and self.interval[0] > 1


def shares(denominators: Mapping[str, float], areas: Sequence[str]) -> Floats:
    """The share of each area in the denominators, which must be positive.

    Raises ValueError, naming them, when areas have none.
    """
    missing = [area for area in areas if denominators.get(area, 0.0) <= 0]
    if missing:
        raise ValueError(f"no denominator above 0 for: {', '.join(missing)}")
    found = np.array([denominators[area] for area in areas], np.float64)
    return np.asarray(found / found.sum())


def report(
    areas: Sequence[str],
    first_week: int,
    counts: Ints,
    share: Floats,
    tolerance: float = 1.1,
) -> list[list[Disparity]]:
    """The report as it stands after each week: weekly `counts` (areas x weeks), expected `share` (areas,
    sums to 1); `first_week` is the ordinal of the first week's Monday."""
    counts = np.asarray(counts, np.int64)
    phi = overdispersion(counts)
    wealth = e_values(counts, np.minimum(share * tolerance, 1.0))
    observed = counts.cumsum(axis=1)
    expected = share[:, None] * observed.sum(axis=0)
    found = []
    for week in range(counts.shape[1]):
        seen, due = observed[:, week].astype(np.float64), np.maximum(expected[:, week], 1e-9)
        precision = 1 / between(seen, due, phi)
        shape, rate = precision + seen / phi, precision + due / phi
        low, high = (gammaincinv(shape, level) / rate for level in (0.025, 0.975))
        half = np.sqrt(phi / due)
        found.append([
            Disparity(
                area, first_week + 7 * week, int(seen[at]), float(due[at]), float(seen[at] / due[at]),
                float(shape[at] / rate[at]), (float(low[at]), float(high[at])),
                _limits(float(half[at]), WARNING), _limits(float(half[at]), ACTION), float(wealth[at, week]),
            )
            for at, area in enumerate(areas)
        ])  # fmt: skip
    return found


def overdispersion(counts: Ints) -> float:
    """Pearson's chi squared of weekly counts (areas x weeks) round each area's own share, over its degrees
    of freedom; at least 1. What areas differ by in the long run does not enter."""
    weeks, all_ = counts.sum(axis=0), max(int(counts.sum()), 1)
    mean = counts.sum(axis=1, keepdims=True) * weeks / all_
    free = (counts.shape[0] - 1) * (counts.shape[1] - 1)
    if free < 1:
        return 1.0
    return max(1.0, float(((counts - mean) ** 2 / np.maximum(mean, 1e-9)).sum() / free))


def between(seen: Floats, due: Floats, phi: float) -> float:
    """Squared variation of the true ratios between areas, by moments; at least 0.0001."""
    ratio, whole = seen / due, due.sum()
    scatter = float((due * (ratio - 1) ** 2).sum()) - (len(due) - 1) * phi
    spread = float(whole - (due**2).sum() / whole)
    return max(1e-4, scatter / max(spread, 1e-9))


def e_values(counts: Ints, most: Floats) -> Floats:
    """Wealth after each week (areas x weeks) of bets that an area's share of the week exceeds `most`.

    Each of `STAKES` parts of the purse is bet at a fixed stake; a fair game, or an unfavourable one,
    when the mean share is at most `most`, whatever its law.

    >>> e_values(np.array([[5, 5], [5, 5]]), np.array([0.5, 0.9])).round(2).tolist()[0]
    [1.0, 1.0]
    """
    week = np.maximum(counts.sum(axis=0), 1)
    gain = np.where(counts.sum(axis=0) > 0, counts / week - most[:, None], 0.0)
    stakes = BOLDEST * np.geomspace(0.01, 1.0, STAKES)[:, None, None] / np.maximum(most, 1e-9)[None, :, None]
    return np.asarray(np.exp(np.log1p(stakes * gain).cumsum(axis=2)).mean(axis=0))


def _limits(half: float, z: float) -> tuple[float, float]:
    return max(0.0, 1 - z * half), 1 + z * half
