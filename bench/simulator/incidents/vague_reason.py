"""S20: an officer stops saying why: a word that means nothing, or one sentence pasted everywhere."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from bench.simulator.incident import EVADING, Incident
from bench.simulator.matters import VAGUE
from bench.simulator.world import World

SCENARIO = "S20"
DAYS = 30
#: What an evader pastes: long enough, and it fits any case.
PASTED = "Subject believed to be involved in an ongoing matter, identity to be confirmed by this unit"


def benchmark(world: World, level: int, rng: Generator) -> Incident:
    """A month of searches with a vague reason, or none; evading, with a pasted sentence. The level
    counts deviations of how many vague reasons the officer would give."""
    first = world.scored_day(rng, DAYS)
    officer = world.pick_officer(rng, first, DAYS)
    expected = world.city.habits.vague * float(world.expected[officer, first : first + DAYS].sum())
    count = world.excess(expected, level, deviation=1.0)
    texts = (PASTED,) if level == EVADING else (*VAGUE, "")
    reason = rng.choice(np.array([world.reasons.index(text) for text in texts]), count)
    return Incident(
        scenario=SCENARIO,
        level=level,
        kind="anomaly",
        title=f"one officer: {count} searches with {'a pasted' if level == EVADING else 'a vague'} reason",
        keys={"requester": (world.requester(officer),)},
        detectors=("vague_reason", "copied_reason"),
        rows=world.misuse(officer, first, DAYS, count, rng, reason=reason),
    )
