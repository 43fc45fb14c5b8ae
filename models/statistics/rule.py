"""When a count raises an alert: history enough, counts enough, and a small enough p-value.

The p-value of a key-day is the smallest over its windows after each has been multiplied by a share
of a Bonferroni correction. Long windows pay less of it, as the fifth root of their length: they
overlap from day to day and seldom give a new chance of a false alert.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from models.statistics.counts import Counts, Expectation
from models.statistics.negative_binomial import Floats, Ints, upper_tail
from models.statistics.tally import NEVER

#: Power of a window's length with which it shares in the correction.
SHARING = 0.2


def factors(lengths: Sequence[int]) -> Floats:
    """What the p-value of each window is multiplied by; their inverses add up to 1.

    >>> factors([1, 32]).round(3).tolist()
    [3.0, 1.5]
    """
    weight = np.asarray(lengths, np.float64) ** SHARING
    return np.asarray(weight.sum() / weight)


@dataclass(frozen=True, slots=True)
class Rule:
    """The smallest p over the windows, times their `factors`, against `alpha`.

    All masks and figures are by window (row) and key (column), as in an `Expectation`.

    `places` are the windows' rows in an `Expectation`, `factor` is by place. A day that is not itself
    above its expectation raises nothing. A window that reaches back to an alert may amend it for
    `episode_days` and is then not judged: a burst is told when it happens, not as long as windows hold it.
    """

    places: tuple[int, ...]
    factor: Floats
    alpha: float
    minimum_count: int
    minimum_history_days: int
    newcomer_days: int
    minimum_agency_days: int
    episode_days: int

    def judged(self, counts: Counts, day: int) -> np.ndarray:
        """Which windows are judged: of keys in service with history enough, without old alerts."""
        past = counts.history
        if not counts.first_day or day - counts.first_day < self.minimum_agency_days:
            return np.zeros((len(counts.windows), len(past)), np.bool_)
        needed = np.where(past.since > 0, self.newcomer_days, self.minimum_history_days)
        amending = day - past.told <= self.episode_days
        served = past.active & (past.days > needed)
        return np.asarray((self.fresh(counts, day) | amending) & served)

    def fresh(self, counts: Counts, day: int) -> np.ndarray:
        """Which windows hold nothing that raised an alert before."""
        return np.asarray(counts.windows[:, None] <= day - counts.history.told)

    def counted(self, told: Expectation) -> np.ndarray:
        """The windows (rows) of keys (columns) that hold enough to be worth a p-value."""
        return np.asarray(told.beyond(1.0) & (told.observed >= self.minimum_count))

    def p_values(self, told: Expectation, judged: np.ndarray) -> tuple[Floats, Ints]:
        """By key the corrected p-value in [0, 1], and which of `places` it comes from."""
        today = judged & (told.observed[0] > told.mean[0])
        p = told.p_values(self.counted(told) & today)[list(self.places)] * self.factor[:, None]
        if not p.size:
            return np.ones(0), np.zeros(0, np.int64)
        best = p.argmin(axis=0)
        return np.minimum(1.0, p.min(axis=0)), np.asarray(self.places)[best]

    def screen(self, outlook: Expectation, judged: np.ndarray, line: float) -> Ints:
        """By key a count that an open day must at least reach before its p can be `line`.

        A negative binomial leans to the right, so that its far quantiles lie beyond those of a
        normal law of the same mean and variance, less one because counts are whole; for a
        mean of a few with 20 times the variance that may fail, and the mean itself must do.
        """
        mean, variance = outlook.mean, outlook.variance
        # The least strict of the windows serves as the screen of all.
        beyond = -ndtri(min(self.alpha, line) / self.factor.min()) * np.sqrt(variance) - 1
        needed = np.floor(mean + np.where((mean > 20) | (variance < 20 * mean), beyond, 0.0)).astype(np.int64)
        least = np.maximum(needed, self.minimum_count) - outlook.observed
        least = np.where(judged, np.maximum(least, 1), NEVER)
        return np.asarray(least[list(self.places)].min(axis=0))

    def reaches(self, outlook: Expectation, judged: np.ndarray, row: int, count: int, line: float) -> bool:
        """Whether an open day with this count has a p of at most `line` and alpha for one key."""
        if count <= outlook.mean[0, row]:
            return False
        which = [
            number
            for number, place in enumerate(self.places)
            if judged[place, row] and outlook.observed[place, row] + count >= self.minimum_count
        ]
        if not which:
            return False
        places = [self.places[number] for number in which]
        p = upper_tail(
            outlook.observed[places, row] + count, outlook.mean[places, row], outlook.variance[places, row]
        )
        return bool((p * self.factor[which]).min() <= min(self.alpha, line))
