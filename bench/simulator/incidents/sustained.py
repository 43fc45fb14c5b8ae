"""S2: one officer searches more than before, every day for two weeks."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from bench.simulator.incident import EVADING, Incident
from bench.simulator.world import World

SCENARIO = "S2"
DAYS = 14
#: Searches that an evader files under one case number.
SHARING = 3


def sustained(
    world: World, officer: int, first: int, days: int, count: int, level: int, rng: Generator
) -> Incident:
    """`count` searches spread over the duty days of a span, each with a case number of its own."""
    return Incident(
        scenario=SCENARIO if days <= DAYS else "S3",
        level=level,
        kind="anomaly",
        title=f"one officer: {count} extra searches over {days} days",
        keys={"requester": (world.requester(officer),)},
        detectors=("high_count",),
        rows=world.misuse(officer, first, days, count, rng),
    )


def benchmark(world: World, level: int, rng: Generator, days: int = DAYS) -> Incident:
    """Two weeks above the officer's own measure; evading, several searches under one case number."""
    first = world.scored_day(rng, days)
    officer = world.pick_officer(rng, first, days)
    expected = float(world.expected[officer, first : first + days].sum())
    incident = sustained(world, officer, first, days, world.excess(expected, level), level, rng)
    if level == EVADING and incident.rows is not None:
        case = incident.rows["case"]
        case[:] = np.repeat(case[::SHARING], SHARING)[: len(case)]
    return incident
