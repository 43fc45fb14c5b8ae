"""S15: part of a source's rows are lost, on the way or by somebody's hand."""

from __future__ import annotations

from numpy.random import Generator

from bench.simulator.incident import EVADING, Incident, Outage
from bench.simulator.incidents.silence import BUSY_FEEDS, quiet_days
from bench.simulator.world import World

SCENARIO = "S15"
SHARE = {1: 0.7, 2: 0.5, 3: 0.3, 4: 0.3}
DAYS = 10


def lost_rows(
    world: World, feed: int, first: int, days: int, share: float, renumbered: bool, level: int
) -> Incident:
    """A share of the rows is missing. Taken out of the finished log they leave gaps in the sequence;
    lost before the counter they only leave the log thinner."""
    source = world.city.feeds[feed].source_id
    how = "thinner by" if renumbered else "with gaps:"
    return Incident(
        scenario=SCENARIO,
        level=level,
        kind="anomaly",
        title=f"{source} {how} {share:.0%} of its rows for {days} days",
        keys={"source": (source,)},
        detectors=("partial_loss",) if renumbered else ("sequence_gap",),
        days=(first, first + days),
        outage=Outage(feed, first, first + days, share, renumbered),
    )


def benchmark(world: World, level: int, rng: Generator) -> Incident:
    """Ten days of a busy source, with gaps and without in turn; evading, always without."""
    feed = int(rng.integers(0, BUSY_FEEDS))
    first = quiet_days(world, rng, feed, DAYS)
    before = [one for one in world.incidents if one.scenario == SCENARIO and one.level == level]
    renumbered = level == EVADING or len(before) % 2 == 1
    return lost_rows(world, feed, first, DAYS, SHARE[level], renumbered, level)
