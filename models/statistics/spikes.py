"""Did a place search more round a demonstration? One window, two counts, three comparisons.

The window reaches from the day before an event to two days after it, when photographs taken there
are searched. Its cases are counted, and those of them that a condition picks. Each count is compared

* with the series' own past (`counts`), absolutely: nothing that is everywhere is explained away;
* with that past times what befell the other places in the same days;
* with the same window round matched control days, the quiet days most like that of the event.

All three are scaled up by how busy the fortnight before was, so that a wave of crime in whose midst a
demonstration falls is no matter of the demonstration.

The p-values are put together by the Cauchy combination (Liu & Xie 2020, JASA 115): -cot(pi p) is
averaged, which is again uniform under normal use, nearly whatever depends on what.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.statistics.counts import Counts, Expectation
from models.statistics.history import RING
from models.statistics.negative_binomial import Floats, Ints, upper_tail

#: The window is [-1, +2] days round the event, 4 days long.
BEFORE, AFTER = 1, 2
LENGTH = BEFORE + 1 + AFTER
#: Control days sought, and the number needed for a comparison.
CONTROLS, ENOUGH = 4, 2
#: Squared variation of what befalls all places together in four days, before the others are looked at: of
#: all cases, and of those picked, where a new form may change everything from one day to the next.
COMMON, COMMON_PICKED = 0.02, 1.0
#: Days before the window that tell how busy it is, and the expected cases at which they weigh a half.
FORTNIGHT, LEAN = 14, 25.0
#: Weight of the picked cases in the combination. They are few, so that most often p is near 1 and says
#: nothing: it is taken for at most a half. Of all cases p counts up to 0.99.
PICKED, LEAST_SAYING, LEAST = 0.2, 0.5, 0.99


@dataclass(frozen=True, slots=True)
class Spike:
    """By row of a history: the count of the window, what it is compared with, and the p-values."""

    observed: Ints
    mean: Floats
    variance: Floats
    context: Floats
    """The mean given what befell the other rows of the group."""
    matched: Floats
    """The mean round the control days, 0 where there are too few."""
    p: Floats
    """Of the three comparisons, shape (3, rows); not a number for one that is not possible."""

    def together(self, rows: Ints, picked: Ints) -> Floats:
        """One p-value, in (0, 1], for rows of all cases and the rows of those picked.

        Of the picked the largest of the three stands: what is picked depends on what a form asks for,
        and must be unusual beside the past, the others and the control days."""
        every = np.minimum(self.p[:, rows], LEAST)
        few = np.fmin(np.fmax.reduce(self.p[:, picked]), LEAST_SAYING)
        return cauchy(np.vstack([every, few]), np.array([*[(1 - PICKED) / 3] * 3, PICKED]))


def compare(
    counts: Counts,
    told: Expectation,
    picked: np.ndarray,
    day: int,
    event: int,
    centres: Sequence[int],
    calm: np.ndarray,
) -> Spike:
    """Compare the windows that end with `day`, round an event on the day `event` (ordinals).

    The mask `picked` says which rows count picked cases. `centres` are the control days; those beyond
    the 90 days at hand, or that touch the window, are left out. The others of a row are the rest of
    its group. The mask `calm` (days x rows) says which days of the fortnight before the window, the
    latest first, no other event disturbs.
    """
    past, four = counts.history, counts.windows.tolist().index(LENGTH)
    observed, mean = told.observed[four], told.mean[four]
    pool = counts.pool[past.group]
    phi, tau = counts.dispersion.phi[pool, four], counts.dispersion.tau[pool, four]
    squared = (told.variance[four] - phi * mean) / np.maximum(mean, 1e-9) ** 2
    matched, number = _matched(counts, day, event, centres)
    spread = tau * (1 + 1 / np.maximum(number, 1)) + phi / np.maximum(matched * number, 0.5)
    seen, due = _fortnight(counts, mean, day, event, calm)
    # A quiet fortnight, or one that the log lacks, makes nothing suspicious.
    level = np.maximum(1.0, (LEAN + seen) / (LEAN + due))
    mean = mean * level
    squared, spread = squared + 1 / (LEAN + seen), spread + 1 / (LEAN + seen)
    matched = matched * level
    variance = phi * mean + squared * mean**2
    context, unsure = _context(counts, observed, mean, np.where(picked, COMMON_PICKED, COMMON))
    parts = [
        (mean, variance),
        (context, phi * context + (squared + unsure) * context**2),
        (matched, phi * matched + spread * matched**2),
    ]
    # A negative binomial's variance must exceed its mean by a hair at least.
    p = [np.where(m > 0, upper_tail(observed, m, np.maximum(v, m * (1 + 1e-9))), np.nan) for m, v in parts]
    return Spike(observed, mean, variance, context, matched, np.stack(p))


def cauchy(p: Floats, weights: Floats) -> Floats:
    """The Cauchy combination of p-values over the first axis, those that are no number left out.

    >>> cauchy(np.array([[0.01, 0.2], [0.01, np.nan]]), np.array([0.5, 0.5])).round(6).tolist()
    [0.01, 0.2]
    """
    there = ~np.isnan(p)
    weight = np.where(there, weights[:, None], 0.0)
    score = (weight / np.tan(np.pi * np.where(there, np.maximum(p, 1e-300), 0.5))).sum(axis=0)
    whole = weight.sum(axis=0)
    found = np.arctan2(1.0, score / np.where(whole > 0, whole, 1.0)) / np.pi
    return np.where(whole > 0, np.clip(found, 1e-300, 1.0), 1.0)


def _fortnight(counts: Counts, mean: Floats, day: int, event: int, calm: np.ndarray) -> tuple[Floats, Floats]:
    """By row what was counted on the calm days before the window, and what was to be expected of them."""
    past = counts.history
    window = [(day - back) % RING for back in range(LENGTH)]
    before = [(event - BEFORE - 1 - back) % RING for back in range(FORTNIGHT)]
    whole = past.exposure[window].sum(0)
    rate = np.where(whole > 0, mean / np.maximum(whole, 1e-9), 0.0)
    return (past.counts[before] * calm).sum(0), rate * (past.exposure[before] * calm).sum(0)


def _context(counts: Counts, observed: Ints, mean: Floats, common: Floats) -> tuple[Floats, Floats]:
    """The mean times the common factor that the others show, and what variation that leaves it.

    The factor is gamma distributed round 1, with a squared variation `common` by row. Without others
    it stays there.
    """
    group, groups = counts.history.group, len(counts.pool)
    others = np.bincount(group, observed, groups)[group] - observed
    usual = np.maximum(np.bincount(group, mean, groups)[group] - mean, 0.0)
    precision = np.where(usual > 1e-9, 1 / common, 1e9)
    return mean * (precision + others) / (precision + usual), 1 / (precision + usual)


def _matched(counts: Counts, day: int, event: int, centres: Sequence[int]) -> tuple[Floats, Floats]:
    """By row the mean of the windows round the control days, and the number of these; 0 if too few."""
    past = counts.history
    near = [one for one in centres if one - BEFORE > day - RING and one + AFTER < event - BEFORE]
    if len(near) < ENOUGH:
        return np.zeros(len(past)), np.zeros(len(past))
    around = [[(centre + step) % RING for step in range(-BEFORE, AFTER + 1)] for centre in near]
    number = np.stack([past.exposure[days].sum(0) > 0 for days in around]).sum(0).astype(np.float64)
    totals = np.stack([past.counts[days].sum(0) for days in around]).sum(0)
    return np.where(number >= ENOUGH, (totals + 0.5) / np.maximum(number, 1), 0.0), number
