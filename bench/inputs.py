"""The logs that benchmarks read: one big city, made by the simulator, or a national log."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from bench.national import National
from bench.simulator.generate import build, simulate
from streams.demo.worker import ROOT

#: Searches a year of the largest simulated city, about.
A_YEAR = 990_000


def city(folder: Path, searches: int, seed: int) -> Path:
    """The first searches of one big city; the folder becomes its configuration. The file of events."""
    simulate(build("1M", seed, max(1, -(-searches // A_YEAR))), folder, ROOT / "config")
    file = folder / "part.jsonl"
    with (folder / "events.jsonl").open("rb") as lines, file.open("wb") as part:
        part.writelines(islice(lines, searches))
    (folder / "events.jsonl").unlink()
    return file


def national(folder: Path, log: National) -> Path:
    """A national log; the folder becomes its configuration. The file of events."""
    log.configure(folder)
    file = folder / "events.jsonl"
    log.write(file)
    return file
