"""The broker that a benchmark runs on: Apache Kafka itself where it can be had, or the embedded one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from streams.broker import EmbeddedBroker
from streams.exits import Stop

Kind = Literal["embedded", "kafka", "auto"]
EMBEDDED = "the embedded broker"
#: Enough memory for gigabytes of records to pass through, and the compiler that long runs deserve.
JVM = ("-Xms512m", "-Xmx1g", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=50", "-Xshare:auto")


@dataclass(frozen=True)
class Broker:
    """A running broker: what it is, where it is, and its process for the costs."""

    name: str
    bootstrap: str
    pid: int

    @property
    def url(self) -> str:
        """The address as a setting."""
        return f"kafka://{self.bootstrap}"

    @property
    def real(self) -> bool:
        """Whether it is Apache Kafka."""
        return self.name != EMBEDDED


@contextmanager
def running_broker(kind: Kind, notes: list[str]) -> Iterator[Broker]:
    """A broker of the kind. `auto` is Kafka, or the embedded one with a loud note when there is none.

    Raises Stop when Kafka is asked for and cannot be had.
    """
    why = ""
    if kind != "embedded":
        try:
            from tests.kafka import cluster
            from tests.kafka.jars import KafkaMissing, class_path
        except ImportError:
            why = "the folder tests/kafka is not there"
        else:
            try:
                class_path()
                cluster.JVM = JVM
                with (
                    tempfile.TemporaryDirectory(prefix="probewatch-kafka-") as folder,
                    cluster.Cluster(Path(folder)) as one,
                ):
                    process = one.nodes[0]._process
                    yield Broker("Apache Kafka", one.bootstrap, process.pid if process else 0)
                    return
            except KafkaMissing as error:
                why = str(error)
        if kind == "kafka":
            raise Stop(f"Apache Kafka cannot be had: {why}")
        notes.append(f"NOT on Apache Kafka but on the embedded broker, which is no Kafka: {why}")
    with EmbeddedBroker() as embedded:
        assert embedded.pid is not None
        yield Broker(EMBEDDED, embedded.bootstrap, embedded.pid)
