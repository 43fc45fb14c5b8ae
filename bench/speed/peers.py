"""The same small job in stock Faust, Quix Streams and Bytewax, beside our worker doing its whole job.

The peers count per requester with durable state and flag an unapproved tool; ours does that and
everything else. They read the same searches from the same broker, theirs keyed by requester, which
spares them a repartitioning. A peer's speed counts only if its durable counts and its number of flags
are those of the file. Slow peers read a part of the file, so that a run ends.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from aiokafka import AIOKafkaConsumer
from kafka import KafkaAdminClient
from kafka.admin import NewTopic

from bench import peers
from bench.brokers import Broker, Kind, running_broker
from bench.figures import Figure, Report, Target
from bench.filling import fill_pairs
from bench.inputs import city
from bench.worker_run import Absorbed, Scene, absorb
from streams.demo.worker import ROOT, free_port, running
from streams.exits import Stop

PARTITIONS = 4
#: The ways of writing the city's own system; every other tool is one to be flagged.
APPROVED = ("LACRIS", "LACRIS DMS")
#: Seconds for one peer.
PATIENCE = 300


@dataclass(frozen=True)
class Peer:
    """One file in `bench/peers/`. `environment` is its folder of packages, or "" for our own."""

    name: str
    title: str
    file: str
    environment: str
    target: Target | None
    slow: bool
    kafka_only: bool = False

    @property
    def python(self) -> Path:
        """The interpreter that has its packages."""
        if not self.environment:
            return Path(sys.executable)
        return ROOT / f".venv-peers-{self.environment}" / "bin" / "python"


PEERS = (
    Peer("aiokafka", "plain aiokafka + msgspec, nothing durable", "aiokafka_msgspec", "", None, False),
    Peer("faust", "stock Faust with a Table", "faust_table", "", Target("at least", 40), True),
    Peer(
        "quix",
        "Quix Streams with state",
        "quix_streams",
        "quix",
        Target("at least", 10),
        slow=True,
        kafka_only=True,
    ),
    Peer(
        "bytewax", "Bytewax, recovery on", "bytewax_recovery", "bytewax", Target("at least", 2), False
    ),
)  # fmt: skip


class _Facts(msgspec.Struct):
    event_id: str
    requester_id: str
    tool: str


@dataclass(frozen=True)
class Truth:
    """What must come out: searches by requester, and how many are flagged."""

    counts: dict[str, int]
    flagged: int

    @property
    def searches(self) -> int:
        """How many went in."""
        return sum(self.counts.values())


def bench(
    searches: Annotated[int, typer.Option(min=1000, help="Searches for the fast ones and us.")] = 500_000,
    few: Annotated[int, typer.Option(min=1000, help="Searches for the slow ones.")] = 40_000,
    repeats: Annotated[int, typer.Option(min=1, max=50, help="Runs; the medians count.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the simulated searches.")] = 0,
    broker: Annotated[Kind, typer.Option(help="`auto`: Kafka if it can be had.")] = "auto",
) -> Report:
    """Our worker's whole job beside a small job in other frameworks: `make bench-peers` installs them.

    Each counts per requester with durable state and flags an unapproved tool, and is checked for it.
    """
    notes: list[str] = []
    speeds: dict[str, list[float]] = {peer.name: [] for peer in PEERS}
    ours: list[Absorbed] = []
    with tempfile.TemporaryDirectory(prefix="probewatch-bench-") as folder:
        config = Path(folder) / "city"
        file = city(config, searches, seed)
        with running_broker(broker, notes) as one:
            able = [peer for peer in PEERS if _able(peer, one, notes)]
            inputs = {
                slow: _fill(one, file, "peers.few" if slow else "peers.all", few if slow else searches)
                for slow in {peer.slow for peer in able}
            }
            for number in range(repeats):
                for peer in able:
                    work = Path(folder) / f"{peer.name}-{number}"
                    work.mkdir()
                    speeds[peer.name].append(_run(peer, one, inputs[peer.slow], work))
                ours.append(_ours(one, config, file, number, inputs[False].searches))
            name = one.name
    return Report(
        f"peers, on {name}",
        list(_figures(ours, speeds)),
        sorted(set(notes)),
        {
            "broker": name,
            "searches": inputs[False].searches,
            "few": min(few, searches),
            "verified": [name for name, runs in speeds.items() if runs],
        },
    )


def _figures(ours: list[Absorbed], speeds: dict[str, list[float]]) -> Iterator[Figure]:
    own = [run.per_second for run in ours]
    yield Figure("worker_per_second", "one whole worker", own, "searches/s")
    for peer in PEERS:
        if runs := speeds[peer.name]:
            yield Figure(f"{peer.name}_per_second", peer.title, runs, "searches/s")
    for peer in PEERS:
        if runs := speeds[peer.name]:
            ratios = [mine / theirs for mine, theirs in zip(own, runs, strict=True)]
            yield Figure(f"ratio_to_{peer.name}", f"throughput to {peer.title}", ratios, target=peer.target)


def _able(peer: Peer, broker: Broker, notes: list[str]) -> bool:
    if not peer.python.exists():
        notes.append(f"NOT MEASURED: {peer.title}: not installed, run `make bench-peers`")
    elif peer.kafka_only and not broker.real:
        notes.append(f"NOT MEASURED: {peer.title}: it does not start on the embedded broker")
    else:
        return True
    return False


def _fill(broker: Broker, file: Path, topic: str, searches: int) -> Truth:
    make_topics(broker, topic)
    decode = msgspec.json.Decoder(_Facts).decode
    counts: Counter[str] = Counter()
    flagged = 0

    def pairs() -> Iterator[tuple[bytes, bytes]]:
        nonlocal flagged
        with file.open("rb") as lines:
            for line in islice(lines, searches):
                search = decode(line)
                counts[search.requester_id] += 1
                flagged += search.tool not in APPROVED
                yield search.requester_id.encode(), line.strip()

    fill_pairs(broker.bootstrap, topic, PARTITIONS, pairs())
    return Truth(dict(counts), flagged)


def make_topics(broker: Broker, *names: str) -> None:
    """Create topics of PARTITIONS partitions."""
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    try:
        admin.create_topics(
            [NewTopic(name, num_partitions=PARTITIONS, replication_factor=1) for name in names]
        )
    finally:
        admin.close()


def _run(peer: Peer, broker: Broker, truth: Truth, folder: Path) -> float:
    """Searches a second of one peer. Raises Stop when it fails or does not do the job."""
    name = f"peer-{folder.name}"
    make_topics(broker, f"{name}.flagged")
    job: dict[str, Any] = {
        "bootstrap": broker.bootstrap,
        "topic": "peers.few" if peer.slow else "peers.all",
        "flagged": f"{name}.flagged",
        "partitions": PARTITIONS,
        "messages": truth.searches,
        "approved": APPROVED,
        "folder": str(folder),
        "name": name,
    }
    program = Path(peers.__path__[0]) / f"{peer.file}.py"
    try:
        done = subprocess.run(
            [peer.python, program, json.dumps(job)],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            cwd=folder,
        )
    except subprocess.TimeoutExpired:
        raise Stop(f"{peer.title} did not end within {PATIENCE} s") from None
    written = folder / "result.json"
    if done.returncode != 0 or not written.exists():
        raise Stop(f"{peer.title} ended with code {done.returncode}: {done.stderr.strip()[-1500:]}")
    result = json.loads(written.read_text())
    verify(peer.title, truth, result["counts"], _flags(broker, job["flagged"]))
    return truth.searches / float(result["seconds"])


def verify(title: str, truth: Truth, counts: dict[str, int], flagged: int) -> None:
    """Raises Stop when a peer's counts or flags are not those of the file."""
    if counts != truth.counts:
        wrong = sum(counts.get(who) != number for who, number in truth.counts.items())
        raise Stop(f"{title} does not do the job: {wrong:,} of {len(truth.counts):,} counts are wrong")
    if flagged != truth.flagged:
        raise Stop(f"{title} does not do the job: {flagged:,} flags instead of {truth.flagged:,}")


def _flags(broker: Broker, topic: str) -> int:
    async def count() -> int:
        consumer = AIOKafkaConsumer(
            topic, bootstrap_servers=broker.bootstrap, group_id=None, auto_offset_reset="earliest"
        )
        await consumer.start()
        found = empty = 0
        while empty < 3:
            records = sum(map(len, (await consumer.getmany(timeout_ms=500)).values()))
            found += records
            empty = 0 if records else empty + 1
        await consumer.stop()
        return found

    return asyncio.run(count())


def _ours(broker: Broker, config: Path, file: Path, number: int, searches: int) -> Absorbed:
    scene = Scene(broker, config, PARTITIONS, f"run{number}.")
    scene.fill([file])
    with running(scene.environment(), free_port(), config / "worker.log") as worker:
        return absorb([worker], broker, searches)
