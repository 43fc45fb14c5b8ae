"""A ladder of rare steps: how often what has come j times comes once more, learned from the agency.

`reached[j]` counts those that came j + 1 times at least. The propensity h_j to go on after j is
reached[j] / reached[j - 1], shrunk towards h_(j-1); the chance of k or more, once there is one, is
h_1 h_2 ... h_(k-1). So an agency where going on is the habit does not wonder at it, and where it
never happened the chance falls geometrically. A unit may lean on the propensities of its agency
(`prior`) in place of its own step before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

#: Weight of the step before in the propensity of a step that few have reached, and the first one's prior.
PRIOR_WEIGHT = 20.0
PRIOR_PROPENSITY = 0.25
#: Steps over which a mean is taken.
FAR = 60


def climb(reached: list[int], was: int, is_now: int) -> None:
    """Learn of one that had come `was` times and has now come `is_now` times."""
    for step in range(was, min(is_now, len(reached) - 1)):
        reached[step] += 1


def propensities(reached: Sequence[int], repeats: int, prior: Sequence[float] = ()) -> list[float]:
    """h_1 to h_repeats, each in (0, 1]; beyond what is counted they stay the same."""
    deepest = len(reached) - 2
    found: list[float] = []
    last = PRIOR_PROPENSITY
    for step in range(repeats):
        if step < len(prior):
            last = prior[step]
        if step < deepest:
            last = min(1.0, (reached[step + 1] + PRIOR_WEIGHT * last) / (reached[step] + PRIOR_WEIGHT))
        found.append(last)
    return found


def chance(reached: Sequence[int], count: int, prior: Sequence[float] = ()) -> float:
    """Of `count` or more, once there is one.

    >>> chance([0, 0, 0], 3)
    0.0625
    """
    return math.exp(sum(map(math.log, propensities(reached, count - 1, prior))))


def overall(reached: Sequence[int], level: float) -> float:
    """Chance that what stops somewhere has reached a step k with h_1 ... h_k U <= `level`, U uniform.

    Of those that climb to k and no higher it is the share min(1, level / (h_1 ... h_k)).

    >>> round(overall([0, 0, 0], 0.1), 4)  # 0.1 * 0.75 above the first step, 0.0625 beyond it
    0.1375
    """
    total, reach, further = 0.0, 1.0, 1.0
    for propensity, further in pairwise(propensities(reached, len(reached))):
        reach *= propensity
        if reach <= level:
            return min(1.0, total + reach)
        total += level * (1 - further)
    # From here on all steps are alike.
    if further < 1.0:
        more = math.ceil(math.log(level / reach) / math.log(further))
        total += level * (1 - further) * (more - 1)
        reach *= further**more
    return min(1.0, total + reach)


def expected(reached: Sequence[int], prior: Sequence[float] = ()) -> tuple[float, float]:
    """Mean and 97.5% point of the number, once there is one."""
    mean, tail, upper = 1.0, 1.0, 1.0
    for propensity in propensities(reached, FAR, prior):
        tail *= propensity
        mean += tail
        if tail > 0.025:
            upper += 1.0
    return mean, upper
