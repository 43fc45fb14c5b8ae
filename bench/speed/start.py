"""From starting a worker to its first alert, with the state of many requesters waiting on Kafka.

Some agencies take in a year of a national log, as in `memory`; their state, copied under the names of as
many agencies as are wanted, is put on the topics as a worker would have (`bench.copied_state`). Then a
search that breaks a rule is put on the topic, a worker is started, and the clock runs until its alert can
be read. The same with no state and the same configuration: the difference is loading, which grows with
the state in a straight line, and the line gives a million requesters. `--requesters 1000000` measures it.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from aiokafka import AIOKafkaConsumer

from bench.brokers import Kind, running_broker
from bench.copied_state import Copies
from bench.figures import Figure, Report, Target
from bench.filling import fill_pairs
from bench.in_process import feed, stages, write
from bench.live_search import live_search
from bench.national import National
from bench.processes import MIB
from bench.speed.memory import MANY, STAFF, year
from bench.worker_run import Scene
from models.search import encode_search
from streams.demo.worker import Worker, free_port, running
from streams.exits import Stop

#: The default: with thousands of agencies fewer would make manifests larger than Kafka takes.
PARTITIONS = 24
#: Seconds for an alert to come.
PATIENCE = 120.0
#: Seconds by which two starts differ for no reason.
NOISE = 0.5


def bench(
    requesters: Annotated[int, typer.Option(min=1000, help="Requesters in the state.")] = 50_000,
    grown: Annotated[int, typer.Option(min=256, help="Requesters whose state is not a copy.")] = 1_024,
    repeats: Annotated[int, typer.Option(min=1, max=50, help="Starts; the medians count.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the made-up searches.")] = 0,
    broker: Annotated[Kind, typer.Option(help="`auto`: Kafka if it can be had.")] = "auto",
) -> Report:
    """Seconds from starting a worker to its first alert, its state on Kafka."""
    notes: list[str] = []
    log = year(grown, seed)
    agencies = max(log.agencies, requesters // STAFF)
    with (
        tempfile.TemporaryDirectory(prefix="probewatch-bench-") as folder,
        running_broker(broker, notes) as one,
    ):
        config = Path(folder) / "national"
        write(log, config)
        machine = stages(config)
        feed(machine, log, config)
        copies = Copies(machine)
        replace(log, agencies=agencies).configure(config)
        full, empty = Scene(one, config, PARTITIONS, "full."), Scene(one, config, PARTITIONS, "empty.")
        full.prepare()
        empty.prepare()
        size = copies.put(full, agencies)
        numbers = range(repeats)
        without = [first_alert(empty, log, number) for number in numbers]
        loaded = [first_alert(full, log, number) for number in numbers]
        name = one.name
    figures = [
        Figure("empty_seconds", "start to first alert, no state", without, "s"),
        Figure("loaded_seconds", f"start to first alert, {requesters:,} requesters", loaded, "s"),
        Figure("state_mib", f"state of {requesters:,} requesters on the topics", [size / MIB], "MiB"),
    ]
    load = median(loaded) - median(without)
    if load > NOISE or requesters >= MANY:
        whole = [took + max(0, MANY - requesters) / requesters * load for took in loaded]
        meaning = f"start to first alert, 1,000,000 requesters, worked out from {requesters:,}"
        figures.append(Figure("million_seconds", meaning, whole, "s", Target("at most", 10)))
    else:
        notes.append(
            f"loading {requesters:,} requesters cannot be told from starting: too few to work out 1,000,000, "
            f"whose state would be {size / MIB * MANY / requesters:,.0f} MiB"
        )
    facts = {"broker": name, "requesters": requesters, "grown": grown, "agencies": agencies}
    return Report(f"start, on {name}", figures, notes, facts)


def first_alert(scene: Scene, log: National, number: int) -> float:
    """Seconds from starting a worker until the alert about a waiting search is read. Raises Stop."""
    at = datetime.combine(log.first, datetime.min.time(), UTC) + timedelta(days=log.days + 1)
    search = live_search(log.names[number % log.agencies], number, at, breach=True)
    pair = (search.source_id.encode(), encode_search(search))
    fill_pairs(scene.broker.bootstrap, scene.topic("searches.raw"), scene.partitions, [pair])
    began = time.perf_counter()
    with running(scene.environment(), free_port(), scene.config / "worker.log") as worker:
        return asyncio.run(_read(scene, worker, search.event_id.encode())) - began


async def _read(scene: Scene, worker: Worker, event_id: bytes) -> float:
    consumer = AIOKafkaConsumer(
        scene.topic("alerts"),
        bootstrap_servers=scene.broker.bootstrap,
        group_id=None,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    wanted = b'"' + event_id + b'"'
    until = time.perf_counter() + PATIENCE
    try:
        while time.perf_counter() < until:
            worker.check()
            for records in (await consumer.getmany(timeout_ms=100)).values():
                if any(wanted in record.value for record in records):
                    return time.perf_counter()
    finally:
        await consumer.stop()
    raise Stop(f"no alert within {PATIENCE:g} s of the start")
