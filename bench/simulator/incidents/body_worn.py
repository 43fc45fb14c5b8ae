"""Images from body-worn cameras used as probes, which the policy of 2021 forbids."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from bench.simulator.incident import EVADING, Incident
from bench.simulator.searches import IMAGES, concatenate
from bench.simulator.world import World

SCENARIO = "body-worn"
#: The clause that forbids it, and the searches at each level.
CLAUSE = "2021-no-body-worn-or-in-car"
SEARCHES = {1: 8, 2: 3, 3: 1, 4: 1}


def body_worn(
    world: World, officers: list[int], first: int, days: int, count: int, level: int, rng: Generator
) -> Incident:
    """`count` searches with such probes, by the officers in turn."""
    image = IMAGES.index("body_worn")
    share = np.bincount(np.arange(count) % len(officers), minlength=len(officers))
    tables = [
        world.misuse(officer, first, days, int(number), rng, image=image)
        for officer, number in zip(officers, share, strict=True)
        if number
    ]
    return Incident(
        scenario=SCENARIO,
        level=level,
        kind="policy",
        title=f"{count} searches with images from body-worn cameras",
        keys={"requester": tuple(world.requester(officer) for officer in officers)},
        detectors=("policy_clause",),
        clauses=(world.city.clause(CLAUSE),),
        rows=concatenate(tables),
    )


def benchmark(world: World, level: int, rng: Generator) -> Incident:
    """One officer within a week; evading, at the own desk with a colleague's account."""
    first = world.scored_day(rng, 7)
    officer = world.pick_officer(rng, first, 7)
    if level < EVADING:
        return body_worn(world, [officer], first, 7, SEARCHES[level], level, rng)
    account = world.colleague(officer, first, 7, rng)
    incident = body_worn(world, [account], first, 7, SEARCHES[level], level, rng)
    if incident.rows is not None:
        incident.rows["station"][:] = world.desk(officer, first)
    incident.keys["requester"] += (world.requester(officer),)
    return incident
