"""S1: one officer searches far more than ever before, for a day or two."""

from __future__ import annotations

from numpy.random import Generator

from bench.simulator.incident import EVADING, Incident
from bench.simulator.world import World

SCENARIO = "S1"


def burst(
    world: World, officer: int, first: int, days: int, count: int, level: int, rng: Generator
) -> Incident:
    """`count` searches, each with a case number of its own, from day `first` on."""
    return Incident(
        scenario=SCENARIO,
        level=level,
        kind="anomaly",
        title=f"one officer: {count} extra searches in {days} day{'s' * (days > 1)}",
        keys={"requester": (world.requester(officer),)},
        detectors=("high_count",),
        rows=world.misuse(officer, first, days, count, rng),
    )


def benchmark(world: World, level: int, rng: Generator) -> Incident:
    """A burst of one day; evading, the same spread over three."""
    days = 3 if level == EVADING else 1
    first = world.scored_day(rng, days)
    officer = world.pick_officer(rng, first, days)
    expected = float(world.expected[officer, first])
    return burst(world, officer, first, days, world.excess(expected, level), level, rng)
