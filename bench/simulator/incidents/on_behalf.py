"""S19: an officer searches for another agency that may not search itself.

Officers of Austin and San Francisco had neighbours run the searches that their own cities had
banned (Washington Post).
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from bench.simulator.incident import EVADING, Incident
from bench.simulator.world import World

SCENARIO = "S19"
DAYS = 30
#: A city with a ban, under one name, and as an evader spells it.
NAME = "bay-city-pd"
SPELLINGS = ("bay-city-pd", "Bay City Police", "BCPD", "bay city p.d.")


def benchmark(world: World, level: int, rng: Generator) -> Incident:
    """A month of searches for an agency that never asked before; evading, under several spellings.
    The level counts deviations of how many searches for others the officer would make."""
    first = world.scored_day(rng, DAYS)
    officer = world.pick_officer(rng, first, DAYS)
    share = float(world.customs.outside[officer])
    count = world.excess(share * float(world.expected[officer, first : first + DAYS].sum()), level, 1.0)
    names = SPELLINGS if level == EVADING else (NAME,)
    asked = np.array([world.customs.agency(names[place % len(names)]) for place in range(count)])
    return Incident(
        scenario=SCENARIO,
        level=level,
        kind="anomaly",
        title=f"one officer: {count} searches for another city in {DAYS} days",
        keys={"requester": (world.requester(officer),)},
        detectors=("on_behalf",),
        rows=world.misuse(officer, first, DAYS, count, rng, asked=asked),
    )
