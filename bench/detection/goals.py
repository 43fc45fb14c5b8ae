"""What the detectors are to reach, beside what was measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from bench.baselines.farrington import Farrington
from bench.calibration import LEVELS
from bench.detection.run import OURS, Seed
from bench.detection.tails import Tails

#: Targets by scale.
VOLUME = {0.1: {"20k": 0.80, "1M": 0.65}, 1.0: {"20k": 0.95, "1M": 0.78}}
DEMONSTRATION = {"20k": 0.95, "1M": 0.88}
ABOVE_FARRINGTON = 0.10
#: The hardest level of stalking is three visits in twenty days.
STALKING = {"20k": 0.95, "100k": 0.60}
WITHIN = 0.95
TAILS = ((0.5, 1.5), (0.5, 1.5), (0.0, 2.5))
FLAGGED, NEWCOMERS = 0.04, 0.60
PLAIN, DISGUISED = 1.0, 0.98
#: Expected findings from which on a ratio says something.
ENOUGH = 5


@dataclass(frozen=True)
class Goal:
    """One line of the table. `met` is None where nothing was measured or no target is set."""

    goal: str
    scale: str
    target: str
    measured: str
    met: bool | None

    @property
    def verdict(self) -> str:
        """The last cell."""
        return {True: "met", False: "missed", None: ""}[self.met]


def goals(seeds: Sequence[Seed]) -> list[Goal]:
    """All lines, scale by scale."""
    found = []
    for scale, group in groupby(seeds, lambda one: one.scale):
        own = list(group)
        for make in (_volume, _demonstration, _stalking, _budgets, _tails, _newcomers, _tool):
            found += make(scale, own)
    return found


def _at_least(goal: str, scale: str, target: float | None, measured: float) -> Goal:
    said = "none measured" if math.isnan(measured) else f"{measured:.2f}"
    met = None if target is None or math.isnan(measured) else round(measured, 2) >= target
    return Goal(goal, scale, "none" if target is None else f"{target:.2f}", said, met)


def _recall(
    own: Sequence[Seed],
    task: str,
    budget: float,
    which: Callable[[str], bool] = lambda _: True,
    method: str = OURS,
    strict: bool = True,
) -> float:
    """Over all seeds. `strict`: in one that overran the budget by more than is tolerated, nothing counts."""
    caught = total = 0
    for one in own:
        if method not in one.scored.get(task, {}):
            continue
        point = one.scored[task][method].points[budget]
        for name, (hits, all_) in point.by_scenario.items():
            if which(name):
                caught, total = caught + hits * (point.within or not strict), total + all_
    return caught / total if total else math.nan


def _volume(scale: str, own: Sequence[Seed]) -> list[Goal]:
    return [
        _at_least(f"volume recall @{budget:g}", scale, target.get(scale), _recall(own, "volume", budget))
        for budget, target in VOLUME.items()
    ]


def _demonstration(scale: str, own: Sequence[Seed]) -> list[Goal]:
    ours = _recall(own, "demonstration", 1.0)
    theirs = _recall(own, "demonstration", 1.0, method=Farrington.name, strict=False)
    found = [_at_least("demonstration recall @1 per 30 days", scale, DEMONSTRATION.get(scale), ours)]
    if math.isnan(theirs):
        return [*found, Goal("the same above Farrington", scale, f"{ABOVE_FARRINGTON:.2f}", "skipped", None)]
    return [*found, _at_least("the same above Farrington", scale, ABOVE_FARRINGTON, ours - theirs)]


def _stalking(scale: str, own: Sequence[Seed]) -> list[Goal]:
    recall = _recall(own, "stalking", 0.1, lambda name: name.endswith("L3"))
    return [_at_least("stalking @0.1, three visits in 20 days", scale, STALKING.get(scale), recall)]


def _budgets(scale: str, own: Sequence[Seed]) -> list[Goal]:
    points = [point for one in own for point in one.scored["volume"][OURS].points.values()]
    kept = sum(point.within for point in points) / len(points) if points else math.nan
    return [_at_least("volume budgets kept within 25%, share of seeds and budgets", scale, WITHIN, kept)]


def _tails(scale: str, own: Sequence[Seed]) -> list[Goal]:
    total = Tails()
    for one in own:
        total.merge(one.tails)
    found = []
    for place, (level, (low, high)) in enumerate(zip(LEVELS, TAILS, strict=True)):
        ratios = [ratio[place] for _, judged, ratio, _ in total.rows() if judged * level >= ENOUGH]
        said = f"{min(ratios):.2f} to {max(ratios):.2f}" if ratios else "too few"
        met = None if not ratios else all(low <= round(one, 2) <= high for one in ratios)
        target = f"{low:g} to {high:g}" if low else f"at most {high:g}"
        found.append(Goal(f"tail ratio at {level:g}, every stratum", scale, target, said, met))
    return found


def _newcomers(scale: str, own: Sequence[Seed]) -> list[Goal]:
    flagged, every = (sum(one.newcomers.get(0.1, [0, 0])[place] for one in own) for place in (0, 1))
    share = flagged / every if every else math.nan
    said, met = (f"{share:.1%}", share <= FLAGGED) if every else ("none measured", None)
    caught = _recall(own, "volume", 0.1, lambda name: name.split()[0] == "S5")
    return [
        Goal("newcomers falsely flagged in 60 days @0.1", scale, f"at most {FLAGGED:.0%}", said, met),
        _at_least("misuse by newcomers (S5) @0.1", scale, NEWCOMERS, caught),
    ]


def _tool(scale: str, own: Sequence[Seed]) -> list[Goal]:
    def share(plain: bool) -> float:
        tallies = [
            tally for one in own for name, tally in one.shipped.caught.items()
            if name.split()[0] == "S10" and (name.split()[1] == "L1") == plain
        ]  # fmt: skip
        return (
            sum(tally[0] for tally in tallies) / sum(tally[1] for tally in tallies) if tallies else math.nan
        )

    false = sum(one.shipped.false_policy for one in own)
    plain = _at_least("unapproved tool, one spelling", scale, PLAIN, share(True))
    return [
        plain,
        _at_least("unapproved tool, disguised", scale, DISGUISED, share(False)),
        Goal("false policy alerts", scale, "0", str(false), false == 0),
    ]
