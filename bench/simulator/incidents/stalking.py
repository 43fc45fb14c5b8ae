"""S9: one officer looks up one person again and again, for reasons of their own.

In the cases that came to light the visits were many (about 180 in two months in Milwaukee) and the
case numbers were blank, invented, or borrowed from an old case.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.random import Generator

from bench.simulator.clock import DAY
from bench.simulator.incident import EVADING, Incident
from bench.simulator.searches import NONE, rows, spread_over
from bench.simulator.world import World

SCENARIO = "S9"
CaseNumber = Literal["blank", "fake", "reused"]
#: Visits and the days they are spread over, by level.
VISITS = {1: (12, 42), 2: (6, 30), 3: (3, 20), 4: (3, 20)}
OFF_DUTY = 0.4


def stalking(
    world: World,
    officer: int,
    first: int,
    days: int,
    count: int,
    case_number: CaseNumber,
    level: int,
    rng: Generator,
) -> Incident:
    """`count` searches of one subject over some days, four in ten of them outside the shift
    unless it evades."""
    day, second = spread_over(world.roster, officer, first, days, count, rng)
    off = (rng.random(count) < OFF_DUTY) & (level < EVADING)
    second = np.where(off, (second + DAY // 2) % DAY, second)
    unit = world.roster.unit_on[officer, day].astype(np.int64)
    invented = world.cases.open(day, unit, second)
    if case_number == "fake":
        case = invented
    else:
        old = world.old_case(int(unit[0]), first - 30, rng)
        case = np.full(count, int(invented[0]) if old is None else old)
    subject = int(world.cases.meet(1)[0])
    table = rows(count, officer=officer, day=day, second=second, case=case, subject=subject)
    detectors = ("repeat_subject", "case_reuse") if case_number == "reused" else ("repeat_subject",)
    if case_number == "blank":
        # Matter and wording still come from the old case; only its number is left out.
        for name in ("matter", "reason", "image"):
            table[name][:] = world.cases.column(name)[case]
        table["unit"][:] = unit
        table["probe"][:] = invented * 16
        table["case"][:] = NONE
    return Incident(
        scenario=SCENARIO,
        level=level,
        kind="anomaly",
        title=f"one officer, one person: {count} searches in {days} days, case number {case_number}",
        keys={"requester": (world.requester(officer),)},
        subjects=(subject,),
        cases=(int(case[0]),) if case_number == "reused" else (),
        detectors=detectors,
        rows=table,
    )


def benchmark(world: World, level: int, rng: Generator) -> Incident:
    """Visits with an invented or a borrowed case number; blank where no policy asks for one. Evading,
    in duty hours, each under another number of the own unit."""
    count, days = VISITS[level]
    first = world.scored_day(rng, days)
    officer = world.pick_officer(rng, first, days)
    kinds: tuple[CaseNumber, ...] = ("fake", "reused") if world.city.policies else ("fake", "reused", "blank")
    kind = "fake" if level == EVADING else kinds[int(rng.integers(len(kinds)))]
    return stalking(world, officer, first, days, count, kind, level, rng)
