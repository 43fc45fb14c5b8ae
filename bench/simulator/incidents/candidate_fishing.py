"""S21: long lists, low thresholds and edited probes, until some face comes up."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from bench.simulator.incident import EVADING, Incident
from bench.simulator.searches import IMAGES, LIST_LENGTHS
from bench.simulator.world import World

SCENARIO = "S21"
DAYS = 14
#: Length of the lists asked for, far beyond the 50 of policies; and scores in ten-thousandths.
LONG_LISTS = (100, 200, 250)
#: A drawing and the picture of a look-alike have been used as probes (Garvie).
PROBES = ("cctv", "social_media", "sketch", "celebrity")
THRESHOLD, BEST = 1000, 3500
#: Searches for each person, every one with the probe edited otherwise.
TRIES = 2


def benchmark(world: World, level: int, rng: Generator) -> Incident:
    """Two weeks of it, some with drawings and look-alikes; evading, with ordinary images and with
    lists no longer than anybody's. The level counts deviations of how many edited probes the
    officer would use."""
    first = world.scored_day(rng, DAYS)
    officer = world.pick_officer(rng, first, DAYS)
    expected = float(world.customs.edits[officer] * world.expected[officer, first : first + DAYS].sum())
    count = world.excess(expected, level, deviation=1.0)
    lists = (max(LIST_LENGTHS),) if level == EVADING else LONG_LISTS
    requested = rng.choice(np.array(lists), count)
    score = rng.integers(THRESHOLD, BEST, count)
    table = world.misuse(
        officer, first, DAYS, count, rng, requested=requested, returned=requested, score=score,
        threshold=THRESHOLD, edited=1, lead=0,
    )  # fmt: skip
    if level < EVADING:
        table["image"][:] = rng.choice(np.array([IMAGES.index(name) for name in PROBES]), count)
    for name in ("case", "subject"):
        table[name][:] = np.repeat(table[name][::TRIES], TRIES)[:count]
    return Incident(
        scenario=SCENARIO,
        level=level,
        kind="anomaly",
        title=f"one officer: {count} searches with long lists and edited probes",
        keys={"requester": (world.requester(officer),)},
        detectors=("candidate_fishing",),
        rows=table,
    )
