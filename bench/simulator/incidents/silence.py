"""S14: a source stops sending; its own counter never knew of what is missing."""

from __future__ import annotations

from numpy.random import Generator

from bench.simulator.incident import Incident, Outage
from bench.simulator.world import World

SCENARIO = "S14"
DAYS = {1: 6, 2: 3, 3: 1}


def silence(world: World, feed: int, first: int, days: int, level: int) -> Incident:
    """No rows for some days; afterwards the numbering goes on without a gap."""
    source = world.city.feeds[feed].source_id
    return Incident(
        scenario=SCENARIO,
        level=level,
        kind="anomaly",
        title=f"{source} is silent for {days} day{'s' * (days > 1)}",
        keys={"source": (source,)},
        detectors=("silence",),
        days=(first, first + days),
        outage=Outage(feed, first, first + days),
    )


def benchmark(world: World, level: int, rng: Generator) -> Incident:
    """A busy source falls silent, on days when no other outage is."""
    first = quiet_days(world, rng, DAYS[level])
    return silence(world, int(rng.integers(0, 3)), first, DAYS[level], level)


def quiet_days(world: World, rng: Generator, length: int) -> int:
    """A first day such that no other outage lies within two weeks. Raises ValueError without one."""
    taken = [one.outage for one in world.incidents if one.outage is not None]
    for _ in range(200):
        first = world.scored_day(rng, length)
        if all(first + length + 14 < one.first or one.last + 14 < first for one in taken):
            return first
    raise ValueError(f"no {length} days are free of other outages")
