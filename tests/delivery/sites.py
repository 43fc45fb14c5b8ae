"""What a seed runs on: a broker of either kind, and the harm that is done to it.

Harm takes its time, and meanwhile the run must look after its workers as a supervisor would: so it is
an errand that now and then says how many seconds to wait before it is gone on with.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, Self

from kafka import KafkaAdminClient
from kafka.errors import KafkaError, LeaderNotAvailableError

from streams.broker import EmbeddedBroker, cluster_on
from tests.kafka.cluster import Cluster, Node

#: Does something each time it is asked for the seconds to wait until the next time.
Errand = Iterator[float]
#: Seconds within which Kafka must confirm a write, the least that may be set, and more than that.
REQUEST, LONGER = 5.0, 6.5
#: Seconds after which a broker whose disk is full must have given up.
GIVES_UP = 20.0


class Site(Protocol):
    """A broker for one seed. `happened` are the faults that were seen to happen to it."""

    happened: set[str]

    @property
    def url(self) -> str: ...
    @property
    def copies(self) -> int: ...
    def harm(self, fault: str, topic: str, chance: random.Random) -> Errand: ...
    def well(self) -> bool: ...


class Embedded(AbstractContextManager["Embedded"]):
    """The embedded broker, started for this seed alone."""

    copies = 1

    def __init__(self) -> None:
        self._broker = EmbeddedBroker()
        self.happened: set[str] = set()

    def __enter__(self) -> Self:
        self._broker.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._broker.stop()

    @property
    def url(self) -> str:
        """Where it is."""
        return self._broker.url

    def harm(self, fault: str, topic: str, chance: random.Random) -> Errand:
        """It can only hang: what it holds is gone when it ends."""
        assert fault == "broker-hang" and self._broker.pid
        pid = self._broker.pid
        os.kill(pid, signal.SIGSTOP)
        yield LONGER
        os.kill(pid, signal.SIGCONT)
        self.happened.add(fault)

    def well(self) -> bool:
        """Whether it answers."""
        return cluster_on(self._broker.port, 0.3) is not None


class Apache:
    """A cluster of Apache Kafka that seeds use one after the other, with topics of their own."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.happened: set[str] = set()

    @property
    def url(self) -> str:
        """Where it is."""
        return self._cluster.url

    @property
    def copies(self) -> int:
        """How many copies of each record there are."""
        return len(self._cluster.nodes)

    def harm(self, fault: str, topic: str, chance: random.Random) -> Errand:
        """Do it to the only node, or to the one that leads the first partition of the topic."""
        node = self._leader(topic) if self.copies > 1 else self._cluster.nodes[0]
        match fault:
            case "broker-hang":
                node.pause()
                yield LONGER
                node.wake()
            case "broker-kill":
                # What it is sent while it stands still it never confirms: it dies in the middle of a flush.
                node.pause()
                yield chance.uniform(0.2, 0.6)
                node.kill()
                node.start()
            case "broker-outage":
                node.kill()
                yield LONGER
                node.start()
            case "broker-disk-full":
                yield from self._fill_disk(node)
            case "leader-change":
                yield from self._change_leader(node, topic, chance)
            case _:
                raise AssertionError(f"no such fault: {fault}")
        self.happened.add(fault)

    def well(self) -> bool:
        """Whether every node answers."""
        return all(cluster_on(node.port, 0.3) is not None for node in self._cluster.nodes)

    def _fill_disk(self, node: Node) -> Errand:
        """No file of the broker may grow from now on: the next write fails, as on a full disk."""
        assert node.pid is not None
        resource.prlimit(node.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        deadline = time.monotonic() + GIVES_UP
        while node.running and time.monotonic() < deadline:
            yield 0.1
        assert not node.running, "the broker did not notice that its disk is full"
        yield 0.5
        node.kill()
        node.start()

    def _change_leader(self, old: Node, topic: str, chance: random.Random) -> Errand:
        how = chance.choice(("kill", "stop", "pause"))
        getattr(old, how)()
        deadline = time.monotonic() + GIVES_UP
        others = [node.port for node in self._cluster.nodes if node is not old]
        while not self._led_by_another(old, topic, others):
            assert time.monotonic() < deadline, "no other node took the lead"
            yield 0.3
        yield 0.5
        old.wake() if how == "pause" else old.start()

    def _led_by_another(self, old: Node, topic: str, ports: list[int]) -> bool:
        try:
            return self._leader(topic, ports) is not old
        except KafkaError:
            return False  # nobody can say at the moment

    def _leader(self, topic: str, ports: list[int] | None = None) -> Node:
        where = [f"127.0.0.1:{port}" for port in ports] if ports else self._cluster.bootstrap
        admin = KafkaAdminClient(bootstrap_servers=where)
        try:
            (described,) = admin.describe_topics([topic])
        finally:
            admin.close()
        number = next(p["leader_id"] for p in described["partitions"] if p["partition_index"] == 0)
        found = next((node for node in self._cluster.nodes if node.number == number), None)
        if found is None:
            raise LeaderNotAvailableError(topic)
        return found


class Sites:
    """The sites of a process that plays seeds: clusters are started when first asked for, and kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._clusters: dict[int, Cluster] = {}

    def apache(self, nodes: int) -> Apache:
        """A cluster with so many nodes, all of them up. Raises KafkaMissing."""
        if nodes not in self._clusters:
            self._clusters[nodes] = Cluster(self._folder / f"kafka-{nodes}", nodes).__enter__()
        return Apache(self._clusters[nodes])

    def close(self) -> None:
        """End them."""
        for cluster in self._clusters.values():
            cluster.close()
