"""What the state of many requesters with a year of history takes in memory, a requester.

Nothing is constructed: both stages read a year of a national log, in which each requester has as many
searches as in the whole, and keep what they keep. Agencies do not share anything, so memory grows with
them in a straight line; two sizes give the line, and the line gives a million requesters. Run it with
`--requesters 1000000` to see instead of to believe. Resident memory, as the system counts it.
"""

from __future__ import annotations

from typing import Annotated

import typer

from bench.figures import Figure, Report, Target
from bench.in_process import Run, apart
from bench.national import DAYS, SEARCHES, National
from bench.processes import MIB

#: The number of requesters and the days of the target.
MANY, YEAR = 1_000_000, 365
#: People of an agency, and their searches in a year, as in the national log.
STAFF = 256
A_YEAR = SEARCHES / MANY * YEAR / DAYS


def bench(
    requesters: Annotated[int, typer.Option(min=1000, help="Requesters of the larger size.")] = 4_000,
    repeats: Annotated[int, typer.Option(min=1, max=50, help="Runs; the medians count.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the made-up searches.")] = 0,
) -> Report:
    """Bytes of memory a requester with a year of history, and what a million take."""
    small, large = year(requesters // 4, seed), year(requesters, seed)
    runs = [(apart(small), apart(large)) for _ in range(repeats)]
    slopes = [_slope(first.held, last.held, small, large) for first, last in runs]
    peaks = [_slope(first.peak, last.peak, small, large) for first, last in runs]
    held = [_at_many(last, slope, large) for (_, last), slope in zip(runs, slopes, strict=True)]
    return Report(
        "memory",
        [
            Figure("bytes_per_requester", "a requester with a year of history", slopes, "bytes"),
            Figure("peak_bytes_per_requester", "the same, at the peak", peaks, "bytes"),
            Figure(
                "empty_mib", "the program before the first search", [r.empty / MIB for r, _ in runs], "MiB"
            ),
            Figure("held_mib", f"with {requesters:,} requesters", [r.held / MIB for _, r in runs], "MiB"),
            Figure(
                "million_mib",
                f"1,000,000 requesters with a year of history, worked out from {requesters:,}",
                held,
                "MiB",
                Target("at most", 1024),
            ),
        ],
        [f"{large.agencies:,} agencies of {STAFF} people, {A_YEAR:.0f} searches each in the year"],
        {"requesters": requesters, "searches": large.searches, "agencies": large.agencies},
    )


def year(requesters: int, seed: int) -> National:
    """A year of a national log with so many requesters."""
    agencies = max(1, requesters // STAFF)
    return National(round(requesters * A_YEAR), agencies, requesters, YEAR, seed, spread=0.5)


def _slope(small: int, large: int, few: National, many: National) -> float:
    return (large - small) / (many.requesters - few.requesters)


def _at_many(run: Run, slope: float, log: National) -> float:
    return (run.held + slope * (MANY - log.requesters)) / MIB
