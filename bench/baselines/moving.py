"""Counts against a fixed limit or against the key's own recent past."""

from __future__ import annotations

import numpy as np

from bench.baselines.base import Baseline, Floats, Ints, Scores, before, one_day, strongest, sums

#: Days of the windows that are compared.
LENGTHS = (1, 7, 28)
#: Least standard deviation, in counts, so that keys that never search do not divide by nothing.
LEAST = 0.5


class FixedCount(Baseline):
    """As many cases a day as nobody should have, the same number for all."""

    name = "fixed count"

    def scores(self, cases: Ints, searches: Ints, weekday: Ints, expected: Floats) -> Scores:
        """The count itself; searches break ties."""
        return Scores(np.asarray(cases + searches / (1.0 + searches), np.float64), one_day())


class ZScore(Baseline):
    """Sums of 1, 7 and 28 days against mean and standard deviation of the days before them."""

    def __init__(self, days: int) -> None:
        self.days = days
        self.name = f"z-score {days} d"  # type: ignore[misc]

    def scores(self, cases: Ints, searches: Ints, weekday: Ints, expected: Floats) -> Scores:
        """Standard deviations above the mean, the largest over the windows."""
        count = np.minimum(np.arange(cases.shape[1]) + 1, self.days)
        mean = sums(cases, self.days) / count
        spread = np.sqrt(np.maximum(sums(cases * cases, self.days) / count - mean**2, 0.0))
        parts = {}
        for length in [one for one in LENGTHS if one < self.days]:
            past, wide = before(mean, length), np.maximum(before(spread, length), LEAST)
            parts[length] = (sums(cases, length) - length * past) / (wide * np.sqrt(length))
        return strongest(parts)


class EarsC2(Baseline):
    """EARS C2 (Hutwagner et al. 2003): a day against the week that ended three days ago."""

    name = "EARS C2"

    def scores(self, cases: Ints, searches: Ints, weekday: Ints, expected: Floats) -> Scores:
        """Standard deviations above the mean of days -9 to -3."""
        mean = before(sums(cases, 7), 3) / 7
        spread = np.sqrt(np.maximum(before(sums(cases * cases, 7), 3) - 7 * mean**2, 0.0) / 6)
        return Scores((cases - mean) / np.maximum(spread, LEAST), one_day())


class MovingMedian(Baseline):
    """Exponentially weighted cases against median and MAD of their own last 90 days."""

    name = "EWMA/MAD on cases"
    weight = 0.2
    days = 90

    def scores(self, cases: Ints, searches: Ints, weekday: Ints, expected: Floats) -> Scores:
        """MADs (times 1.4826) above the median; the present is compared with up to a week ago."""
        smooth = np.zeros(cases.shape)
        level = np.zeros(len(cases))
        for day in range(cases.shape[1]):
            level = smooth[:, day] = (1 - self.weight) * level + self.weight * cases[:, day]
        value = np.zeros(cases.shape)
        # Median and MAD move slowly: they are worked out once a week.
        for day in range(14, cases.shape[1], 7):
            past = smooth[:, max(0, day - 7 - self.days) : day - 7]
            median = np.median(past, axis=1)
            mad = 1.4826 * np.median(np.abs(past - median[:, None]), axis=1)
            wide = np.maximum(mad, 0.1)[:, None]
            value[:, day : day + 7] = (smooth[:, day : day + 7] - median[:, None]) / wide
        return Scores(value, np.full((1, 1), 7, np.int64))
