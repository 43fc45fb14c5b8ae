"""What operations ask: /metrics, /healthz (alive), /readyz (doing its work, else why not).

Served from threads of its own, so that it answers while the event loop is busy with a batch and can tell
when the loop has stopped turning.
"""

from __future__ import annotations

import json
import time
from functools import partial

from streams import metrics
from streams.counting import exposition
from streams.exits import Stop
from streams.pages import Page, PageServer
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


def serve(health: Health, host: str, port: int) -> PageServer:
    """Serve the three pages; port 0 takes a free one.

    Raises:
        Stop: the port is taken.
    """
    try:
        server = PageServer(host, port, partial(_page, health), name="health")
    except OSError as error:
        raise Stop(
            f"cannot serve on {host}:{port}: {error.strerror}. Another worker on this host?"
            f" Give this one its own with --web-port, or --web-port 0 ({PREFIX}WEB_PORT)"
        ) from None
    server.start()
    return server


def _page(health: Health, path: str, accept: str) -> Page:
    if path == "/metrics":
        body, kind = exposition(accept)
        return 200, kind, body
    if path in ("/healthz", "/readyz"):
        good, said = health.alive() if path == "/healthz" else health.ready()
        return 200 if good else 503, "application/json", json.dumps(said).encode()
    return 404, "text/plain", b"/metrics, /healthz or /readyz\n"
