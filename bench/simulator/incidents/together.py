"""S8: several officers search more at the same time, each of them only a little."""

from __future__ import annotations

from numpy.random import Generator

from bench.simulator.incident import EVADING, Incident
from bench.simulator.searches import concatenate
from bench.simulator.world import World

SCENARIO = "S8"
OFFICERS, DAYS = 5, 7


def benchmark(world: World, level: int, rng: Generator) -> Incident:
    """A week of five officers of one unit; evading, of five units. The level counts deviations of
    what the five do together."""
    first = world.scored_day(rng, DAYS)
    team = [world.pick_officer(rng, first, DAYS)]
    unit = None if level == EVADING else int(world.roster.unit_on[team[0], first])
    team += [world.pick_officer(rng, first, DAYS, unit) for _ in range(OFFICERS - 1)]
    count = world.excess(float(world.expected[team, first : first + DAYS].sum()), level)
    shares = [(count + place) // OFFICERS for place in range(OFFICERS)]
    tables = [
        world.misuse(officer, first, DAYS, share, rng)
        for officer, share in zip(team, shares, strict=True)
        if share
    ]
    involved = [officer for officer, share in zip(team, shares, strict=True) if share]
    return Incident(
        scenario=SCENARIO,
        level=level,
        kind="anomaly",
        title=f"{len(involved)} officers together: {count} extra searches in {DAYS} days",
        keys={"requester": tuple(world.requester(officer) for officer in involved)},
        detectors=("high_count",),
        rows=concatenate(tables),
    )
