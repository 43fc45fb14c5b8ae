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


#: Above this a tail may be taken as one less the rest: what is lost is below 1e-10 of it.
_WIDE = 1e-4


def upper_tail(count: Ints, trials: Ints, mean: Floats, rho: Floats) -> Floats:
    """P(K >= count), to ten digits; `mean` and `rho` in (0, 1), 0 <= count.

    >>> tail = upper_tail(np.array([2]), np.array([2]), np.array([0.5]), np.array([1 / 3]))
    >>> round(float(tail[0]), 6)  # a = b = 1: each of 0, 1, 2 has the chance 1/3
    0.333333
    """
    tail = np.where(count <= 0, 1.0, 0.0)
    some = np.flatnonzero((count > 0) & (count <= trials))
    k, n, of = count[some], trials[some], (mean[some], rho[some])
    # A hit at all is by far the commonest question, and has a form of its own; else the fewer terms.
    found = -np.expm1(log_chance(np.zeros(len(some)), n, *of))
    for fewer in (True, False):
        which = np.flatnonzero((k > 1) & (2 * k <= n if fewer else (2 * k > n) | (found < _WIDE)))
        m, r = (part[which] for part in of)
        if fewer:
            found[which] = 1.0 - _sum(0 * which, k[which], n[which], m, r)
        else:
            found[which] = _sum(k[which], (n - k + 1)[which], n[which], m, r)
    tail[some] = np.minimum(1.0, found)
    return tail


def _sum(first: Ints, terms: Ints, trials: Ints, mean: Floats, rho: Floats) -> Floats:
    """P(first <= K < first + terms), terms > 0."""
    if not len(first):
        return np.zeros(0)
    starts = np.cumsum(terms) - terms
    step = np.arange(int(terms.sum())) - np.repeat(starts, terms)
    n, m, r = (np.repeat(column, terms) for column in (trials, mean, rho))
    return np.add.reduceat(np.exp(log_chance(step + np.repeat(first, terms), n, m, r)), starts)


def central_interval(trials: int, mean: float, rho: float, mass: float = 0.95) -> tuple[float, float]:
    """The range of counts left after cutting at most (1 - mass) / 2 from either end.

    >>> central_interval(10, 0.5, 0.01)
    (2.0, 8.0)
    """
    counts, same = np.arange(trials + 1.0), np.ones(trials + 1)
    below = np.cumsum(np.exp(log_chance(counts, trials * same, mean * same, rho * same)))
    outside = (1 - mass) / 2
    low = int(np.searchsorted(below, outside, side="right"))
    high = int(np.searchsorted(below, 1 - outside, side="left"))
    return float(min(low, trials)), float(min(high, trials))


def log_chance(k: np.ndarray, n: np.ndarray, mean: np.ndarray, rho: np.ndarray) -> Floats:
    """Natural logarithm of P(K = k), 0 <= k <= n."""
    size = 1 / rho - 1
    a, b = mean * size, (1 - mean) * size
    ways = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return np.asarray(ways + betaln(k + a, n - k + b) - betaln(a, b))
