"""How many searches a second one worker takes, as a share of what a bare loop reads.

Both read the same messages from the same broker in the same run, one after the other, so the ratio
holds on a machine whose speed drifts. The bare loop runs before and after, the mean counts. A worker
does everything: ingest, watch with all default detectors, alerts, state, commits.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import fmean
from typing import Annotated

import typer

from bench.brokers import Kind, running_broker
from bench.figures import Figure, Report, Target
from bench.inputs import city, switch_off_all_but
from bench.worker_run import Absorbed, Scene, absorb
from streams.demo.worker import ROOT, free_port, running

PARTITIONS = 4
TARGET = Target("at least", 0.5)


def bench(
    searches: Annotated[int, typer.Option(min=1000, help="Searches to send through.")] = 500_000,
    repeats: Annotated[int, typer.Option(min=1, max=50, help="Runs; the medians count.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the simulated searches.")] = 0,
    broker: Annotated[Kind, typer.Option(help="Where the searches are read from.")] = "embedded",
    only: Annotated[str, typer.Option(help="Stanzas to leave on, comma between; else as shipped.")] = "",
) -> Report:
    """Searches a second through a whole worker, beside a bare loop that only reads and decodes.

    Both read the same messages from the same broker, one after the other.
    """
    notes: list[str] = []
    limits: list[float] = []
    runs: list[Absorbed] = []
    with tempfile.TemporaryDirectory(prefix="probewatch-bench-") as folder:
        config = Path(folder) / "city"
        file = city(config, searches, seed)
        if only:
            switch_off_all_but(only.split(","), config)
        for _ in range(repeats):
            limit, run = measure(config, file, broker, notes)
            limits.append(limit)
            runs.append(run)
    return Report(
        "throughput",
        [
            Figure("limit_per_second", "bare aiokafka + msgspec loop", limits, "searches/s"),
            Figure("worker_per_second", "one whole worker", [run.per_second for run in runs], "searches/s"),
            Figure(
                "ratio_to_limit",
                "throughput of one worker to the bare loop",
                [run.per_second / limit for run, limit in zip(runs, limits, strict=True)],
                target=TARGET,
            ),
            Figure("worker_cpu_seconds", "CPU of the worker", [run.worker_cpu for run in runs], "s"),
            Figure(
                "broker_cpu_seconds", "CPU of the broker meanwhile", [run.broker_cpu for run in runs], "s"
            ),
            Figure(
                "durable_seconds", "until all was durable, waits included", [r.durable for r in runs], "s"
            ),
        ],
        sorted(set(notes)),
        {
            "searches": runs[0].searches,
            "broker": broker,
            "partitions": PARTITIONS,
            "stanzas": only or "as shipped",
        },
    )


def measure(config: Path, file: Path, kind: Kind, notes: list[str]) -> tuple[float, Absorbed]:
    """One pair: searches a second of the bare loop, and the worker's run. Raises Stop."""
    with file.open("rb") as lines:
        searches = sum(1 for _ in lines)
    with running_broker(kind, notes) as broker:
        scene = Scene(broker, config, PARTITIONS)
        messages = scene.fill([file])
        before = bare_loop(broker.bootstrap, scene.topic("searches.raw"), messages)
        with running(scene.environment(), free_port(), config / "worker.log") as worker:
            run = absorb([worker], broker, searches)
        after = bare_loop(broker.bootstrap, scene.topic("searches.raw"), messages)
        return searches / fmean((before, after)), run


def bare_loop(bootstrap: str, topic: str, messages: int) -> float:
    """Seconds of the bare loop."""
    command = [sys.executable, "-m", "bench.limit", bootstrap, topic, str(messages)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, check=True, env=environment, text=True)
    return float(done.stdout)
