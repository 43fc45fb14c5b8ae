"""S3: one officer searches a little more than before, for two months."""

from __future__ import annotations

from numpy.random import Generator

from bench.simulator.incident import Incident
from bench.simulator.incidents import sustained
from bench.simulator.world import World

SCENARIO = "S3"
DAYS = 60


def benchmark(world: World, level: int, rng: Generator) -> Incident:
    """Sixty days of what two weeks would show at once."""
    return sustained.benchmark(world, level, rng, days=DAYS)
