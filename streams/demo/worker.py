"""A worker or another command as a child process: started, waited for, and always ended."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from streams.children import die_with_parent
from streams.exits import Stop

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Child:
    """A process of ours, and where its log is."""

    what: str
    process: subprocess.Popen[bytes]
    log: Path

    def check(self) -> None:
        """Raises Stop with the end of its log when it has died."""
        if self.process.poll() is not None:
            raise Stop(f"the {self.what} ended with code {self.process.returncode}; {self.last_lines()}")

    def last_lines(self) -> str:
        """The end of its log: whoever reads this may find its folder gone."""
        last = self.log.read_text(errors="replace").splitlines()[-5:]
        return f"its log {self.log} ends:\n" + "\n".join(last)


@dataclass(frozen=True)
class Worker(Child):
    """A running worker. `address` is where its /metrics, /healthz and /readyz are."""

    address: str

    def figures(self) -> dict[str, float]:
        """The worker's metrics without labels' order: series -> value. Empty while it is busy."""
        try:
            with urllib.request.urlopen(f"{self.address}/metrics", timeout=5) as answer:
                text = answer.read().decode()
        except OSError:
            return {}
        rows = (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
        return {series: float(value) for series, value in rows}


@contextmanager
def running(environment: Mapping[str, str], port: int, log: Path) -> Iterator[Worker]:
    """A worker on a port of the web server, ended as `child` says."""
    with child(("worker", "--web-port", str(port)), environment, log) as one:
        yield Worker(one.what, one.process, log, f"http://127.0.0.1:{port}")


@contextmanager
def child(words: Sequence[str], environment: Mapping[str, str], log: Path) -> Iterator[Child]:
    """A command of Probewatch as a process, ended by SIGTERM however the block is left.

    It gets its own session, so that Ctrl-C reaches only the demo, which ends it in order; should the
    demo be killed, the kernel ends the process too (Linux).
    """
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "streams", *words],
            env={**os.environ, **environment, "PYTHONPATH": str(ROOT)},
            stdout=sink,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGTERM),
        )
    try:
        yield Child(words[0], process, log)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_ready(worker: Worker, seconds: float) -> None:
    """Returns once the worker reads all its partitions. Raises Stop when it dies or takes too long."""
    deadline = time.monotonic() + seconds
    why = "it does not answer"
    while time.monotonic() < deadline:
        worker.check()
        try:
            with urllib.request.urlopen(f"{worker.address}/readyz", timeout=2):
                return
        except urllib.error.HTTPError as error:
            why = str(json.loads(error.read()).get("why_not") or why)
        except OSError:
            pass
        time.sleep(0.1)
    raise Stop(f"the worker is not ready after {seconds:.0f} seconds: {why}; {worker.last_lines()}")


def free_port(port: int = 0) -> int:
    """The port, or any free one when it is taken or 0."""
    for wanted in (port, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", wanted))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise Stop(f"no free port for the worker's metrics (tried {port})")
