"""S2: one officer searches more than before, every day for two weeks."""

from __future__ import annotations

from numpy.random import Generator

from bench.simulator.incident import Incident
from bench.simulator.world import World

SCENARIO = "S2"
DAYS = 14


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
    """Two weeks above the officer's own measure."""
    first = world.scored_day(rng, days)
    officer = world.pick_officer(rng, first, days)
    expected = float(world.expected[officer, first : first + days].sum())
    return sustained(world, officer, first, days, world.excess(expected, level), level, rng)
