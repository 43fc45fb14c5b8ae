"""Every series that Probewatch exports, declared once: name, kind, unit, labels, meaning.

The registry is our own, so that importing this module twice or embedding it cannot collide with
another program's. No label carries a requester, a subject or a case. Counters are bumped once a
batch, from what the stage counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args, get_type_hints

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from models.search import Refusal

REGISTRY = CollectorRegistry()
#: Seconds. A batch of thousands of searches takes some ten milliseconds, a slow broker seconds.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


def _counter(name: str, meaning: str, *labels: str) -> Counter:
    return Counter(f"probewatch_{name}", meaning, labels, registry=REGISTRY)


def _gauge(name: str, meaning: str, *labels: str) -> Gauge:
    return Gauge(f"probewatch_{name}", meaning, labels, registry=REGISTRY)


CONSUMED = _counter("records_consumed_total", "Records read and absorbed.", "agent")
SKIPPED = _counter(
    "records_skipped_total", "Records read again whose effect the state already held.", "agent"
)
ACCEPTED = _counter("searches_accepted_total", "Searches that passed validation.")
REFUSED = _counter("searches_refused_total", "Messages sent to the dead letters.", "reason")
for _reason in get_args(get_type_hints(Refusal)["reason"]):
    REFUSED.labels(_reason)  # a series that is not there would make every sum with it empty
LATE = _counter("searches_late_total", "Searches that came after their window had closed.")
DUPLICATE = _counter("searches_duplicate_total", "Searches that had been seen before.")
TICKS = _counter("ticks_total", "Ticks of time taken.", "agent")
ALERTS = _counter(
    "alerts_total",
    "Alert records written, every change of status included.",
    "detector",
    "kind",
    "severity",
    "status",
)
ALERTMANAGER = _counter(
    "alertmanager_alerts_total", "Alerts handed to Alertmanager: posted, refused, or retried.", "outcome"
)
AFTER_CLOSE = _counter("searches_after_close_total", "Searches that reached a window already closed.")
REPEATS = _counter("searches_repeated_total", "Searches that ingest had sent before a restart, dropped.")
OTHER = _counter("stage_events_total", "What a stage counts beyond the series above.", "agent", "event")

BATCHES = _counter("batches_total", "Batches absorbed and confirmed.", "agent")
BATCH_SECONDS = Histogram(
    "probewatch_batch_seconds",
    "Seconds from taking a batch until Kafka confirmed everything that came of it.",
    ("agent",),
    registry=REGISTRY,
    buckets=SECONDS,
)
CHECKPOINT_SECONDS = Histogram(
    "probewatch_checkpoint_seconds",
    "Seconds to write a partition's changed state and its manifest, confirmed.",
    ("agent",),
    registry=REGISTRY,
    buckets=SECONDS,
)
LAG = _gauge(
    "lag_records",
    "Records in the partition beyond the committed offset: end minus durable.",
    "agent",
    "partition",
)
WATERMARK = _gauge(
    "watermark_timestamp_seconds",
    "Event time up to which windows are closed, epoch seconds.",
    "agent",
    "partition",
)
WATERMARK_AGE = _gauge("watermark_age_seconds", "Wall clock minus the watermark.", "agent", "partition")
STATE_BYTES = _gauge("state_bytes", "Size of the partition's last checkpoint.", "agent", "partition")
STATE_BLOCKS = _gauge("state_blocks", "Blocks in the partition's last checkpoint.", "agent", "partition")
STAGE = _gauge(
    "stage_figure",
    "A figure the stage gives about itself: keys, open windows.",
    "agent",
    "partition",
    "figure",
)
PARTITIONS = _gauge("partitions", "Partitions this worker owns.", "agent")
REBALANCES = _counter("rebalances_total", "Times the partitions were shared out anew.")
COMMIT_FAILURES = _counter("commit_failures_total", "Commits refused because the group had rebalanced.")
LOST_TO_RETENTION = _counter(
    "records_lost_to_retention_total", "Records that Kafka had deleted before they were read.", "agent"
)
DEAD_LETTER_STOP = _gauge("dead_letter_stop", "1 when the share of refusals has stopped the worker.")
READY = _gauge("ready", "1 when the worker is ready, see /readyz.")
BUILD = _gauge("build_info", "Always 1; what is running.", "version", "config_digest")


def bump(agent: str, counts: Mapping[tuple[str, str], int]) -> None:
    """Add a batch's counts, under the names that the stages use (see `models.stage.Output`)."""
    for (name, label), number in counts.items():
        if name == "alerts":
            ALERTS.labels(*label.split("|")).inc(number)
        elif name == "refused":
            REFUSED.labels(label).inc(number)
        elif name == "ticks":
            TICKS.labels(agent).inc(number)
        elif name in _PLAIN:
            _PLAIN[name].inc(number)
        else:
            OTHER.labels(agent, name).inc(number)


_PLAIN = {
    "accepted": ACCEPTED,
    "late": LATE,
    "duplicate": DUPLICATE,
    "after_close": AFTER_CLOSE,
    "repeats": REPEATS,
}


def count_posting(outcome: str, number: int) -> None:
    """Count what became of alerts at Alertmanager."""
    ALERTMANAGER.labels(outcome).inc(number)


def show_figures(agent: str, partition: int, figures: Mapping[tuple[str, str], float], now: float) -> None:
    """Show a stage's figures. Labels are summed up, so nothing of a key reaches Prometheus; of
    watermarks the least is shown, because it is the one that holds windows open. `now` is the
    wall clock in epoch seconds."""
    totals: dict[str, float] = {}
    watermarks = []
    for (name, _), value in figures.items():
        if name == "watermark":
            watermarks.append(value)
        else:
            totals[name] = totals.get(name, 0.0) + value
    for name, value in totals.items():
        STAGE.labels(agent, str(partition), name).set(value)
    if watermarks:
        WATERMARK.labels(agent, str(partition)).set(min(watermarks))
        WATERMARK_AGE.labels(agent, str(partition)).set(now - min(watermarks))


def forget_partition(agent: str, partition: int) -> None:
    """Drop the series of a partition that another worker now shows."""
    for gauge in (LAG, WATERMARK, WATERMARK_AGE, STATE_BYTES, STATE_BLOCKS):
        gauge.remove_by_labels({"agent": agent, "partition": str(partition)})
    STAGE.remove_by_labels({"agent": agent, "partition": str(partition)})


def exposition() -> bytes:
    """All series in Prometheus' text format."""
    return generate_latest(REGISTRY)
