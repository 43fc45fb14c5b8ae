"""A share with the range in which it lies: how much the labels of a detector's alerts tell.

The interval is Jeffreys': the central part of Beta(k + 1/2, n - k + 1/2), whose ends are 0 where nothing
and 1 where everything was right. Its coverage stays near the nominal one also for a handful of alerts
(Brown, Cai & DasGupta 2001, "Interval estimation for a binomial proportion").
"""

from __future__ import annotations

from typing import NamedTuple

from scipy.special import betaincinv


class Share(NamedTuple):
    """`hits` of `number`; `low` and `high` are the ends of the interval. Without any, nothing is known:
    `value` is None and the interval reaches from 0 to 1."""

    hits: int
    number: int
    value: float | None
    low: float
    high: float


def share(hits: int, number: int, level: float = 0.95) -> Share:
    """A share and its interval at a level in (0, 1).

    Raises ValueError when there are more hits than trials, or fewer than none.

    >>> [round(float(end), 3) for end in share(9, 10)[3:]]
    [0.619, 0.989]
    """
    if not 0 <= hits <= number:
        raise ValueError(f"{hits} hits of {number} are none")
    if number == 0:
        return Share(0, 0, None, 0.0, 1.0)
    tail, a, b = (1 - level) / 2, hits + 0.5, number - hits + 0.5
    low = 0.0 if hits == 0 else float(betaincinv(a, b, tail))
    high = 1.0 if hits == number else float(betaincinv(a, b, 1 - tail))
    return Share(hits, number, hits / number, low, high)
