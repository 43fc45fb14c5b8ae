"""The negative binomial by mean and variance: tails, critical counts, central ranges.

A count X with mean mu and variance v > mu has size k = mu^2 / (v - mu) and
P(X >= x) = I_{mu/(mu+k)}(x, k), the regularised incomplete beta function (NIST DLMF 8.17.24).
All functions work on arrays and broadcast.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, ndtri

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def upper_tail(count: ArrayLike, mean: ArrayLike, variance: ArrayLike) -> Floats:
    """P(X >= count), in [0, 1]; 1 where the count or the mean is not above 0.

    Needs variance > mean; both in the unit of the count (its square for the variance).

    >>> round(float(upper_tail(3, 1.0, 2.0)), 3)  # geometric: 0.5 ** 3
    0.125
    """
    x, mu, v = np.broadcast_arrays(*(np.asarray(a, dtype=np.float64) for a in (count, mean, variance)))
    tail = np.ones(x.shape)
    real = (x > 0) & (mu > 0)
    x, mu, v = x[real], mu[real], v[real]
    size = mu * mu / (v - mu)
    tail[real] = betainc(x, size, mu / (mu + size))
    return tail


def lower_tail(count: ArrayLike, mean: ArrayLike, variance: ArrayLike) -> Floats:
    """P(X <= count), in [0, 1]; 1 where the mean is not above 0. Needs variance > mean.

    >>> round(float(lower_tail(0, 1.0, 2.0)), 3)  # geometric
    0.5
    """
    x, mu, v = np.broadcast_arrays(*(np.asarray(a, dtype=np.float64) for a in (count, mean, variance)))
    tail = np.ones(x.shape)
    real = mu > 0
    x, mu, v = x[real], mu[real], v[real]
    size = mu * mu / (v - mu)
    tail[real] = betainc(size, x + 1, size / (mu + size))
    return tail


def tail_square(count: ArrayLike, mean: ArrayLike, variance: ArrayLike) -> Floats:
    """E[(X - mean)^2; X >= count]: what counts from there on add to the variance.

    Needs mean > 0 and variance > mean. By x f_r(x) = mean f_(r+1)(x - 1) for the law f of size r.

    >>> round(float(tail_square(0, 1.0, 2.0)), 6)
    2.0
    """
    x, mu, v = np.broadcast_arrays(*(np.asarray(a, dtype=np.float64) for a in (count, mean, variance)))
    size = mu * mu / (v - mu)
    share = mu / (mu + size)

    def beyond(shift: int) -> Floats:
        """P(X >= count - shift) of the law of size r + shift."""
        from_one = np.maximum(x - shift, 1.0)
        return np.where(x > shift, betainc(from_one, size + shift, share), 1.0)

    second = mu * mu * (1 + 1 / size) * beyond(2) + mu * beyond(1)
    return np.asarray(second - 2 * mu * mu * beyond(1) + mu * mu * beyond(0))


def critical_count(mean: ArrayLike, variance: ArrayLike, p: float) -> Ints:
    """The smallest count x with P(X >= x) <= p, for 0 < p < 1; 1 where the mean is not above 0.

    Bisection, begun where a Cornish-Fisher expansion to the skewness puts it: seldom more than one off.
    """
    mean, variance = np.broadcast_arrays(
        np.asarray(mean, dtype=np.float64), np.asarray(variance, dtype=np.float64)
    )
    found = np.ones(mean.size, np.int64)
    left = np.flatnonzero(mean > 0)
    mu, v = mean.ravel()[left], variance.ravel()[left]
    z = -float(ndtri(p))
    guess = mu + z * np.sqrt(v) + (z * z - 1) / 6 * (2 * v / mu - 1)
    # Too many is known of `low`, few enough of `high`; -1 and 0 stand for what is not known yet.
    at = np.maximum(1, np.ceil(guess)).astype(np.int64)
    low, high, step = np.zeros_like(at), np.full_like(at, -1), 1
    while len(left):
        above = upper_tail(at, mu, v) > p
        low, high = np.where(above, at, low), np.where(above, high, at)
        done = high - low == 1
        found[left[done]] = high[done]
        left, mu, v, low, high = (of[~done] for of in (left, mu, v, low, high))
        middle = (low + high) // 2
        at = np.where(high < 0, low + step, np.maximum(middle, high - step))
        step *= 2
    return found.reshape(mean.shape)


def central_interval(mean: float, variance: float, mass: float = 0.95) -> tuple[float, float]:
    """The range of counts left after cutting at most (1 - mass) / 2 from either end.

    >>> central_interval(1.0, 2.0)
    (0.0, 5.0)
    """
    outside = (1 - mass) / 2
    low, high = (int(critical_count(mean, variance, p)) - 1 for p in (1 - outside, outside))
    return float(max(0, low)), float(high)
