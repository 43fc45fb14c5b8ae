"""Every series that Probewatch exports, declared once: name, kind, unit, labels, meaning.

The registry is our own, so that importing this module twice or embedding it cannot collide with
another program's. No label carries a requester, a subject or a case, and every label is bounded: by
the code, by the configuration, or by `Bounded`. `streams.counting` brings the series up to date, once
a batch.
"""

from __future__ import annotations

from typing import get_args, get_type_hints

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from models.p_values import BOUNDS
from models.search import Refusal

disable_created_metrics()  # type: ignore[no-untyped-call]  # a third more series, which nobody asks for

REGISTRY = CollectorRegistry()
#: What the console exports; workers do not.
OVERSIGHT = CollectorRegistry()
#: What commands that end leave in a file.
COMMANDS = CollectorRegistry()
#: Seconds. A batch of thousands of searches takes some ten milliseconds, a slow broker seconds.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
#: Seconds from arrival to judgement; the objective is the bound of 5.
DELAYS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
#: Seconds in which people act: from a minute to a quarter.
PATIENCE = (60.0, 600.0, 3600.0, 4 * 3600.0, 86400.0, 3 * 86400.0, 7 * 86400.0, 30 * 86400.0, 90 * 86400.0)
#: Records or searches in a batch.
SIZES = (1, 10, 100, 1_000, 5_000, 20_000, 100_000)


def _counter(name: str, meaning: str, *labels: str, of: CollectorRegistry = REGISTRY) -> Counter:
    return Counter(f"probewatch_{name}", meaning, labels, registry=of)


def _gauge(name: str, meaning: str, *labels: str, of: CollectorRegistry = REGISTRY) -> Gauge:
    return Gauge(f"probewatch_{name}", meaning, labels, registry=of)


def _histogram(
    name: str, meaning: str, bounds: tuple[float, ...], *labels: str, of: CollectorRegistry = REGISTRY
) -> Histogram:
    return Histogram(f"probewatch_{name}", meaning, labels, registry=of, buckets=bounds)


# The way of a search

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
JUDGED = _counter("searches_judged_total", "Searches that the detectors have been shown, late ones included.")
TICKS = _counter("ticks_total", "Ticks of time taken.", "agent")
TICKS.labels("ingest")
CONSUMED.labels("ingest")
AFTER_CLOSE = _counter("searches_after_close_total", "Searches that reached a window already closed.")
REPEATS = _counter("searches_repeated_total", "Searches that ingest had sent before a restart, dropped.")
OTHER = _counter("stage_events_total", "What a stage counts beyond the series above.", "agent", "event")
DELAY = _histogram(
    "judged_delay_seconds",
    "Seconds from the arrival of a search in Kafka until everything that came of it was confirmed; each"
    " search of a batch is counted with the delay of the oldest.",
    DELAYS,
)
BATCHES = _counter("batches_total", "Batches absorbed and confirmed.", "agent")
BATCH_SIZE = _histogram("batch_records", "Records in a batch.", SIZES, "agent")
BATCH_SECONDS = _histogram(
    "batch_seconds",
    "Seconds from taking a batch until Kafka confirmed everything that came of it.",
    SECONDS,
    "agent",
)
CHECKPOINT_SECONDS = _histogram(
    "checkpoint_seconds",
    "Seconds to write a partition's changed state and its manifest, confirmed.",
    SECONDS,
    "agent",
)
OUTBOX = _gauge("outbox_messages", "Messages handed to Kafka and not yet confirmed.", "agent")
LAG = _gauge(
    "lag_records",
    "Records in the partition beyond the committed offset: end minus durable.",
    "agent",
    "partition",
)
LOST_TO_RETENTION = _counter(
    "records_lost_to_retention_total", "Records that Kafka had deleted before they were read.", "agent"
)
for _agent in ("ingest", "watch"):
    LOST_TO_RETENTION.labels(_agent)

# Time and state

