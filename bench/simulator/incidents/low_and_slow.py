"""S3: one officer searches a little more than before, for two months."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from bench.simulator.incident import EVADING, Incident
from bench.simulator.incidents import sustained
from bench.simulator.world import World

SCENARIO = "S3"
DAYS = 60


def benchmark(world: World, level: int, rng: Generator) -> Incident:
    """Sixty days of what two weeks would show at once; evading, in every other week alone."""
    if level < EVADING:
        return sustained.benchmark(world, level, rng, days=DAYS)
    first = world.scored_day(rng, DAYS)
    officer = world.pick_officer(rng, first, DAYS)
    count = world.excess(float(world.expected[officer, first : first + DAYS].sum()), level)
    incident = sustained.sustained(world, officer, first, DAYS, count, level, rng)
    if incident.rows is not None:
        day = incident.rows["day"]
        day[:] = np.where((day - first) // 7 % 2 == 1, day - 7, day)
    return incident
