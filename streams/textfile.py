"""What a command that ends has done, as a file for node_exporter's textfile collector.

A batch command is gone before Prometheus could ask it. The file is replaced as a whole, so that no half of it
is ever read; its name must end in `.prom` for the collector to take it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from models.alert import Alert


def write_replay(
    path: Path, counts: Mapping[str, int], alerts: Iterable[Alert], seconds: float, digest: str
) -> None:
    """Write what a replay did: `counts` of lines by outcome, the alerts that stand, how long it took.

    Raises OSError when the file cannot be written.
    """
    registry = CollectorRegistry()

    def gauge(name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(f"probewatch_replay_{name}", meaning, labels, registry=registry)

    lines = gauge("lines", "Lines of the last replay by what became of them.", "outcome")
    for outcome, number in counts.items():
        lines.labels(outcome).set(number)
    standing = gauge("alerts", "Alerts that stand after the last replay.", "detector", "kind", "severity")
    for place, number in Counter((one.detector, one.kind, one.severity) for one in alerts).items():
        standing.labels(*place).set(number)
    gauge("duration_seconds", "How long the last replay took.").set(seconds)
    gauge("completed_timestamp_seconds", "When the last replay ended well, epoch seconds.").set(time.time())
    gauge("config_info", "Always 1; the configuration of the last replay.", "config_digest").labels(
        digest
    ).set(1)
    write_to_textfile(str(path), registry)
