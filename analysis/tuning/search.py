"""A search for settings: asked of optuna, tried on the folds, chosen on all but the last, shown on it.

Trials are asked for in batches of a fixed size, and what they are worth is told in their order, so that a
seed gives the same settings on any number of processors.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, NamedTuple

import numpy as np
import optuna

from analysis.tuning.ranges import Range, permits
from analysis.tuning.study import Heard, Point, Study
from models.analysis.tradeoff import Tally, best, together, worth

#: Trials that are asked for together.
BATCH = 4
#: Budgets at which the curve is read, as parts of the budget asked for.
CURVE = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)


class Trial(NamedTuple):
    """Settings that were tried: what they gave on the folds that choose, and what that is worth."""

    values: dict[str, Any]
    tally: Tally
    worth: float


class Curve(NamedTuple):
    """What settings give on the days that chose nothing, at several budgets and, in `at`, at the budget."""

    points: list[tuple[float, Tally]]
    at: Tally
    alpha: float | None
    """What spends the budget on the days before; None where all that can be found spends less."""


@dataclass(frozen=True)
class Found:
    """The outcome of a search. The first of `trials` are the settings as they are."""

    trials: list[Trial]
    chosen: Trial
    before: Curve
    after: Curve

    @property
    def better(self) -> bool:
        """Whether the chosen settings also hold on the days that chose nothing."""
        return self.chosen is not self.trials[0] and _rank(self.after.at) > _rank(self.before.at)


def search(
    studies: Sequence[Study],
    ranges: Sequence[Range],
    *,
    budget: float,
    number: int,
    folds: int,
    seed: int,
    jobs: int,
    progress: Callable[[int], None] = lambda done: None,
) -> Found:
    """Try the settings as they are and `number` others, at so many alerts a day.

    The labelled days are cut into `folds`. All but the last choose; each is read at the threshold that
    spends the budget on the year before it. Raises Stop when the labelled time is too short.
    """
    cuts = [study.folds(folds) for study in studies]
    now = {one.name: one.now for one in ranges}
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=max(BATCH, min(10, number // 3)))
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    asked = optuna.create_study(direction="maximize", sampler=sampler)
    asked.enqueue_trial(now)

    def judged(values: dict[str, Any]) -> Tally:
        heard = _hear(studies, values)
        return together(
            study.at(one, fold, budget).tally
            for study, own, one in zip(studies, cuts, heard, strict=True)
            for fold in own[:-1]
        )

    known: dict[tuple[Any, ...], Tally] = {}
    trials: list[Trial] = []
    failed = 0
    """Settings that do not go together."""
    with _side_by_side(judged, jobs) as run:
        while len(trials) + failed <= number:
            size = 1 if not trials else min(BATCH, number + 1 - len(trials) - failed)
            batch = [asked.ask() for _ in range(size)]
            tried = [{one.name: one.suggest(trial) for one in ranges} for trial in batch]
            able = [permits(studies[0].stanza.settings, one) for one in tried]
            new = [
                one for one, may in zip(tried, able, strict=True) if may and tuple(one.values()) not in known
            ]
            known |= {tuple(one.values()): tally for one, tally in zip(new, run(new), strict=True)}
            for trial, values, may in zip(batch, tried, able, strict=True):
                if not may:
                    asked.tell(trial, state=optuna.trial.TrialState.FAIL)
                    failed += 1
                    continue
                tally = known[tuple(values.values())]
                trials.append(Trial(values, tally, worth(tally, budget)))
                asked.tell(trial, trials[-1].worth)
            progress(len(trials) + failed)
    chosen = trials[best([one.worth for one in trials])]
    curves = [curve(studies, _hear(studies, one.values), folds, budget) for one in (trials[0], chosen)]
    return Found(trials, chosen, *curves)


def curve(studies: Sequence[Study], heard: Sequence[Heard], folds: int, budget: float) -> Curve:
    """What was heard, on the last fold of each study."""

    def at(one: float) -> list[Point]:
        return [study.at(own, study.folds(folds)[-1], one) for study, own in zip(studies, heard, strict=True)]

    points = [(budget * part, together(point.tally for point in at(budget * part))) for part in CURVE]
    asked = at(budget)
    least = float(np.median([one.least for one in asked]))
    return Curve(
        points, together(one.tally for one in asked), math.exp(-least) if math.isfinite(least) else None
    )


def _hear(studies: Sequence[Study], values: dict[str, Any]) -> list[Heard]:
    return [study.hear(values) for study in studies]


def _rank(tally: Tally) -> float:
    return tally.recall - tally.fallen


@contextmanager
def _side_by_side(
    work: Callable[[dict[str, Any]], Tally], jobs: int
) -> Iterator[Callable[[list[dict[str, Any]]], Iterator[Tally]]]:
    """Something that is done for several settings, at the same time where there are processors."""
    if jobs < 2 or sys.platform != "linux":
        yield lambda every: map(work, every)
        return
    with ProcessPoolExecutor(
        jobs, mp_context=get_context("fork"), initializer=_leave, initargs=(work,)
    ) as pool:
        yield lambda every: pool.map(_do, every)


#: In a forked process: what it was left to do. A closure over logs cannot be sent to it.
_left: list[Callable[[dict[str, Any]], Tally]] = []


def _leave(work: Callable[[dict[str, Any]], Tally]) -> None:
    _left[:] = [work]


def _do(values: dict[str, Any]) -> Tally:
    return _left[0](values)
