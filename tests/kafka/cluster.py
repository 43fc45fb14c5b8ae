"""Apache Kafka itself, on this machine: one node or several, KRaft, loopback only, no container.

`python -m tests.kafka.cluster` (`make kafka`) runs one for a developer until Ctrl-C.
"""

from __future__ import annotations

import base64
import contextlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from streams.broker import cluster_on
from streams.children import die_with_parent
from tests.kafka.jars import KafkaMissing, class_path, java

HOST = "127.0.0.1"
#: Small and quick to start: a test cluster holds little and lives for minutes.
JVM = ("-Xms64m", "-Xmx320m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
#: Groups that nobody is in, enough of them to have each part of the offsets' topic answer once.
NOBODY = [f"nobody{number}" for number in range(16)]
#: Seconds for a node to answer.
START_WITHIN = 60.0


class Node:
    """One broker and controller: a process that can be killed, stopped, woken and started again.

    Its addresses and its data stay the same. `ports` by listener name.
    """

    def __init__(self, number: int, ports: Mapping[str, int], folder: Path) -> None:
        self.number = number
        self.ports = ports
        self.folder = folder
        self.properties = folder / "server.properties"
        self.log = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        """The port for plain clients."""
        return self.ports["PLAIN"]

    @property
    def pid(self) -> int | None:
        """Of its process, if it was started."""
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self._process is not None and self._process.poll() is None

    def format(self, cluster_id: str, extra: Sequence[str] = ()) -> None:
        """Prepare the data folder, which Kafka wants done once."""
        command = [
            "kafka.tools.StorageTool", "format",
            f"--cluster-id={cluster_id}", "--config", str(self.properties), *extra,
        ]  # fmt: skip
        ran = subprocess.run([*_java(), *command], capture_output=True, text=True, timeout=60, check=False)
        if ran.returncode != 0:
            raise KafkaMissing(f"Kafka could not format its storage: {(ran.stdout + ran.stderr)[-1500:]}")

    def start(self) -> None:
        """Start the process; `wait` tells when it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *_java(),
                    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
                    "kafka.Kafka",
                    str(self.properties),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGKILL),
            )

    def wait(self) -> None:
        """Until clients are answered. Raises KafkaMissing with the node's last words."""
        deadline = time.monotonic() + START_WITHIN
        while cluster_on(self.port) is None:
            ended = self._process is None or self._process.poll() is not None
            if ended or time.monotonic() > deadline:
                said = self.log.read_text(errors="replace")[-1500:]
                raise KafkaMissing(f"node {self.number} of Kafka does not answer; its log ends: {said}")
            time.sleep(0.05)

    def kill(self) -> None:
        """End it at once: SIGKILL."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order: it hands its partitions over first."""
        self._end(signal.SIGTERM)

    def pause(self) -> None:
        """Keep it from running, its connections open: SIGSTOP."""
        self._signal(signal.SIGSTOP)

    def wake(self) -> None:
        """Let it run again: SIGCONT."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        self._signal(number)
        process, self._process = self._process, None
        if process is None:
            return
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Cluster:
    """`with Cluster(folder, nodes=3) as cluster: ... cluster.bootstrap`.

    `listeners` besides the plain one: name -> security protocol; `properties` are added to every
    node's, and `storage` are further arguments of the formatting tool.

    Raises:
        KafkaMissing: Java or the jars are missing, or a node does not start.
    """

    def __init__(
        self,
        folder: Path,
        nodes: int = 1,
        *,
        port: int = 0,
        listeners: Mapping[str, str] | None = None,
        properties: Mapping[str, str] | None = None,
        storage: Sequence[str] = (),
    ) -> None:
        self._protocols = {"PLAIN": "PLAINTEXT", "CONTROLLER": "PLAINTEXT", **(listeners or {})}
        self._properties = properties or {}
        self._storage = storage
        free = iter(_free_ports(nodes * len(self._protocols)))
        self.nodes = [
            Node(number, {name: next(free) for name in self._protocols}, folder / f"node{number}")
            for number in range(1, nodes + 1)
        ]
        if port:
            self.nodes[0].ports = {**self.nodes[0].ports, "PLAIN": port}

    @property
    def bootstrap(self) -> str:
        """The plain addresses, as kafka-python and aiokafka take them."""
        return self.address("PLAIN")

    def address(self, listener: str) -> str:
        """The addresses of a listener."""
        return ",".join(f"{HOST}:{node.ports[listener]}" for node in self.nodes)

    @property
    def url(self) -> str:
        """The plain addresses as a setting."""
        return f"kafka://{self.bootstrap}"

    def __enter__(self) -> Self:
        try:
            for node in self.nodes:
                node.folder.mkdir(parents=True)
                node.properties.write_text(self._server_properties(node))
            cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
            with ThreadPoolExecutor() as pool:
                list(pool.map(lambda node: node.format(cluster_id, self._storage), self.nodes))
            for node in self.nodes:
                node.start()
            for node in self.nodes:
                node.wait()
            self.wait_for_groups()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def restart(self, node: Node) -> None:
        """Start a node that was ended, and wait until all is coordinated again."""
        node.start()
        node.wait()
        self.wait_for_groups()

    def close(self) -> None:
        """End every node. Nothing of a test cluster is worth an orderly end."""
        for node in self.nodes:
            node.kill()

    def wait_for_groups(self) -> None:
        """Until committed offsets can be asked for; the first question makes Kafka create their topic."""
        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        deadline = time.monotonic() + START_WITHIN
        try:
            while True:
                try:
                    admin.list_group_offsets(NOBODY)
                    return
                except KafkaError as error:
                    if time.monotonic() > deadline:
                        raise KafkaMissing(f"Kafka coordinates no groups: {error}") from None
                    time.sleep(0.1)
        finally:
            admin.close()

    def _server_properties(self, node: Node) -> str:
        copies = str(len(self.nodes))
        listeners = ",".join(f"{name}://{HOST}:{port}" for name, port in node.ports.items())
        settings = {
            "process.roles": "broker,controller",
            "node.id": str(node.number),
            "controller.quorum.voters": ",".join(
                f"{one.number}@{HOST}:{one.ports['CONTROLLER']}" for one in self.nodes
            ),
            "listeners": listeners,
            "listener.security.protocol.map": ",".join(f"{k}:{v}" for k, v in self._protocols.items()),
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAIN",
            "log.dirs": str(node.folder / "data"),
            "auto.create.topics.enable": "false",
            "offsets.topic.num.partitions": "4",
            "offsets.topic.replication.factor": copies,
            "transaction.state.log.num.partitions": "1",
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            # Kafka's own 6 s would make every test of a lost worker half as long again.
            "group.min.session.timeout.ms": "1000",
            # A lost node is noticed in 2 s, not 9.
            "broker.session.timeout.ms": "2000",
            "broker.heartbeat.interval.ms": "500",
            "num.network.threads": "2",
            "num.io.threads": "4",
            **self._properties,
        }
        return "".join(f"{name}={value}\n" for name, value in settings.items())


def _java() -> list[str]:
    return [java(), *JVM, "-cp", class_path()]


def _free_ports(count: int) -> list[int]:
    """Free ports of the loopback device, all held at once so that they differ."""
    held = [socket.create_server((HOST, 0)) for _ in range(count)]
    try:
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()


def main() -> int:
    """Run one node in the foreground; the exit code."""
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 9092
    with tempfile.TemporaryDirectory(prefix="probewatch-kafka-") as folder:
        try:
            with Cluster(Path(folder), port=port) as cluster:
                print(
                    f"Apache Kafka: PROBEWATCH_BROKER={cluster.url}  (Ctrl-C ends it and forgets all)",
                    flush=True,
                )
                signal.signal(signal.SIGTERM, signal.default_int_handler)
                with contextlib.suppress(KeyboardInterrupt):
                    signal.pause()
        except KafkaMissing as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
