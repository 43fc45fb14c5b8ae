"""S16: an officer searches two per cent more every day, so that the baseline follows."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from bench.simulator.clock import DAY, Floats, draw_seconds
from bench.simulator.incident import EVADING, Incident
from bench.simulator.searches import rows
from bench.simulator.world import World

SCENARIO = "S16"
GROWTH, EVASIVE_GROWTH = 0.02, 0.01
#: The level is reached within so many days at the end of the growth; and the longest growth.
SPAN, LONGEST = 28, 300


def benchmark(world: World, level: int, rng: Generator) -> Incident:
    """Growth until the last four weeks are as far above the officer's measure as the level says;
    evading, half as fast."""
    first = world.scored_day(rng, LONGEST)
    officer = world.pick_officer(rng, first, LONGEST)
    expected = world.expected[officer, first : first + LONGEST]
    growth = EVASIVE_GROWTH if level == EVADING else GROWTH
    extra = expected * ((1 + growth) ** np.arange(1, LONGEST + 1) - 1)
    days = _until(world, expected, extra, level)
    # Whole searches as soon as they are due: chance would hide how steadily it grows.
    due = np.floor(extra[:days].cumsum() + 0.5).astype(np.int64)
    due[-1] = max(due[-1], 2)
    day = first + np.repeat(np.arange(days), np.diff(due, prepend=0))
    second = draw_seconds(rng, world.roster.shift_on[officer, day])
    case = world.cases.open(day, world.roster.unit_on[officer, day].astype(np.int64), second)
    count = len(day)
    return Incident(
        scenario=SCENARIO,
        level=level,
        kind="anomaly",
        title=f"one officer: {growth:.0%} more every day, {count} extra searches in {days} days",
        keys={"requester": (world.requester(officer),)},
        detectors=("poisoning", "high_count"),
        rows=rows(
            count, officer=officer, day=day, second=second % DAY, case=case, subject=world.cases.meet(count)
        ),
    )


def _until(world: World, expected: Floats, extra: Floats, level: int) -> int:
    """Days after which the last SPAN of them reach the level."""
    for days in range(SPAN, LONGEST):
        last = slice(days - SPAN, days)
        if extra[last].sum() >= world.excess(float(expected[last].sum()), level):
            return days
    return LONGEST
