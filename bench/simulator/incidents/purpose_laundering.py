"""S12: the real use hides behind a purpose that sounds better: helpless people, threats to life."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from bench.simulator.incident import EVADING, Incident
from bench.simulator.matters import CRIME, MATTERS, PHRASES
from bench.simulator.searches import IMAGES
from bench.simulator.world import World

SCENARIO = "S12"
DAYS = 60
COVERS = tuple(number for number, matter in enumerate(MATTERS) if matter.purpose != CRIME)
SHARE = sum(MATTERS[number].weight for number in COVERS) / sum(matter.weight for matter in MATTERS)


def benchmark(world: World, level: int, rng: Generator) -> Incident:
    """Two months in which the officer's mix shifts: purposes of cover, nearly always with pictures
    from social media. Evading, the pictures come from where they usually do. The level counts
    deviations of how many such cases the officer would have."""
    first = world.scored_day(rng, DAYS)
    officer = world.pick_officer(rng, first, DAYS)
    expected = SHARE * float(world.expected[officer, first : first + DAYS].sum())
    count = world.excess(expected, level, deviation=1.0)
    matter = rng.choice(np.array(COVERS), count)
    columns = {"matter": matter, "reason": matter * len(PHRASES) + rng.integers(0, len(PHRASES), count)}
    if level < EVADING:
        sources = np.array([IMAGES.index("social_media"), IMAGES.index("unknown")])
        columns["image"] = rng.choice(sources, count, p=[0.85, 0.15])
    return Incident(
        scenario=SCENARIO,
        level=level,
        kind="anomaly",
        title=f"one officer: {count} searches under a purpose of cover in {DAYS} days",
        keys={"requester": (world.requester(officer),)},
        detectors=("purpose_shift",),
        rows=world.misuse(officer, first, DAYS, count, rng, **columns),
    )
