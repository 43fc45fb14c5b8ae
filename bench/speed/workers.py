"""What a second worker adds: the same load on two partitions, taken by one worker and by two.

The agencies are alike and shared out evenly, so nothing but the machine keeps two workers from being
twice as fast. The workers are started and hold their partitions before the load comes; they are halted
while it is written, so that writing takes nothing from them, and the clock starts when they go on.
"""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from bench.brokers import Kind, running_broker
from bench.figures import Figure, Report, Target
from bench.inputs import national
from bench.national import National
from bench.worker_run import Absorbed, Scene, absorb, total
from streams.demo.worker import Worker, free_port, running, wait_until_ready
from streams.exits import Stop
from streams.topics import partition_of

PARTITIONS = 2
AGENCIES, STAFF, DAYS = 8, 1_000, 30
#: Seconds of silence that the group forgives: longer than the load takes to write.
SESSION = 20.0
PATIENCE = 90.0


def bench(
    searches: Annotated[int, typer.Option(min=1000, help="Searches to send through.")] = 200_000,
    repeats: Annotated[int, typer.Option(min=1, max=50, help="Runs; the medians count.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the made-up searches.")] = 0,
    broker: Annotated[Kind, typer.Option(help="`auto`: Kafka if it can be had.")] = "auto",
) -> Report:
    """Speed of two workers on two partitions to that of one on both."""
    notes: list[str] = []
    ones: list[Absorbed] = []
    twos: list[Absorbed] = []
    log = National(searches, AGENCIES, AGENCIES * STAFF, DAYS, seed, spread=0.0, called=evenly_shared())
    with (
        tempfile.TemporaryDirectory(prefix="probewatch-bench-") as folder,
        running_broker(broker, notes) as one,
    ):
        config = Path(folder) / "national"
        file = national(config, log)
        for number in range(repeats):
            # In turns, so that a broker that is still warming up helps neither.
            for count in (1, 2) if number % 2 == 0 else (2, 1):
                scene = Scene(one, config, PARTITIONS, f"run{number}.{count}.")
                (ones if count == 1 else twos).append(run(scene, file, searches, count))
        name = one.name
    busy = [(two.worker_cpu + two.broker_cpu) / two.seconds for two in twos]
    cores = os.cpu_count() or 1
    return Report(
        f"workers, on {name}",
        [
            Figure("one_per_second", "one worker", [one.per_second for one in ones], "searches/s"),
            Figure("two_per_second", "two workers", [two.per_second for two in twos], "searches/s"),
            Figure(
                "speedup",
                "two workers on two partitions to one",
                [two.per_second / one.per_second for one, two in zip(ones, twos, strict=True)],
                target=Target("at least", 2),
            ),
            Figure("largest_share", "the larger of the two shares", [max(two.shares) for two in twos]),
            Figure("cores_used", f"cores kept busy by two workers and the broker, of {cores}", busy),
            Figure("broker_cores", "of which the broker", [two.broker_cpu / two.seconds for two in twos]),
        ],
        sorted(set(notes)),
        {"broker": name, "searches": searches, "agencies": AGENCIES, "cores": cores},
    )


def evenly_shared() -> list[str]:
    """Names of agencies of which each partition gets as many, as logs and as agencies."""
    names: dict[int, list[str]] = {number: [] for number in range(PARTITIONS)}
    for name in National(1, 1000, 1, 1).names:
        place = partition_of(name.encode(), PARTITIONS)
        same = partition_of(f"{name}-log".encode(), PARTITIONS) == place
        if same and len(names[place]) < AGENCIES // PARTITIONS:
            names[place].append(name)
    return sorted(name for own in names.values() for name in own)


def run(scene: Scene, file: Path, searches: int, count: int) -> Absorbed:
    """One load taken by so many workers. Raises Stop."""
    scene.prepare()
    with ExitStack() as stack:
        workers = [
            stack.enter_context(
                running(scene.environment(SESSION), free_port(), scene.config / f"worker{number}.log")
            )
            for number in range(count)
        ]
        _wait_until_shared(workers)
        _signal(workers, signal.SIGSTOP)
        try:
            scene.fill([file])
        finally:
            _signal(workers, signal.SIGCONT)
        return absorb(workers, scene.broker, searches)


def _wait_until_shared(workers: Sequence[Worker]) -> None:
    """Until each worker holds its part of both stages' partitions and nothing is being shared out."""
    wanted = PARTITIONS / len(workers)
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        for worker in workers:
            wait_until_ready(worker, PATIENCE)
        held = [worker.figures() for worker in workers]
        if all(
            figures.get(f'probewatch_partitions{{agent="{agent}"}}') == wanted
            for figures in held
            for agent in ("ingest", "watch")
        ) and all(total(figures, "probewatch_ready") for figures in held):
            return
        time.sleep(0.3)
    raise Stop(f"the workers did not share the partitions within {PATIENCE:g} s")


def _signal(workers: Sequence[Worker], number: signal.Signals) -> None:
    for worker in workers:
        worker.process.send_signal(number)
