"""How many searches a second `./probewatch replay` judges, start and end of the program included.

Two shapes of input: one big city, and a national log of many agencies (`bench.national`), where each
agency is as busy as it would be in the whole. What 12.5 million searches would take is worked out from
the speed; a national log of that size is the same agencies' days, only more of them. Run it with
`--searches 12500000` to see instead of to believe.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from bench.figures import Figure, Report, Target
from bench.inputs import city, national
from bench.national import SEARCHES as WHOLE
from bench.national import National
from bench.processes import MIB, PeakOf
from streams.demo.worker import ROOT
from streams.exits import Stop

Shape = Literal["city", "national"]


@dataclass(frozen=True)
class Run:
    """One replay. `peak` is the memory of all its processes together, bytes."""

    seconds: float
    decoding: float
    peak: int
    processes: int


def bench(
    searches: Annotated[int, typer.Option(min=1000, help="Searches of the city.")] = 500_000,
    national_searches: Annotated[int, typer.Option(min=1000, help="Of the national log.")] = 100_000,
    repeats: Annotated[int, typer.Option(min=1, max=50, help="Runs; the medians count.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the made-up searches.")] = 0,
) -> Report:
    """Searches a second of `replay` over a big file, its memory, and how much slower it is than decoding."""
    figures: list[Figure] = []
    facts: dict[str, object] = {"searches": {"city": searches, "national": national_searches}}
    with tempfile.TemporaryDirectory(prefix="probewatch-bench-") as folder:
        city_folder, national_folder = Path(folder) / "city", Path(folder) / "national"
        log = National.cut(national_searches, seed)
        facts["agencies"] = log.agencies
        file = city(city_folder, searches, seed)
        figures += _figures("city", searches, [run(city_folder, file, searches) for _ in range(repeats)])
        file = national(national_folder, log)
        runs = [run(national_folder, file, national_searches) for _ in range(repeats)]
        figures += _figures("national", national_searches, runs)
    notes = [
        f"the national log has {log.agencies:,} agencies and {log.searches:,} searches: the whole has 3,900, "
        "whose searches come even more mixed"
    ]
    return Report("replay", figures, notes, facts)


def run(config: Path, file: Path, searches: int) -> Run:
    """Replay a file once, as a person would. Raises Stop when it fails or loses a search."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    decoded = subprocess.run(
        [sys.executable, "-m", "bench.decoding", file], env=environment, capture_output=True, check=True
    )
    command = [
        *(sys.executable, "-m", "streams", "replay", "--json", "--config", str(config)),
        *("--input", str(file), "--out", str(config / "alerts.jsonl")),
    ]
    began = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    with PeakOf(process.pid) as peak:
        said, _ = process.communicate()
    seconds = time.perf_counter() - began
    if process.returncode != 0 or f'"accepted": {searches},'.encode() not in said:
        raise Stop(
            f"replay ended with code {process.returncode} and said {said!r}, not {searches:,} accepted"
        )
    return Run(seconds, float(decoded.stdout), peak.bytes, peak.processes)


def _figures(shape: Shape, searches: int, runs: list[Run]) -> list[Figure]:
    return [
        Figure(
            f"{shape}_per_second", f"replay, {shape}", [searches / one.seconds for one in runs], "searches/s"
        ),
        Figure(
            f"{shape}_ratio_to_decoding",
            f"replay, {shape}: to a loop that reads and decodes the file",
            [one.decoding / one.seconds for one in runs],
        ),
        Figure(
            f"{shape}_whole_seconds",
            f"replay of 12.5 million searches, {shape}, worked out from {searches:,}",
            [one.seconds * WHOLE / searches for one in runs],
            "s",
            Target("at most", 60),
        ),
        Figure(
            f"{shape}_peak_mib",
            f"memory of {runs[0].processes} process(es) at most, {shape}, {searches:,} searches",
            [one.peak / MIB for one in runs],
            "MiB",
            # Memory grows with the agencies, so nothing smaller can tell whether it is met.
            Target("at most", 2000) if searches >= WHOLE else None,
        ),
    ]
