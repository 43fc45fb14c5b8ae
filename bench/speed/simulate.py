"""How long it takes to simulate a year of a big city, labels and reference data included.

`./probewatch simulate` as a person runs it, start and end included, with its defaults but for the scale and
one year instead of three. What is counted are the searches in the file, misuse and decoys among them.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from bench.figures import Figure, Report, Target
from bench.simulator.benchmark import SCALES
from streams.exits import Stop

ROOT = Path(__file__).parents[2]
#: The scale that the target is about, and its seconds.
LARGE, PROMISED = "1M", 60


def bench(
    scale: Annotated[str, typer.Option(help=f"Searches a year: {', '.join(SCALES)}.")] = LARGE,
    repeats: Annotated[int, typer.Option(min=1, max=20, help="Runs; the median counts.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the simulation.")] = 0,
) -> Report:
    """Seconds to simulate a year of a big city."""
    if scale not in SCALES:
        raise Stop(f"unknown scale {scale!r}: choose one of {', '.join(SCALES)}")
    took, searches = [], 0
    for _ in range(repeats):
        with tempfile.TemporaryDirectory(prefix="probewatch-bench-") as folder:
            command = [sys.executable, "-m", "streams", "simulate", "--out", folder]
            command += ["--scale", scale, "--years", "1", "--seed", str(seed)]
            began = time.perf_counter()
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            took.append(time.perf_counter() - began)
            if done.returncode:
                raise Stop(f"simulate ended with {done.returncode}: {done.stderr.strip()}")
            with (Path(folder) / "events.jsonl").open("rb") as lines:
                searches = sum(1 for _ in lines)
    target = Target("at most", PROMISED) if scale == LARGE else None
    figures = [
        Figure("seconds", f"a year of {searches:,} searches simulated", took, "s", target),
        Figure("searches_a_second", "searches written a second", [searches / one for one in took], "1/s"),
    ]
    return Report("simulate", figures, [], {"scale": scale, "searches": searches, "seed": seed})
