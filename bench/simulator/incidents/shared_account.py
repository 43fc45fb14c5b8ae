"""S11: somebody else uses an officer's account, elsewhere and at new hours.

After a shared password, one account made 24 searches in two days (patch.com).
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from bench.simulator.incident import EVADING, Incident
from bench.simulator.searches import Table, concatenate, rows
from bench.simulator.world import World

SCENARIO = "S11"
#: Case load of the owner, relative to the mean: an account worth borrowing, whose habits are known.
WELL_USED = (1.5, 6.0)
SEARCHES = {1: 24, 2: 12, 3: 6, 4: 6}
#: When the stranger begins, by the owner's shift: outside of it, or evading within.
ELSEWHEN = {0: 19 * 3600, 1: 8 * 3600, 2: 12 * 3600}
MEANWHILE = {0: 9 * 3600, 1: 16 * 3600, 2: 22 * 3600}


def shared_account(
    world: World, officer: int, first: int, count: int, level: int, rng: Generator
) -> Incident:
    """`count` searches in two days from a workstation of another unit; on both days the owner works
    in the middle of it, at the usual place."""
    unit = int(world.roster.unit_on[officer, first])
    elsewhere = (unit + len(world.city.units) // 2) % len(world.city.units)
    station = world.stations.index(f"pool-{world.city.units[elsewhere].unit_id}-2")
    begin = MEANWHILE if level == EVADING else ELSEWHEN
    start = begin[int(world.roster.shift_on[officer, first])]
    foreign = _session(world, officer, unit, first, count, start, station, rng)
    owner = _owner_meanwhile(world, officer, unit, foreign, rng)
    return Incident(
        scenario=SCENARIO,
        level=level,
        kind="anomaly",
        title=f"one account at two workstations: {count} searches in two days",
        keys={"requester": (world.requester(officer),)},
        detectors=("two_places", "rare", "high_count"),
        rows=concatenate([foreign, owner]),
    )


def benchmark(world: World, level: int, rng: Generator) -> Incident:
    """Two days with the fewer foreign searches, the higher the level; evading, at the hours when the
    owner works as well."""
    first = world.scored_day(rng, 2)
    officer = world.pick_officer(rng, first, 2, load=WELL_USED)
    return shared_account(world, officer, first, SEARCHES[level], level, rng)


def _session(
    world: World, officer: int, unit: int, first: int, count: int, start: int, station: int, rng: Generator
) -> Table:
    """The stranger's searches: from a second of the day on, a few minutes apart."""
    day = first + (np.arange(count) >= count // 2)
    rank = np.where(day > first, np.arange(count) - count // 2, np.arange(count))
    second = start + rank * 600 + rng.integers(0, 400, count)
    case = world.cases.open(day, np.full(count, unit), second)
    return rows(
        count, officer=officer, day=day, second=second, case=case, unit=unit, station=station,
        subject=world.cases.meet(count), image=2,
    )  # fmt: skip


def _owner_meanwhile(world: World, officer: int, unit: int, foreign: Table, rng: Generator) -> Table:
    """Two searches of the owner on each day, between two of the stranger's."""
    middle = np.array([1, 2, len(foreign["day"]) - 3, len(foreign["day"]) - 2])
    second = foreign["second"][middle] + 45
    day = foreign["day"][middle]
    case = world.cases.open(day, np.full(len(day), unit), second)
    return rows(
        len(day), officer=officer, day=day, second=second, case=case, unit=unit,
        station=world.desk(officer, int(day[0])), subject=world.cases.meet(len(day)), matter=0,
        reason=int(rng.integers(0, 10)),
    )  # fmt: skip
