"""Coming back to one person: how often, after what pauses, under how many case numbers.

All is learned from the pairs of an agency. Two ladders (`models.statistics.ladder`): of pairs with one
visit, how many came a second time, a third, ...; and so for case numbers. Beside them the share S(d) of
returns that came after d days or more. Where returns are honest, the product T of k of these shares is
at most as often small as a product of k uniforms, so that k returns after such pauses have the chance

    x = h_1 ... h_k T (1 - ln T + ... + (-ln T)^(k-1) / (k-1)!)

and of all pairs, however often they come, so surprising a one has (`ladder.overall`)

    p = x (sum of (1 - h_(j+1)) over all j with H_j > x) + H_J        H_j = h_1 ... h_j, H_J the first <= x

A case is worked on for some days; who comes back after weeks, and again after weeks, does something else.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from msgspec import Struct, field

from models.statistics import ladder
from models.statistics.habits import product_chance
from models.statistics.visits import Made, begun

#: Propensities are learned up to this many repeats and held constant beyond.
DEEPEST = 6
#: Pauses of so many days or more are as long as any.
LONGEST = 90


def _ladder() -> list[int]:
    return [0] * (DEEPEST + 2)


class Returns(Struct):
    """What all pairs of one agency did. `visits` and `cases` say how many pairs had 1, 2, ... of them;
    `pauses` how many returns came after 0, 1, ... days."""

    visits: list[int] = field(default_factory=_ladder)
    cases: list[int] = field(default_factory=_ladder)
    pauses: list[int] = field(default_factory=lambda: [0] * (LONGEST + 1))

    def met_once(self, pairs: int) -> None:
        """Learn of pairs that had their first visit, and no other on that day."""
        self.visits[0] += pairs
        self.cases[0] += pairs

    def learn(self, before: Sequence[Made], today: Sequence[Made]) -> None:
        """Learn from the searches of one pair on a closed day and from those that are remembered."""
        was, now = begun(before), begun([*before, *today])
        pauses = _pauses(now)
        for step in _climb(self.visits, len(was), len(now)):
            if step:
                self.pauses[min(pauses[step - 1], LONGEST)] += 1
        _climb(self.cases, cases(before), cases([*before, *today]))

    def by_visits(self, visits: Sequence[Made]) -> float:
        """Chance that a pair is as surprising as this one was at its most surprising visit, in [0, 1].

        So nobody becomes less surprising by coming once more.
        """
        apart = [self._share(pause) for pause in _pauses(visits)]
        reach, least = 1.0, 1.0
        for number, propensity in enumerate(ladder.propensities(self.visits, len(apart)), 1):
            reach *= propensity
            least = min(least, reach * product_chance(apart[:number]))
        return ladder.overall(self.visits, least) if apart else 1.0

    def by_cases(self, number: int) -> float:
        """Chance of as many case numbers, once there is one, in [0, 1]."""
        return ladder.chance(self.cases, number)

    def usual_pause(self) -> int | None:
        """Days within which half of all returns come; None when hardly any are known."""
        due, total = 0, sum(self.pauses)
        if total < ladder.PRIOR_WEIGHT:
            return None
        for pause, number in enumerate(self.pauses):
            due += number
            if 2 * due >= total:
                return pause
        return LONGEST

    def _share(self, pause: int) -> float:
        """S: of returns that came after so many days or more. Leans on 1 / (1 + days), which is far longer
        than any work on a case."""
        weight = ladder.PRIOR_WEIGHT
        longer = sum(self.pauses[min(pause, LONGEST) :])
        return (longer + weight / (1 + pause)) / (sum(self.pauses) + weight)


def cases(made: Sequence[Made]) -> int:
    """Distinct cases; without a case number each day is a case."""
    return len({one.case or one.day for one in made})


def _climb(reached: list[int], was: int, is_now: int) -> list[int]:
    """Learn of one that had come `was` times and has now come `is_now` times; the steps that were learned.

    What is older than the horizon is forgotten, so that who comes for years takes the same step again and
    again. No step is learned more often than the one before, so that one pair cannot become the habit of all.
    """
    found = []
    for step in range(was, min(is_now, len(reached) - 1)):
        if not step or reached[step] < reached[step - 1]:
            reached[step] += 1
            found.append(step)
    return found


def _pauses(visits: Sequence[Made]) -> list[int]:
    """Days from each visit to the next one."""
    return [later.day - one.day for one, later in pairwise(visits)]
