"""What a p-value of a detector is worth: how often findings as strong were made lately.

A detector tells what has p <= alpha. If its p-values were exact and its days independent, alpha of
all key-days would begin such an episode, and the excess of -ln p beyond -ln alpha would be
exponential with mean 1. Neither holds: counts are whole, windows overlap, models err. So both are
measured, over a memory that halves every 180 days: the *level* is the number of episodes over the
expected one, the *scale* theta the mean excess of their peaks,

    chance(p) = alpha level exp(-(-ln p + ln alpha) / theta)

It is a generalised Pareto tail (Pickands 1975) of shape 0. Both figures come from the excesses
below 2.5 alone, by the likelihood of the law truncated there: what lies beyond is misuse as likely
as chance, and must not teach what chance is. They lean on 1 with the weight of 20 episodes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from msgspec import Struct

#: Days after which an episode weighs half.
HALF_LIFE_DAYS = 180.0
#: Excess of -ln p from which on it is not believed to be chance.
TRUNCATED = 2.5
#: Episodes with which level and scale lean on 1.
LEAN = 20.0
#: p-values are not told apart below this.
LEAST_P = 1e-300
#: Bounds of the level and of the scale: weak misuse must not pass for a heavy tail.
LEVELS, SCALES = (0.01, 10.0), (0.7, 1.3)


class Law(NamedTuple):
    """How often a key begins an episode as strong as some p on a day."""

    alpha: float
    level: float
    """Episodes over the expected number."""
    scale: float
    """Mean excess of the untruncated law."""

    def chance(self, p: float) -> float:
        """The chance of an episode as strong as p, in (0, 1]; rises with p."""
        reached = math.pow(max(p, LEAST_P) / self.alpha, 1 / self.scale)
        return min(1.0, self.level * self.alpha * reached)

    def line(self, chance: float) -> float:
        """The p-value whose chance is `chance`, not above alpha."""
        return self.alpha * math.pow(min(1.0, chance / (self.alpha * self.level)), self.scale)


class Tail(Struct, array_like=True):
    """State of one stanza."""

    tests: float = 0.0
    """Key-days tested, discounted."""
    episodes: float = 0.0
    """Episodes whose peak is below `TRUNCATED`, discounted."""
    excess: float = 0.0
    """Sum of their peaks."""
    open: dict[str, tuple[int, float]] = {}
    """By key the last day of its latest episode, ordinal, and its peak."""

    def law(self, alpha: float) -> Law:
        """What was learned about the findings of a stanza with this alpha."""
        mean = (self.excess + LEAN * _truncated_mean(1.0)) / (self.episodes + LEAN)
        low, high = SCALES
        for _ in range(16):
            middle = (low + high) / 2
            low, high = (middle, high) if _truncated_mean(middle) < mean else (low, middle)
        scale = (low + high) / 2
        below = 1 - math.exp(-TRUNCATED / scale)
        level = (self.episodes + LEAN) / (alpha * self.tests * below + LEAN)
        return Law(alpha, min(max(level, LEVELS[0]), LEVELS[1]), scale)

    def learn(
        self, day: int, tests: int, found: Iterable[tuple[str, float]], alpha: float, reach: int
    ) -> None:
        """Take in a closed day: how many keys were tested, and keys and p-values of the findings.

        Findings of one key no further apart than `reach` days are one episode.
        """
        rho = 2 ** (-1 / HALF_LIFE_DAYS)
        self.tests = rho * self.tests + tests
        self.episodes, self.excess = rho * self.episodes, rho * self.excess
        for key, p in found:
            excess = math.log(max(1.0, alpha / max(p, LEAST_P)))
            last, peak = self.open.get(key, (-math.inf, 0.0))
            if day - last > reach:
                self._average(excess, 1)
            elif excess > peak:
                self._average(peak, -1)
                self._average(excess, 1)
            self.open[key] = day, max(excess, peak if day - last <= reach else 0.0)
        for key in [key for key, (last, _) in self.open.items() if day - last >= reach]:
            del self.open[key]

    def _average(self, excess: float, sign: int) -> None:
        if excess < TRUNCATED:
            self.episodes = max(0.0, self.episodes + sign)
            self.excess = max(0.0, self.excess + sign * excess)


def _truncated_mean(scale: float) -> float:
    """Mean of an exponential law below `TRUNCATED`.

    >>> round(_truncated_mean(1.0), 3)
    0.776
    """
    return scale - TRUNCATED / math.expm1(TRUNCATED / scale)
