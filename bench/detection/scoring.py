"""Thresholds from the honest year, everything else from the scored one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

import numpy as np

from bench.detection.findings import Findings, Raised, alerts, threshold
from bench.detection.truth import Truth

#: A realised rate may exceed its budget by so much; beyond it the budget's recall counts as nought.
TOLERANCE = 1.25
#: Budgets at which the curve is read, from the smallest to the largest of a task.
POINTS = 9
#: Alerts that the staff reads in a year, for the precision of the strongest.
READ = 50


@dataclass(frozen=True)
class Spans:
    """The honest year and the scored one, ordinals (first, day after the last), with how much budget
    each holds: thousands of officer-days, or months of 30 days."""

    honest: tuple[int, int]
    scored: tuple[int, int]
    honest_size: float
    scored_size: float


@dataclass
class Point:
    """What one threshold gives. `delays` are days to the end of the day that told it, None for a miss."""

    budget: float
    least: float
    incidents: int
    caught: int
    alerts: int
    false: int
    realised: float
    delays: list[int | None] = field(default_factory=list)
    by_scenario: dict[str, list[int]] = field(default_factory=dict)
    """Scenario and level to caught and all."""
    decoys: dict[str, int] = field(default_factory=dict)
    false_about: list[tuple[str, int]] = field(default_factory=list)
    """Whom and on which day each false alert is about."""

    @property
    def within(self) -> bool:
        """Whether the budget was kept, with a quarter allowed."""
        return self.realised <= TOLERANCE * self.budget

    @property
    def recall(self) -> float:
        """Share of the incidents told, whatever it cost."""
        return self.caught / self.incidents if self.incidents else math.nan

    @property
    def scored(self) -> float:
        """The recall, nought when the budget was overrun."""
        return self.recall if self.within else 0.0

    def json(self) -> dict[str, Any]:
        """All of it."""
        return {**asdict(self), "within": self.within}


@dataclass
class Scored:
    """One method on one task and seed."""

    points: dict[float, Point]
    curve: list[Point]
    precision: float
    """Share of incidents' alerts among the `READ` strongest of the year."""

    @property
    def area(self) -> float:
        """Area under the scored recall against the logarithm of the budget, in [0, 1]."""
        return area([point.budget for point in self.curve], [point.scored for point in self.curve])


def area(budgets: Sequence[float], recalls: Sequence[float]) -> float:
    """Mean recall over the logarithm of the budget, by trapezoids.

    >>> area([0.01, 0.1, 1.0], [0.5, 0.5, 0.5])
    0.5
    """
    logs = np.log(budgets)
    return float(np.trapezoid(recalls, logs) / (logs[-1] - logs[0]))


def score(
    found: Findings,
    spans: Spans,
    truth: Truth,
    decoys: Truth,
    scenarios: Sequence[str],
    budgets: Sequence[float],
) -> Scored:
    """Set a threshold for each budget on the honest year and read the scored one at it."""
    honest, year = found.between(*spans.honest), found.between(*spans.scored)
    about = [
        truth.about(year.entities[key], day, window)
        for key, day, window in zip(year.key.tolist(), year.day.tolist(), year.window.tolist(), strict=True)
    ]

    def at(budget: float) -> Point:
        least = threshold(honest, budget * spans.honest_size)
        return read(
            year, alerts(year, least), about, budget, least, spans.scored_size, truth, decoys, scenarios
        )

    wanted = {budget: at(budget) for budget in budgets}
    grid = np.geomspace(min(budgets), max(budgets), POINTS)
    curve = [wanted.get(round(float(one), 9)) or at(float(one)) for one in grid]
    loosest = wanted[max(budgets)].least
    ranked = sorted(alerts(year, loosest), key=lambda one: -max(year.score[list(one.places)]))[:READ]
    hits = sum(any(about[place] for place in one.places) for one in ranked)
    return Scored(wanted, curve, hits / len(ranked) if ranked else math.nan)


def read(
    year: Findings,
    made: Sequence[Raised],
    about: Sequence[set[int]],
    budget: float,
    least: float,
    size: float,
    truth: Truth,
    decoys: Truth,
    scenarios: Sequence[str],
) -> Point:
    """What the alerts of the scored year told, and what was false."""
    first_told: dict[int, int] = {}
    fell: dict[str, set[int]] = {}
    false_about = []
    for one in made:
        hit = False
        for place in one.places:
            for number in about[place]:
                hit = True
                day = int(year.day[place])
                first_told[number] = min(day, first_told.get(number, day))
        if hit:
            continue
        entities = {(year.entities[int(year.key[place])], int(year.day[place])) for place in one.places}
        (_, name), day = min(entities, key=lambda known: known[1])
        false_about.append((name, day))
        for place in one.places:
            entity = year.entities[int(year.key[place])]
            for number in decoys.about(entity, int(year.day[place]), int(year.window[place])):
                fell.setdefault(decoys.labels[number].scenario, set()).add(number)
    # What befalls a source is judged as shipped, see `bench.detection.tasks`.
    mine = [
        number
        for number, label in enumerate(truth.labels)
        if label.scenario in scenarios and "source" not in label.keys
    ]
    by_scenario: dict[str, list[int]] = {}
    for number in mine:
        label = truth.labels[number]
        tally = by_scenario.setdefault(f"{label.scenario} L{label.level}", [0, 0])
        tally[0] += number in first_told
        tally[1] += 1
    return Point(
        budget=budget,
        least=least,
        incidents=len(mine),
        caught=sum(number in first_told for number in mine),
        alerts=len(made),
        false=len(false_about),
        realised=len(false_about) / size,
        delays=[
            first_told[number] - truth.spans[number][0] + 1 if number in first_told else None
            for number in mine
        ],
        by_scenario=by_scenario,
        decoys={scenario: len(numbers) for scenario, numbers in sorted(fell.items())},
        false_about=false_about,
    )


def censored_median(delays: Sequence[int | None]) -> float:
    """The median delay with misses taken as later than all others; infinite when it is a miss.

    >>> censored_median([1, None, 3]), censored_median([1, None])
    (3.0, inf)
    """
    known = [math.inf if delay is None else float(delay) for delay in delays]
    return float(median(known)) if known else math.nan
