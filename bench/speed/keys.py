"""What a search costs as requesters grow from 1,000 to 1,000,000, the number of searches the same.

Agencies have 250 people each, so that a million requesters are in 4,000 agencies, all equally busy. The
days are as many as make that many agencies as busy as they are in the national log; with fewer people
the same searches and days are those of fewer and busier ones. Beside it, what happens when all the
requesters are in one agency, which no agency is. Only the stages are timed, in one process.
"""

from __future__ import annotations

from typing import Annotated

import typer

from bench.figures import Figure, Report, Target
from bench.in_process import Run, apart
from bench.national import AGENCIES, DAYS, SEARCHES, National

#: People of an agency.
STAFF = 250
#: What the target is about.
FEWEST, MOST = 1_000, 1_000_000


def bench(
    searches: Annotated[int, typer.Option(min=1000, help="Searches, in each case.")] = 100_000,
    requesters: Annotated[int, typer.Option(min=FEWEST, help="The most requesters.")] = 100_000,
    one_agency: Annotated[bool, typer.Option(help="Also with all of them in one agency.")] = True,
    repeats: Annotated[int, typer.Option(min=1, max=50, help="Runs; the medians count.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the made-up searches.")] = 0,
) -> Report:
    """Microseconds a search with few and with many requesters, in agencies of 250 and in a single one."""
    days = max(2, round(searches / (requesters / STAFF) / (SEARCHES / AGENCIES / DAYS)))
    counts = sorted({FEWEST, *(n for n in (10_000, 100_000) if n < requesters), requesters})
    figures: list[Figure] = []
    many: dict[int, list[Run]] = {n: [] for n in counts}
    single: dict[int, list[Run]] = {n: [] for n in (counts[0], counts[-1]) if one_agency}
    for _ in range(repeats):
        for number in counts:
            log = National(searches, max(1, number // STAFF), number, days, seed, spread=0.0)
            many[number].append(apart(log))
        for number in single:
            single[number].append(apart(National(searches, 1, number, days, seed)))
    for kind, where, runs in (("", "agencies of 250", many), ("one_agency_", "one agency", single)):
        for number, own in runs.items():
            cost = [run.seconds / searches * 1e6 for run in own]
            figures.append(
                Figure(f"{kind}us_at_{number}", f"{number:,} requesters, {where}", cost, "µs a search")
            )
        if runs:
            growth = [
                last.seconds / first.seconds
                for first, last in zip(runs[counts[0]], runs[counts[-1]], strict=True)
            ]
            meaning = f"cost per search from {counts[0]:,} to {counts[-1]:,} requesters, {where}"
            target = Target("at most", 1.5) if not kind and requesters >= MOST else None
            figures.append(Figure(f"{kind}growth", meaning, growth, target=target))
    notes = []
    if requesters < MOST:
        notes.append(
            f"the target, at most 1.5, is for {MOST:,} requesters; this run had {requesters:,} at most"
        )
    if searches < requesters:
        notes.append(f"{searches:,} searches are too few for each of {requesters:,} requesters to make one")
    return Report("keys", figures, notes, {"searches": searches, "requesters": requesters, "days": days})
