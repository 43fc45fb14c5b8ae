"""How long an alert takes: from producing a search that breaks a rule until the alert can be read.

A worker that has taken in two months of history gets searches at a steady rate. A few of them, each by
a person of its own, use a tool that is not approved, which is an alert at once. The alerts topic is
read beside, and each alert is matched by the event id in its evidence. Both ends of the measurement
are this process, so one clock counts; what it takes to send and to read is in the figure.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import quantiles
from typing import Annotated

import typer
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from bench.brokers import Broker, Kind, running_broker
from bench.figures import Figure, Report, Target
from bench.inputs import national
from bench.live_search import live_search
from bench.national import National
from bench.worker_run import Scene, absorb
from models.search import encode_search
from streams.demo.worker import Worker, free_port, running, wait_until_ready
from streams.exits import Stop

PARTITIONS = 4
AGENCIES, REQUESTERS, DAYS = 20, 5_000, 60
#: Milliseconds for which the broker may hold back what we read: this is no part of what is measured.
READ_WAIT_MS = 10
#: Every so many searches one breaks a rule.
BREACH_EVERY = 50
#: Seconds for the last alerts to come, and how far behind its schedule the sender may fall.
PATIENCE, BEHIND = 15.0, 0.5


@dataclass
class Exchange:
    """What was sent and what came back, by event id, in seconds of one clock."""

    sent: dict[str, float] = field(default_factory=dict)
    read: dict[str, float] = field(default_factory=dict)
    behind: float = 0.0

    def latencies(self, since: float) -> list[float]:
        """Milliseconds of those sent from a moment on. Raises Stop when one never came."""
        wanted = [name for name, at in self.sent.items() if at >= since]
        missing = [name for name in wanted if name not in self.read]
        if missing or not wanted:
            raise Stop(f"{len(missing):,} of {len(wanted):,} alerts did not come within {PATIENCE:g} s")
        return [(self.read[name] - self.sent[name]) * 1000 for name in wanted]


def bench(
    rate: Annotated[int, typer.Option(min=100, help="Searches a second.")] = 1_000,
    seconds: Annotated[float, typer.Option(min=1, help="Seconds that count.")] = 30.0,
    warm_up: Annotated[float, typer.Option(min=0, help="Seconds before, that do not.")] = 10.0,
    history: Annotated[int, typer.Option(min=1000, help="Searches taken in before.")] = 100_000,
    repeats: Annotated[int, typer.Option(min=1, max=50, help="Runs; the medians count.")] = 1,
    broker: Annotated[Kind, typer.Option(help="What the worker reads from.")] = "embedded",
) -> Report:
    """Milliseconds from producing a search that breaks a rule to reading its alert, p50 and p99."""
    notes: list[str] = []
    p50, p99, worst = [], [], []
    name, alerts = "", 0
    for _ in range(repeats):
        with (
            tempfile.TemporaryDirectory(prefix="probewatch-bench-") as folder,
            running_broker(broker, notes) as one,
        ):
            name = one.name
            config = Path(folder) / "national"
            first = datetime.now(UTC).date() - timedelta(days=DAYS + 1)
            log = National(history, AGENCIES, REQUESTERS, DAYS, spread=0.5, first=first)
            file = national(config, log)
            scene = Scene(one, config, PARTITIONS)
            scene.fill([file])
            with running(scene.environment(ticks="clock"), free_port(), config / "worker.log") as worker:
                wait_until_ready(worker, 60)
                absorb([worker], one, history)
                exchange, began = asyncio.run(_exchange(worker, one, log, rate, warm_up + seconds))
        took = exchange.latencies(began + warm_up)
        alerts += len(took)
        cuts = quantiles(took, n=100, method="inclusive")
        p50.append(cuts[49])
        p99.append(cuts[98])
        worst.append(max(took))
        if exchange.behind > BEHIND:
            notes.append(f"the sender fell {exchange.behind:.1f} s behind its rate: the machine is too busy")
    return Report(
        f"latency, on {name}",
        [
            Figure(
                "p50_ms", f"produce to alert at {rate:,} searches/s, p50", p50, "ms", Target("at most", 50)
            ),
            Figure(
                "p99_ms", f"produce to alert at {rate:,} searches/s, p99", p99, "ms", Target("at most", 300)
            ),
            Figure("worst_ms", "produce to alert, worst", worst, "ms"),
        ],
        sorted(set(notes)),
        {"broker": name, "rate": rate, "seconds": seconds, "history": history, "alerts": alerts},
    )


async def _exchange(
    worker: Worker, broker: Broker, log: National, rate: int, seconds: float
) -> tuple[Exchange, float]:
    """Send for so long and collect; what was exchanged, and when it began."""
    exchange = Exchange()
    # The embedded broker holds a fetch back for its whole time when most partitions have nothing.
    consumer = AIOKafkaConsumer(
        "alerts", bootstrap_servers=broker.bootstrap, group_id=None, fetch_max_wait_ms=READ_WAIT_MS
    )
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, acks="all", linger_ms=0)
    await consumer.start()
    await producer.start()
    await consumer.seek_to_end()
    reading = asyncio.create_task(_read(consumer, exchange))
    try:
        began = time.perf_counter()
        await _send(producer, exchange, log, rate, seconds, began)
        await producer.flush()
        until = time.perf_counter() + PATIENCE
        while len(exchange.read) < len(exchange.sent) and time.perf_counter() < until:
            worker.check()
            await asyncio.sleep(0.05)
        return exchange, began
    finally:
        reading.cancel()
        await producer.stop()
        await consumer.stop()


async def _send(
    producer: AIOKafkaProducer, exchange: Exchange, log: National, rate: int, seconds: float, began: float
) -> None:
    names = log.names
    for number in range(round(rate * seconds)):
        due = began + number / rate
        while (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        exchange.behind = max(exchange.behind, -wait)
        breach = number % BREACH_EVERY == 0
        agency = names[number // BREACH_EVERY % len(names) if breach else number % len(names)]
        search = live_search(agency, number, datetime.now(UTC), breach=breach)
        at = time.perf_counter()
        if breach:
            exchange.sent[search.event_id] = at
        await producer.send("searches.raw", encode_search(search), key=search.source_id.encode())


async def _read(consumer: AIOKafkaConsumer, exchange: Exchange) -> None:
    while True:
        batches = await consumer.getmany(timeout_ms=1000)
        at = time.perf_counter()
        for records in batches.values():
            for record in records:
                alert = json.loads(record.value)
                if alert["detector"] == "policy_clause":
                    for name in alert["evidence"]:
                        exchange.read.setdefault(name, at)