WATERMARK = _gauge(
    "watermark_timestamp_seconds",
    "Event time up to which windows are closed, epoch seconds.",
    "agent",
    "partition",
)
WATERMARK_AGE = _gauge("watermark_age_seconds", "Wall clock minus the watermark.", "agent", "partition")
SOURCE_DECLARED = _gauge("source_declared", "Always 1: the source stands in config/sources.yaml.", "source")
SOURCE_WATERMARK = _gauge(
    "source_watermark_timestamp_seconds",
    "Event time before which nothing more is expected of a declared source, epoch seconds.",
    "source",
)
SOURCE_LATEST = _gauge(
    "source_latest_timestamp_seconds",
    "Event time of a declared source's latest search, epoch seconds.",
    "source",
)
STATE_BYTES = _gauge("state_bytes", "Size of the partition's last checkpoint.", "agent", "partition")
STATE_BLOCKS = _gauge("state_blocks", "Blocks in the partition's last checkpoint.", "agent", "partition")
STAGE = _gauge(
    "stage_figure",
    "A figure the stage gives about itself: keys, open windows.",
    "agent",
    "partition",
    "figure",
)

# What is found

ALERTS = _counter(
    "alerts_total",
    "Alert records written, every change of status included. Exemplar: alert_id.",
    "detector",
    "kind",
    "severity",
    "status",
    "agency",
)
ALERTMANAGER = _counter(
    "alertmanager_alerts_total",
    "Alerts handed to Alertmanager: posted, posted again (resent), refused, or retried.",
    "outcome",
)
for _outcome in ("posted", "resent", "refused", "retried"):
    ALERTMANAGER.labels(_outcome)
OPEN = _gauge(
    "open_alerts",
    "Alerts that are kept active in Alertmanager: not withdrawn, and changed within the last week.",
    "detector",
    "kind",
    "severity",
    "agency",
)
P_VALUES = _histogram(
    "p_value",
    "P-values of the keys that detectors judged when days closed, told or not. Only of detectors that"
    " work out all of them.",
    BOUNDS,
    "detector",
)
ALPHA = _gauge(
    "detector_alpha_ratio",
    "The share of judged keys that a detector promises to flag at most, when all is well.",
    "detector",
)
UNIT_OBSERVED = _gauge(
    "unit_observed",
    "Searches (or cases) of a unit on the last closed day, as a detector counts them.",
    "detector",
    "agency",
    "unit",
)
UNIT_EXPECTED = _gauge(
    "unit_expected", "How many were expected, from the past and the weekday.", "detector", "agency", "unit"
)
CALENDAR = _gauge(
    "calendar_weight",
    "Weight of the largest demonstration on the last closed day, as config/calendar.csv has it.",
    "agency",
)

BUDGET = _counter(
    "budget_findings_total",
    "New findings of anomaly detectors that the budget let become alerts (told) or held back (held).",
    "outcome",
)
for _outcome in ("told", "held"):
    BUDGET.labels(_outcome)
BUDGET_DAYS = _counter("budget_closings_total", "Days of agencies that the budget has judged.")
BUDGET_MOST = _gauge(
    "budget_most_alerts",
    "New anomaly alerts a day that an agency can read, as config/detectors.yaml has it.",
)
BUDGET_PROMISED = _gauge(
    "budget_promised_alerts", "False alerts a day of an agency that the budget promises at most."
)

# Trained models

SHADOW = _counter(
    "shadow_alerts_total",
    "Findings of models in shadow, which nobody is told. To be compared with the champion's alerts.",
    "detector",
)
MODELS_REFUSED = _counter(
    "models_refused_total",
    "Times that a model was missing, changed, untrusted or unfit, and the one before it went on.",
    "detector",
    "reason",
)
MODEL_SERVING = _gauge(
    "model_serving_number",
    "Number of the registry's entry by which the champion judged the last Sunday.",
    "detector",
    "agency",
)
MODEL_STABILITY = _gauge(
    "model_stability_index",
    "Population stability index of a feature of the champion against its training; above 0.25: train anew.",
    "detector",
    "agency",
    "feature",
)
MODEL_CALIBRATION = _gauge(
    "model_calibration_ratio",
    "Share of the champion's p-values up to 0.05, over 0.05: near 1 when it is calibrated.",
    "detector",
    "agency",
)

