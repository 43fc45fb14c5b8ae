"""S17: officers of many units look up one person who is suspected of nothing.

In Waukesha over a hundred searches concerned one man who had complained (list of the Institute for
Justice). A real suspect is looked up under one report; here everybody cites a case of their own.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from bench.simulator.clock import DAY, draw_seconds
from bench.simulator.incident import EVADING, Incident
from bench.simulator.searches import rows
from bench.simulator.world import ANY_LOAD, World

SCENARIO = "S17"
#: Officers, each of another unit as long as there are units.
OFFICERS = {1: 12, 2: 7, 3: 5, 4: 5}
DAYS, SLOWLY = 14, 60


def benchmark(world: World, level: int, rng: Generator) -> Incident:
    """Two weeks; evading, two months."""
    days, count = (SLOWLY if level == EVADING else DAYS), OFFICERS[level]
    first = world.scored_day(rng, days)
    units = [int(unit) for unit in rng.permutation(len(world.city.units))]
    team = [
        world.pick_officer(rng, first, days, units[place % len(units)], load=ANY_LOAD)
        for place in range(count)
    ]
    officer = np.array(team)
    day = np.array([int(rng.choice(_on_duty(world, one, first, days))) for one in team])
    second = draw_seconds(rng, world.roster.shift_on[officer, day]) % DAY
    case = world.cases.open(day, world.roster.unit_on[officer, day].astype(np.int64), second)
    subject = int(world.cases.meet(1)[0])
    return Incident(
        scenario=SCENARIO,
        level=level,
        kind="anomaly",
        title=f"one person looked up by {count} officers of several units in {days} days",
        keys={"requester": tuple(world.requester(one) for one in team)},
        subjects=(subject,),
        detectors=("many_requesters",),
        rows=rows(count, officer=officer, day=day, second=second, case=case, subject=subject),
    )


def _on_duty(world: World, officer: int, first: int, days: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.flatnonzero(world.roster.on_duty[officer, first : first + days]) + first
