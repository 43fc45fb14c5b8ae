"""The beta-binomial by mean and correlation: tails and central ranges.

Of n trials K succeed, where the chance itself has mean mu and the trials are alike with the
intra-class correlation rho: Var K = n mu (1 - mu) (1 + (n - 1) rho), a = mu (1/rho - 1) and
b = (1 - mu) (1/rho - 1). All functions work on arrays of equal shape (m,).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, gammaln

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def upper_tail(count: Ints, trials: Ints, mean: Floats, rho: Floats) -> Floats:
    """P(K >= count), exact; `mean` and `rho` in (0, 1), 0 <= count.

    >>> tail = upper_tail(np.array([2]), np.array([2]), np.array([0.5]), np.array([1 / 3]))
    >>> round(float(tail[0]), 6)  # a = b = 1: each of 0, 1, 2 has the chance 1/3
    0.333333
    """
    tail = np.where(count <= 0, 1.0, 0.0)
    # One term instead of many, for what is asked by far most often.
    any_at_all = (count == 1) & (trials > 0)
    none = _log_chance(0.0, trials[any_at_all], mean[any_at_all], rho[any_at_all])
    tail[any_at_all] = -np.expm1(none)
    some = (count > 1) & (count <= trials)
    if not some.any():
        return tail
    number = (trials - count + 1)[some]
    starts = np.cumsum(number) - number
    step = np.arange(int(number.sum())) - np.repeat(starts, number)

    def each(values: Ints | Floats) -> Floats:
        return np.repeat(np.asarray(values[some], np.float64), number)

    chance = _chance(step + each(count), each(trials), each(mean), each(rho))
    tail[some] = np.minimum(1.0, np.add.reduceat(chance, starts))
    return tail


def central_interval(trials: int, mean: float, rho: float, mass: float = 0.95) -> tuple[float, float]:
    """The range of counts left after cutting at most (1 - mass) / 2 from either end.

    >>> central_interval(10, 0.5, 0.01)
    (2.0, 8.0)
    """
    counts, same = np.arange(trials + 1.0), np.ones(trials + 1)
    below = np.cumsum(_chance(counts, trials * same, mean * same, rho * same))
    outside = (1 - mass) / 2
    low = int(np.searchsorted(below, outside, side="right"))
    high = int(np.searchsorted(below, 1 - outside, side="left"))
    return float(min(low, trials)), float(min(high, trials))


def _chance(k: Floats, n: Floats, mean: Floats, rho: Floats) -> Floats:
    return np.exp(_log_chance(k, n, mean, rho))


def _log_chance(k: Floats | float, n: Floats | Ints, mean: Floats, rho: Floats) -> Floats:
    size = 1 / rho - 1
    a, b = mean * size, (1 - mean) * size
    ways = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return np.asarray(ways + betaln(k + a, n - k + b) - betaln(a, b))
