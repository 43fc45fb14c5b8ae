"""What a back-test costs beside what an analyst would do by hand: a pandas group-by over the same file.

The group-by reads the file and counts searches by requester and day, which is the least that any judgement
of volumes needs. The back-test is the command with all default detectors, start and end of the program
included, on a national log of many agencies, which its processes share; and one that was cut off and goes
on is not measured. Memory is that of all processes of each.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from bench.figures import Figure, Report, Target
from bench.inputs import national
from bench.national import SEARCHES as WHOLE
from bench.national import National
from bench.processes import MIB, PeakOf
from streams.demo.worker import ROOT
from streams.exits import Stop

#: The group-by, in a process of its own: its memory is measured from outside, as ours is.
GROUP_BY = """
import sys
import pandas as pd

searches = pd.read_json(sys.argv[1], lines=True, dtype=False, convert_dates=False)
day = pd.to_datetime(searches["event_time"]).dt.floor("D")
counts = searches.groupby(["agency_id", "requester_id", day]).size()
print(int(counts.sum()))
"""


@dataclass(frozen=True)
class Run:
    """One process and its children: seconds, and their largest memory together, bytes."""

    seconds: float
    peak: int


def bench(
    searches: Annotated[int, typer.Option(min=1000, help="Searches of the national log.")] = 100_000,
    repeats: Annotated[int, typer.Option(min=1, max=50, help="Runs; the medians count.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the made-up searches.")] = 0,
) -> Report:
    """A back-test with all default detectors, to a pandas group-by over the same file; memory of both."""
    ours: list[Run] = []
    theirs: list[Run] = []
    with tempfile.TemporaryDirectory(prefix="probewatch-bench-") as name:
        folder, log = Path(name) / "national", National.cut(searches, seed)
        file = national(folder, log)
        command = ["-m", "streams", "backtest", "--json", "--config", str(folder)]
        command += ["--input", str(file), "--out", str(Path(name) / "out")]
        for _ in range(repeats):
            # By turns, so that a machine that drifts drifts for both.
            theirs.append(run(["-c", GROUP_BY, str(file)], f"{searches}\n"))
            ours.append(run(command, f'"accepted": {searches},'))
    jobs = os.cpu_count() or 1
    figures = [
        Figure(
            "per_second",
            f"back-test in {jobs} processes",
            [searches / one.seconds for one in ours],
            "searches/s",
        ),
        Figure(
            "ratio_to_group_by",
            "time of a back-test, to a pandas group-by over the same file",
            [one.seconds / other.seconds for one, other in zip(ours, theirs, strict=True)],
        ),
        Figure(
            "whole_seconds",
            f"back-test of 12.5 million searches, worked out from {searches:,}",
            [one.seconds * WHOLE / searches for one in ours],
            "s",
            Target("at most", 60),
        ),
        Figure("peak_mib", "memory of the back-test, all processes", [one.peak / MIB for one in ours], "MiB"),
        Figure("group_by_peak_mib", "memory of the group-by", [one.peak / MIB for one in theirs], "MiB"),
    ]
    return Report("backtest", figures, [f"{log.agencies:,} agencies"], {"searches": searches, "jobs": jobs})


def run(words: list[str], expected: str) -> Run:
    """Run Python once. Raises Stop when it fails or does not say what is expected."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *words], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with PeakOf(process.pid) as peak:
        said, why = process.communicate()
    seconds = time.perf_counter() - began
    if process.returncode != 0 or expected not in said.decode():
        raise Stop(f"it ended with code {process.returncode}: {said!r} {why.decode()[-1000:]}")
    return Run(seconds, peak.bytes)
