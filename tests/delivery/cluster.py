"""A broker, workers as processes, and what the logs hold afterwards, compared with an oracle."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

import msgspec
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from models.stage import Output, Record
from streams.broker import EmbeddedBroker
from streams.settings import Settings
from streams.state import Identity, Snapshot, assemble
from streams.topics import TOPICS, create
from tests.delivery.toy import Toy
from tests.live import eventually

ROOT = Path(__file__).resolve().parents[2]
PARTITIONS = 2
SESSION = 4


def _when_coordinated(ask: Callable[[], Any], seconds: float = 20.0) -> Any:
    """The answer, once the group has a coordinator: not while a broker comes back or leaders change."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except KafkaError as error:
            if not error.retriable or time.monotonic() > deadline:
                raise
        time.sleep(0.1)


class Broker(Protocol):
    """Where the broker is."""

    @property
    def bootstrap(self) -> str: ...
    @property
    def url(self) -> str: ...


class Worker:
    """A worker in its own process, with the toy stage."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.delivery.toy"],
                env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
                cwd=log.parent,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def get(self, page: str) -> tuple[int, str]:
        address = re.search(r"http://\S+?(?=/metrics)", self.text())
        if address is None:
            return 0, ""
        try:
            with urllib.request.urlopen(address.group() + page, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def wait_ready(self) -> None:
        def ready() -> bool:
            assert self.process.poll() is None, self.text()
            return self.get("/readyz")[0] == 200

        eventually(ready, f"ready: {self.log}")

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait_exit(self, seconds: float = 40.0) -> int:
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running: {self.text()}") from None

    def stop(self) -> int:
        """Exit code of an orderly stop, which must take seconds only."""
        self.signal(signal.SIGTERM)
        return self.wait_exit(10)


class Deployment:
    """Topics, a group and workers of their own on a shared broker. `copies` of each record."""

    def __init__(self, broker: Broker, name: str, folder: Path, *, copies: int = 1) -> None:
        self.bootstrap = broker.bootstrap
        #: The embedded broker cannot tell a repeated write.
        self.idempotent = not isinstance(broker, EmbeddedBroker)
        self.folder = folder
        self.workers: list[Worker] = []
        self.produced = 0
        self.settings = Settings(
            broker=self.bootstrap,
            topic_prefix=f"{name}.",
            group_id=name,
            partitions=PARTITIONS,
            replication=copies,
            ticks="off",
        )
        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        create(admin, self.settings, TOPICS)
        admin.close()

    def create_topic(self, name: str) -> None:
        """One that is not Probewatch's, with as many partitions."""
        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        admin.create_topics({name: {"num_partitions": PARTITIONS, "replication_factor": 1}})
        admin.wait_for_topics([name])
        admin.close()

    def topic(self, name: str) -> str:
        return self.settings.topic_prefix + name

    def start(self, **environment: str) -> Worker:
        given = {
            "BROKER": self.bootstrap,
            "TOPIC_PREFIX": self.settings.topic_prefix,
            "GROUP_ID": self.settings.group_id,
            "PARTITIONS": str(PARTITIONS),
            "SESSION_TIMEOUT": str(SESSION),
            "CHECKPOINT_INTERVAL": "0.2",
            "BATCH_RECORDS": "100",
            "TICKS": "off",
            "WEB_PORT": "0",
            "LOG_FORMAT": "json",
            "DATA_DIR": str(self.folder / "data"),
            **{name: value for name, value in environment.items() if not name.startswith("TOY_")},
        }
        variables = {f"PROBEWATCH_{name}": value for name, value in given.items()}
        variables |= {name: value for name, value in environment.items() if name.startswith("TOY_")}
        worker = Worker(variables, self.folder / f"worker{len(self.workers)}.log")
        self.workers.append(worker)
        return worker

    def close(self) -> None:
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.signal(signal.SIGKILL)
                worker.process.wait(10)

    def produce(self, values: Iterable[str], topic: str = "searches") -> None:
        producer = KafkaProducer(bootstrap_servers=self.bootstrap, acks="all")
        for value in values:
            producer.send(self.topic(topic), key=value.encode(), value=value.encode())
            self.produced += topic == "searches"
        producer.flush()
        producer.close()

    def read(self, topic: str) -> dict[int, list[tuple[int, bytes | None, bytes | None]]]:
        """All records of a topic: partition -> [(offset, key, value)]."""
        consumer = KafkaConsumer(bootstrap_servers=self.bootstrap, enable_auto_commit=False)
        places = [
            TopicPartition(self.topic(topic), p) for p in consumer.partitions_for_topic(self.topic(topic))
        ]
        consumer.assign(places)
        consumer.seek_to_beginning(*places)
        found: dict[int, list[tuple[int, bytes | None, bytes | None]]] = {p.partition: [] for p in places}
        # The end is what a fetch says: asked for offsets, the embedded broker names its last batch's start.
        while any(consumer.highwater(p) != consumer.position(p) for p in places):
            for place, records in consumer.poll(200).items():
                found[place.partition] += [(record.offset, record.key, record.value) for record in records]
        consumer.close()
        return found

    def committed(self, topic: str = "searches", group: str | None = None) -> dict[int, int]:
        group = group or self.settings.group_id
        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        try:
            found = _when_coordinated(lambda: admin.list_group_offsets([group]))
        finally:
            admin.close()
        offsets: dict[TopicPartition, OffsetAndMetadata] = found.get(group, found)
        return {
            p: at.offset for (name, p), at in offsets.items() if name == self.topic(topic) and at.offset >= 0
        }

    def wait_done(self) -> None:
        """Until every search that was produced is committed."""

        def done() -> bool:
            return sum(self.committed().values()) == self.produced

        eventually(done, f"{self.produced} committed: {self.folder}")

    def snapshot(self, partition: int, version: int = 1) -> Snapshot | None:
        latest: dict[bytes, bytes] = {}
        for _, key, value in self.read("state.watch")[partition]:
            assert key is not None
            latest.pop(key, None)
            if value is not None:
                latest[key] = value
        return assemble(latest, Identity("watch", version, partition, PARTITIONS))

    def check_against_oracle(self, version: int = 1) -> None:
        """The sink holds exactly the oracle's alerts, repeats being equal; state and offsets agree."""
        for partition, (oracle, _) in self.oracles().items():
            snapshot = self.snapshot(partition, version)
            assert snapshot is not None
            restored = Toy()
            restored.restore(snapshot.blocks)
            assert restored.counts == oracle.counts
            read = len(self.read("searches")[partition])
            assert snapshot.manifest.absorbed + 1 == self.committed()[partition] == read
        self.check_idempotence()
        self.check_alerts()

    def check_alerts(self) -> None:
        """The sink holds the oracle's alerts and no others; those that are there twice are equal."""
        expected = {
            message.key: {message.value} for _, said in self.oracles().values() for message in said.messages
        }
        found: dict[bytes, set[bytes]] = {}
        for records in self.read("alerts").values():
            for _, key, value in records:
                assert key is not None and value is not None
                found.setdefault(key, set()).add(value)
        assert found == expected

    def oracles(self) -> dict[int, tuple[Toy, Output]]:
        """A single thread that has read each partition, and what it said."""
        found = {}
        for partition, records in self.read("searches").items():
            oracle = Toy()
            output = oracle.absorb([Record(offset, value or b"", None) for offset, _, value in records])
            found[partition] = (oracle, output)
        return found

    def check_idempotence(self) -> None:
        """Every worker that started has found out what the broker can do."""
        starts = [
            line for one in self.workers for line in log_lines(one) if line["event"] == "worker starting"
        ]
        assert starts and all(line["idempotent"] is self.idempotent for line in starts)


def log_lines(worker: Worker) -> list[dict[str, object]]:
    lines = [line for line in worker.text().splitlines() if line.startswith("{")]
    return [msgspec.json.decode(line, type=dict[str, object]) for line in lines]
