"""What operations ask: /metrics, /healthz (alive), /readyz (doing its work, else why not).

Served by the standard library from threads of its own, so that it answers while the event loop
is busy with a batch and can tell when the loop has stopped turning.
"""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

from streams import metrics
from streams.counting import exposition
from streams.exits import Stop
from streams.settings import PREFIX

#: Seconds for which the event loop may be busy before /healthz calls it stuck.
STUCK_AFTER = 60.0
#: Seconds without a commit, while records wait, after which /readyz says so.
NO_COMMIT_AFTER = 60.0


class Health:
    """What the worker tells about itself; written by the event loop, read by the web threads.

    `why_not` is None when ready. Times are monotonic seconds.
    """

    def __init__(self) -> None:
        self.turned_at = time.monotonic()
        self.why_not: str | None = "starting"

    def turn(self, why_not: str | None) -> None:
        """The loop turned; the worker is ready unless there is a reason."""
        self.turned_at = time.monotonic()
        self.why_not = why_not
        metrics.READY.set(why_not is None)

    def alive(self) -> tuple[bool, dict[str, object]]:
        """Whether the event loop turns, and since how many seconds it did not."""
        still = time.monotonic() - self.turned_at
        return still < STUCK_AFTER, {
            "alive": still < STUCK_AFTER,
            "seconds_since_loop_turned": round(still, 1),
        }

    def ready(self) -> tuple[bool, dict[str, object]]:
        """Whether the worker does its work, and if not why."""
        alive, _ = self.alive()
        why_not = self.why_not if alive else "the event loop is stuck"
        return why_not is None, {"ready": why_not is None, "why_not": why_not}


class HealthServer:
    """The three pages on `host`:`port`; port 0 takes a free one, see `.port`.

    Raises:
        Stop: the port is taken.
    """

    def __init__(self, health: Health, host: str, port: int) -> None:
        handler = type("Pages", (_Pages,), {"health": health})
        try:
            self._server = ThreadingHTTPServer((host, port), handler)
        except OSError as error:
            raise Stop(
                f"cannot serve on {host}:{port}: {error.strerror}. Another worker on this host?"
                f" Give this one its own with --web-port, or --web-port 0 ({PREFIX}WEB_PORT)"
            ) from None
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self.url = f"http://{host}:{self.port}"
        threading.Thread(target=self._server.serve_forever, name="health", daemon=True).start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()


class _Pages(BaseHTTPRequestHandler):
    health: ClassVar[Health]

    def do_GET(self) -> None:  # noqa: N802 - the name http.server calls
        """Answer one of the three pages."""
        if self.path == "/metrics":
            page, kind = exposition(self.headers.get("Accept", ""))
            self._answer(200, kind, page)
        elif self.path in ("/healthz", "/readyz"):
            good, body = self.health.alive() if self.path == "/healthz" else self.health.ready()
            self._answer(200 if good else 503, "application/json", json.dumps(body).encode())
        else:
            self._answer(404, "text/plain", b"/metrics, /healthz or /readyz\n")

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Scrapes are not logged."""
