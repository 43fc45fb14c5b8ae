"""S4: one officer misuses the system while the whole unit is busy with real crime."""

from __future__ import annotations

from numpy.random import Generator

from bench.simulator.incident import EVADING, Incident
from bench.simulator.world import World

SCENARIO = "S4"
SPREAD = 7


def benchmark(world: World, level: int, rng: Generator) -> Incident | None:
    """A burst on one day of a crime wave; evading, spread over a week of it."""
    if not world.waves:
        return None
    wave = world.waves[int(rng.integers(len(world.waves)))]
    days = SPREAD if level == EVADING else 1
    first = int(rng.integers(wave.first + 2, wave.last - days))
    officer = world.pick_officer(rng, first, days, wave.unit)
    count = world.excess(float(world.expected[officer, first : first + days].sum()), level)
    return Incident(
        scenario=SCENARIO,
        level=level,
        kind="anomaly",
        title=f"one officer: {count} extra searches within a surge of the unit",
        keys={"requester": (world.requester(officer),)},
        detectors=("high_count",),
        rows=world.misuse(officer, first, days, count, rng),
    )
