"""What could be known at best: the true mean of every day."""

from __future__ import annotations

import numpy as np
from scipy.stats import poisson

from bench.baselines.base import Baseline, Floats, Ints, Scores, strongest, sums

LENGTHS = (1, 7, 28, 90)


class Oracle(Baseline):
    """Cases of 1, 7, 28 and 90 days are Poisson round the simulator's own mean.

    It knows leave, crime waves and every officer's load. It does not know which officer takes over a
    colleague's case, which adds a little to what it expects.
    """

    name = "oracle (true mean known)"

    def scores(self, cases: Ints, searches: Ints, weekday: Ints, expected: Floats) -> Scores:
        """-ln P(as many or more), the largest over the windows."""
        parts = {}
        for length in LENGTHS:
            observed, mean = sums(cases, length), np.maximum(sums(expected, length), 1e-9)
            high = observed > mean
            value = np.zeros(cases.shape)
            value[high] = -poisson.logsf(observed[high] - 1, mean[high])
            parts[length] = value
        return strongest(parts)
