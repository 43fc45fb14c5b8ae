"""S10: searches in a tool that nobody approved, under the names people give it.

Over 400 such searches were made in Los Angeles before the department banned third-party systems in
November 2020 (courthousenews.com): lawful-looking before that day, breaches after it.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from bench.simulator.clock import DAY, draw_seconds
from bench.simulator.incident import EVADING, Incident
from bench.simulator.searches import IMAGES, Table, rows
from bench.simulator.world import World

SCENARIO = "S10"
SPELLINGS = ("Clearview AI", "Clearview", "clearview.ai", "CLEARVIEW-AI", "Clear View AI")
#: Number of searches and of spellings used, by level.
USES = {1: (20, 1), 2: (6, 3), 3: (2, 5), 4: (2, 5)}
#: The clause that forbids it.
CLAUSE = "2020-approved-tools"


def searches_in_tool(
    world: World,
    officers: list[int],
    first: int,
    days: int,
    count: int,
    spellings: tuple[str, ...],
    rng: Generator,
) -> Table:
    """`count` searches of the officers in turn, each spelling used at least once when there is room."""
    officer = np.array([officers[number % len(officers)] for number in range(count)])
    day = np.sort(first + rng.integers(0, days, count))
    second = draw_seconds(rng, world.roster.shift_on[officer, day]) % DAY
    unit = world.roster.unit_on[officer, day].clip(0).astype(np.int64)
    tool = np.array([world.tool(spellings[number % len(spellings)]) for number in range(count)])
    case = world.cases.open(day, unit, second)
    return rows(
        count, officer=officer, day=day, second=second, case=case, subject=world.cases.meet(count),
        tool=rng.permutation(tool), feed=world.city.feed("detective-bureau"),
        image=IMAGES.index("social_media"),
    )  # fmt: skip


def breach(world: World, table: Table, officers: list[int], level: int) -> Incident:
    """The label of searches made when the tool was not allowed."""
    return Incident(
        scenario=SCENARIO,
        level=level,
        kind="policy",
        title=f"{len(table['day'])} searches in a tool that is not approved",
        keys={
            "requester": tuple(world.requester(officer) for officer in officers),
            "tool": ("clearview-ai", *sorted({world.tools[tool] for tool in table["tool"]})),
        },
        detectors=("policy_clause",),
        clauses=(world.city.clause(CLAUSE),),
        rows=table,
    )


def benchmark(world: World, level: int, rng: Generator) -> Incident:
    """One officer for two weeks, long after the ban; the harder, the fewer and the odder spelled.
    Evading, at the own desk with a colleague's account."""
    count, spellings = USES[level]
    first = world.scored_day(rng, 14)
    officer = world.pick_officer(rng, first, 14)
    account = officer if level < EVADING else world.colleague(officer, first, 14, rng)
    table = searches_in_tool(world, [account], first, 14, count, SPELLINGS[-spellings:], rng)
    if account == officer:
        return breach(world, table, [officer], level)
    table["station"][:] = world.desk(officer, first)
    return breach(world, table, [account, officer], level)
