"""How many searches a second one worker takes, as a share of what a bare loop reads.

Both read the same messages from the same broker in the same run, one after the other, so the ratio
holds on a machine whose speed drifts. The bare loop runs before and after, the mean counts. A worker
does everything: ingest, watch with all default detectors, alerts, state, commits.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
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
#: The stanzas that the worker was first built for: rules; counts of requesters, units and tools, and round
#: demonstrations; repeated subjects; rare places, hours and tools; gaps and silence of the log.
CORE = (
    "policy_clause", "requester_volume", "unit_volume", "tool_volume", "demonstration_spike",
    "repeat_subject", "rare_place_and_hour", "rare_tool", "sequence_gap", "silence",
)  # fmt: skip
SHIPPED, SPINE = "all shipped stanzas", "the ten stanzas of the first worker"
TARGETS = {SHIPPED: Target("at least", 0.5), SPINE: Target("at least", 0.25)}


def bench(
    searches: Annotated[int, typer.Option(min=1000, help="Searches to send through.")] = 500_000,
    repeats: Annotated[int, typer.Option(min=1, max=50, help="Runs; the medians count.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the simulated searches.")] = 0,
    broker: Annotated[Kind, typer.Option(help="Where the searches are read from.")] = "embedded",
    only: Annotated[str, typer.Option(help="Stanzas to leave on, comma between, and no others.")] = "",
) -> Report:
    """Searches a second through a whole worker, beside a bare loop that only reads and decodes.

    Both read the same messages from the same broker, one after the other. Measured with all shipped
    stanzas and, by turns, with those that the worker was first built for.
    """
    notes: list[str] = []
    limits: list[float] = []
    runs: dict[str, list[Absorbed]] = {}
    ratios: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="probewatch-bench-") as folder:
        config = Path(folder) / "city"
        file = city(config, searches, seed)
        scenes = {only: _with_only(only.split(","), config)} if only else {
            SHIPPED: config, SPINE: _with_only(CORE, config),
        }  # fmt: skip
        for _ in range(repeats):
            for stanzas, place in scenes.items():
                limit, run = measure(place, file, broker, notes)
                limits.append(limit)
                runs.setdefault(stanzas, []).append(run)
                ratios.setdefault(stanzas, []).append(run.per_second / limit)
    figures = [Figure("limit_per_second", "bare aiokafka + msgspec loop", limits, "searches/s")]
    for stanzas, taken in runs.items():
        figures += _figures(stanzas, taken, ratios[stanzas])
    return Report(
        "throughput",
        figures,
        sorted(set(notes)),
        {
            "searches": next(iter(runs.values()))[0].searches,
            "broker": broker,
            "partitions": PARTITIONS,
            "stanzas": list(runs),
        },
    )


def _figures(stanzas: str, runs: Sequence[Absorbed], ratios: Sequence[float]) -> Iterator[Figure]:
    """What the runs with some stanzas say."""
    name = "core_" if stanzas == SPINE else ""
    rates = [run.per_second for run in runs]
    yield Figure(f"{name}worker_per_second", f"one whole worker, {stanzas}", rates, "searches/s")
    yield Figure(f"{name}ratio_to_limit", "its ratio to the bare loop", ratios, target=TARGETS.get(stanzas))
    yield Figure(f"{name}worker_cpu_seconds", "its CPU", [run.worker_cpu for run in runs], "s")
    brokers = [run.broker_cpu for run in runs]
    yield Figure(f"{name}broker_cpu_seconds", "CPU of the broker meanwhile", brokers, "s")
    waits = [run.durable for run in runs]
    yield Figure(f"{name}durable_seconds", "until all was durable, waits included", waits, "s")


def _with_only(names: Sequence[str], config: Path) -> Path:
    """The same configuration in a folder beside it, with only some stanzas switched on. Raises Stop."""
    folder = config.with_name("fewer")
    shutil.copytree(config, folder, ignore=shutil.ignore_patterns("*.jsonl"))
    switch_off_all_but(names, folder)
    return folder


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
