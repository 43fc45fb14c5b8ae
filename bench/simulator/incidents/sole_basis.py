"""S23: somebody is arrested because of a match and nothing else.

The Washington Post found arrests without other evidence in fifteen departments.
"""

from __future__ import annotations

from numpy.random import Generator

from bench.simulator.incident import EVADING, Incident
from bench.simulator.incidents.uncorroborated import leads
from bench.simulator.searches import NONE
from bench.simulator.world import World

SCENARIO = "S23"
ARRESTS = {1: 6, 2: 3, 3: 1, 4: 1}
DAYS = 30
#: The clauses that forbid it, and that forbid to leave out whether there was other evidence.
CLAUSE, UNRECORDED = "2021-sole-basis", "2021-corroboration-recorded"


def benchmark(world: World, level: int, rng: Generator) -> Incident:
    """Arrests recorded as not corroborated; evading, with nothing said about it."""
    first = world.scored_day(rng, DAYS)
    officer = world.pick_officer(rng, first, DAYS)
    count = ARRESTS[level]
    table = leads(world, officer, first, DAYS, count, rng)
    table["arrest"][:] = 1
    table["corroborated"][:] = NONE if level == EVADING else 0
    return Incident(
        scenario=SCENARIO,
        level=level,
        kind="policy",
        title=f"{count} arrest{'s' * (count > 1)} without other evidence than a match",
        keys={"requester": (world.requester(officer),)},
        detectors=("policy_clause", "outcome_without_corroboration"),
        clauses=(world.city.clause(UNRECORDED if level == EVADING else CLAUSE),),
        rows=table,
    )
