"""What is told against what staff have to read: points of a curve put together, and its worth at a budget."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

#: A budget may be overrun by so much; beyond it what is told counts for less in proportion.
TOLERANCE = 1.25


class Tally(NamedTuple):
    """Of the incidents how many were told, of the traps how many fell for, and alerts a day, all and
    false, over so many days."""

    incidents: int
    told: int
    traps: int
    fell: int
    alerts_a_day: float
    false_a_day: float
    days: int

    @property
    def recall(self) -> float:
        """Share of the incidents that are told; 0 without any."""
        return self.told / self.incidents if self.incidents else 0.0

    @property
    def fallen(self) -> float:
        """Share of the traps that raised an alert; 0 without any."""
        return self.fell / self.traps if self.traps else 0.0


def together(tallies: Iterable[Tally]) -> Tally:
    """Several spans as one; rates are weighted by days."""
    every = list(tallies)
    days = sum(one.days for one in every)
    return Tally(
        incidents=sum(one.incidents for one in every),
        told=sum(one.told for one in every),
        traps=sum(one.traps for one in every),
        fell=sum(one.fell for one in every),
        alerts_a_day=sum(one.alerts_a_day * one.days for one in every) / days if days else 0.0,
        false_a_day=sum(one.false_a_day * one.days for one in every) / days if days else 0.0,
        days=days,
    )


def worth(tally: Tally, budget: float) -> float:
    """The share of incidents told less the share of traps fallen for (Youden's J, whose first term is all
    there is where no trap is known), in proportion less when the false alerts alone overrun the budget.

    >>> worth(Tally(10, 6, 0, 0, 1.0, 0.5, 100), budget=1.0)
    0.6
    >>> worth(Tally(10, 6, 0, 0, 2.6, 2.5, 100), budget=1.0)
    0.3
    """
    overrun = max(1.0, tally.false_a_day / (TOLERANCE * budget))
    return tally.recall / overrun - tally.fallen


def best(worths: Sequence[float]) -> int:
    """The place of the largest, the first among equals."""
    return max(range(len(worths)), key=lambda place: (worths[place], -place))