# The worker

PARTITIONS = _gauge("partitions", "Partitions this worker owns.", "agent")
REBALANCES = _counter("rebalances_total", "Times the partitions were shared out anew.")
COMMIT_FAILURES = _counter("commit_failures_total", "Commits refused because the group had rebalanced.")
DEAD_LETTER_STOP = _gauge("dead_letter_stop", "1 when the share of refusals has stopped the worker.")
READY = _gauge("ready", "1 when the worker is ready, see /readyz.")
BUILD = _gauge("build_info", "Always 1; what is running.", "version", "config_digest")
OVERSIGHT.register(BUILD)

# The console: what people do about it. Counted from the first decision on, so a restart does not set it back.

DECISIONS = _counter(
    "decisions_total", "Decisions of staff, undone ones and undos included.", "action", of=OVERSIGHT
)
ACKNOWLEDGED = _histogram(
    "acknowledge_seconds",
    "Seconds from the arrival of an alert in the console until somebody took it up.",
    PATIENCE,
    "severity",
    of=OVERSIGHT,
)
DISPOSED = _gauge(
    "disposed_alerts",
    "Closed alerts by what came of them; precision is confirmed and needs_policy_change over all.",
    "detector",
    "disposition",
    of=OVERSIGHT,
)
UNREAD = _gauge(
    "work_alerts", "Open alerts by where the work on them stands.", "severity", "state", of=OVERSIGHT
)
OLDEST = _gauge(
    "unread_seconds",
    "Age of the oldest open alert of high or critical severity that nobody has taken up; 0 without one.",
    of=OVERSIGHT,
)
SILENCES = _gauge("silences", "Silences that the console keeps in Alertmanager.", of=OVERSIGHT)
SILENCES_FAILING = _gauge(
    "silences_failing", "1 when Alertmanager did not take the last change of silences.", of=OVERSIGHT
)
UNSENT = _gauge("decisions_waiting", "Decisions that Kafka has not confirmed yet.", of=OVERSIGHT)
LEDGER = _gauge("ledger_entries", "Entries of the ledger.", of=OVERSIGHT)

# Commands that end: figures of the last run, with --textfile

COMMAND_COMPLETED = _gauge(
    "command_completed_timestamp_seconds",
    "When the command last ended well, epoch seconds.",
    "command",
    of=COMMANDS,
)
COMMAND_DURATION = _gauge("command_duration_seconds", "How long it took.", "command", of=COMMANDS)
COMMAND_LINES = _gauge(
    "command_lines", "Lines that it read, by what became of them.", "command", "outcome", of=COMMANDS
)
COMMAND_ALERTS = _gauge(
    "command_alerts",
    "Alerts that stand in the end, by the name of the configuration that gave them.",
    "command",
    "configuration",
    "detector",
    "kind",
    "severity",
    of=COMMANDS,
)
COMMAND_CONFIGURATION = _gauge(
    "command_configuration_info",
    "Always 1; the configurations that judged.",
    "command",
    "configuration",
    "config_digest",
    of=COMMANDS,
)
COMMAND_STANZA = _gauge(
    "command_stanza_info",
    "Always 1; the stanza that was tuned or trained for, and the candidate that came of it.",
    "command",
    "stanza",
    "model",
    of=COMMANDS,
)
COMMAND_FIGURE = _gauge(
    "command_figure", "What train and tune measured, in its own unit.", "command", "figure", of=COMMANDS
)
OF_COMMANDS = (
    COMMAND_COMPLETED,
    COMMAND_DURATION,
    COMMAND_LINES,
    COMMAND_ALERTS,
    COMMAND_CONFIGURATION,
    COMMAND_STANZA,
    COMMAND_FIGURE,
)
