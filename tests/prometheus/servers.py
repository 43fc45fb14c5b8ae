"""Prometheus, Alertmanager and a webhook receiver as processes, with the files that compose mounts.

Prometheus runs in a mount namespace of its own, in which /etc/prometheus is `config/prometheus` and the
names of the compose file's services stand for this machine. So not one line of its configuration changes.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from streams.children import die_with_parent
from streams.dashboards.pictures import ask
from streams.demo.worker import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
PROMETHEUS, ALERTMANAGER = "http://127.0.0.1:9090", "http://127.0.0.1:9093"
#: The ports that the compose file and Prometheus' configuration name.
PORTS = (6066, 6067, 8080, 8081, 9090, 9093)
NEEDED = ("prometheus", "promtool", "prometheus-alertmanager", "amtool", "unshare")
#: Makes two folders or files stand in for others, then becomes the program.
MOUNTED = 'mount --bind "$1" /etc/hosts && mount --bind "$2" /etc/prometheus && shift 2 && exec "$@"'


class ServersMissing(Exception):
    """What is needed is not here; the text says what to do."""


def require() -> None:
    """Raises ServersMissing unless all programs are installed and all ports free."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        raise ServersMissing(
            f"{', '.join(missing)} not found: apt-get install prometheus prometheus-alertmanager util-linux"
        )
    for port in PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                raise ServersMissing(
                    f"port {port} is taken: end what listens there (a compose project or a service)"
                ) from None


@contextmanager
def process(command: Sequence[str | Path], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends with the block."""
    with log.open("ab") as sink:
        running = subprocess.Popen(
            [str(word) for word in command],
            stdout=sink, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            start_new_session=True, preexec_fn=die_with_parent(signal.SIGTERM),
        )  # fmt: skip
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(10)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


@contextmanager
def prometheus(folder: Path) -> Iterator[None]:
    """Prometheus at its usual port, with the command line of the compose file but for where its data is."""
    hosts = folder / "hosts"
    hosts.write_text("127.0.0.1 localhost worker-1 worker-2 console alertmanager prometheus\n")
    given = [word for word in COMPOSE["prometheus"]["command"] if not word.startswith("--storage.tsdb.path")]
    options = [*given, f"--storage.tsdb.path={folder}/tsdb", "--web.listen-address=127.0.0.1:9090"]
    Path("/etc/prometheus").mkdir(exist_ok=True)
    command = ["unshare", "--mount", "--map-root-user", "sh", "-c", MOUNTED, "sh", hosts,
               ROOT / "config/prometheus", "prometheus", *options]  # fmt: skip
    with process(command, folder / "prometheus.log"):
        yield


@contextmanager
def alertmanager(folder: Path, webhook: str, **intervals: str) -> Iterator[None]:
    """Alertmanager at its usual port; what it knew of notifications stays in the folder. `intervals` take the
    place of those in the file.

    Versions before 0.26 know no `url_file`, so the address itself takes its place.
    """
    text = (ROOT / "config/alertmanager/alertmanager.yml").read_text()
    config = folder / "alertmanager.yml"
    for name, value in intervals.items():
        text = re.sub(rf"{name}: \S+", f"{name}: {value}", text)
    config.write_text(re.sub(r"url_file: \S+", f"url: {webhook}", text))
    options = [word for word in COMPOSE["alertmanager"]["command"] if word.startswith("--cluster")]
    command = ["prometheus-alertmanager", f"--config.file={config}", f"--storage.path={folder}/alertmanager",
               "--web.listen-address=127.0.0.1:9093", *options]  # fmt: skip
    with process(command, folder / "alertmanager.log"):
        yield


class Webhook:
    """Receives notifications; `url` is where."""

    def __init__(self) -> None:
        self.notifications: list[dict[str, Any]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.notifications.append(json.loads(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def alerts(
        self, wanted: Callable[[dict[str, str]], bool], status: str = "firing"
    ) -> list[dict[str, Any]]:
        """Alerts of all notifications whose labels are wanted."""
        return [
            alert
            for notification in self.notifications
            for alert in notification["alerts"]
            if alert["status"] == status and wanted(alert["labels"])
        ]


def query(expr: str) -> list[dict[str, Any]]:
    """What Prometheus says now."""
    found: list[dict[str, Any]] = ask(PROMETHEUS, "query", query=expr)["result"]
    return found


def active() -> dict[str, dict[str, Any]]:
    """The alerts that are active in Alertmanager, by identity or else by name."""
    try:
        with urllib.request.urlopen(f"{ALERTMANAGER}/api/v2/alerts?active=true", timeout=5) as answer:
            alerts = json.load(answer)
    except OSError:
        return {}
    return {one["labels"].get("alert_id") or one["labels"]["alertname"]: one for one in alerts}
