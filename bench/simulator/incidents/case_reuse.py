"""S18: one valid case number covers searches for people who have nothing to do with each other.

In Evansville an officer looked up nine people from April to December under one number, most of them
by pictures from social media (city-countyobserver.com).
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from bench.simulator.incident import EVADING, Incident
from bench.simulator.searches import IMAGES
from bench.simulator.world import World

SCENARIO = "S18"
SUBJECTS = {1: 12, 2: 8, 3: 5, 4: 5}
DAYS = 150


def benchmark(world: World, level: int, rng: Generator) -> Incident:
    """Five months under the number of an older case of the unit; evading, under two in turn."""
    count = SUBJECTS[level]
    first = world.scored_day(rng, DAYS)
    officer = world.pick_officer(rng, first, DAYS)
    unit = int(world.roster.unit_on[officer, first])
    sources = np.array([IMAGES.index("social_media"), IMAGES.index("cctv")])
    image = rng.choice(sources, count, p=[0.8, 0.2])
    table = world.misuse(officer, first, DAYS, count, rng, image=image)
    for place in range(2 if level == EVADING else 1):
        old = world.old_case(unit, first - 30, rng)
        table["case"][place :: 2 if level == EVADING else 1] = table["case"][place] if old is None else old
    return Incident(
        scenario=SCENARIO,
        level=level,
        kind="anomaly",
        title=f"{count} unrelated people under the case number of something else",
        keys={"requester": (world.requester(officer),)},
        cases=tuple(sorted({int(case) for case in table["case"]})),
        detectors=("case_reuse",),
        rows=table,
    )
