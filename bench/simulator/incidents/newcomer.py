"""S5: a newcomer, or somebody just transferred, misuses the system before they have a history."""

from __future__ import annotations

from numpy.random import Generator

from bench.simulator.incident import EVADING, Incident
from bench.simulator.world import World

SCENARIO = "S5"
SETTLING = 60
DAYS = 7
#: Days of the scored year, before which nobody misuses anything.
YEAR = 365


def benchmark(world: World, level: int, rng: Generator) -> Incident | None:
    """A week of extra searches within sixty days of a join or transfer in the last year; evading, in
    the very first one, when newcomers search more than later anyway."""
    latest = world.city.days - SETTLING - DAYS
    changes = world.roster.joined + world.roster.transferred
    recent = [change for change in changes if latest - 300 <= change[1] < latest]
    for choice in rng.permutation(len(recent)):
        officer, day = recent[int(choice)]
        first = day if level == EVADING else day + int(rng.integers(7, SETTLING - DAYS))
        if first < world.city.days - YEAR:
            continue
        if world.roster.on_duty[officer, first : first + DAYS].mean() > 0.6 and world.reserve(officer):
            expected = float(world.expected[officer, first : first + DAYS].sum())
            count = world.excess(expected, level)
            return Incident(
                scenario=SCENARIO,
                level=level,
                kind="anomaly",
                title=f"newcomer to a posting: {count} extra searches in {DAYS} days",
                keys={"requester": (world.requester(officer),)},
                detectors=("high_count",),
                rows=world.misuse(officer, first, DAYS, count, rng),
            )
    return None
