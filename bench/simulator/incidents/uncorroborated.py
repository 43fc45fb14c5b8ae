"""S22: leads go out again and again without any other evidence on record."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from bench.simulator.incident import EVADING, Incident
from bench.simulator.searches import NONE, Table
from bench.simulator.world import World

SCENARIO = "S22"
DAYS, SLOWLY = 30, 120
#: Share of honest searches that give a lead.
LEADS = 0.2
#: Searches with a lead: a good score and a short list, nothing that would need an edited probe.
SCORE, CANDIDATES = 8500, 10


def benchmark(world: World, level: int, rng: Generator) -> Incident:
    """A month; evading, four. The level counts deviations of how many such leads the officer would
    have, given the customs of the unit. Nobody is arrested: that a rule would tell."""
    days = SLOWLY if level == EVADING else DAYS
    first = world.scored_day(rng, days)
    officer = world.pick_officer(rng, first, days)
    without = 1 - float(world.customs.corroborated[world.roster.unit_on[officer, first]])
    expected = LEADS * without * float(world.expected[officer, first : first + days].sum())
    count = world.excess(expected, level, deviation=1.0)
    table = leads(world, officer, first, days, count, rng)
    table["corroborated"][:] = rng.choice(np.array([0, NONE]), count)
    return Incident(
        scenario=SCENARIO,
        level=level,
        kind="anomaly",
        title=f"one officer: {count} leads without other evidence in {days} days",
        keys={"requester": (world.requester(officer),)},
        detectors=("outcome_without_corroboration",),
        rows=table,
    )


def leads(world: World, officer: int, first: int, days: int, count: int, rng: Generator) -> Table:
    """Searches that gave a lead which nobody looked at again."""
    return world.misuse(
        officer, first, days, count, rng, score=rng.integers(SCORE, 9900, count), requested=2 * CANDIDATES,
        returned=CANDIDATES, lead=1, arrest=NONE, reviewer=NONE,
    )  # fmt: skip
