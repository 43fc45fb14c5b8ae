"""Bringing the series of `streams.metrics` up to date: once a batch or a checkpoint, never once a search.

A batch is counted under a lock that a scrape takes too. So what Prometheus sees is the state between two
batches, and sums that must agree do agree: see the recording rule `probewatch:unaccounted:records`.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder

from models.alert import Alert, decode_alert
from models.budget import BudgetSettings
from models.p_values import BOUNDS
from models.stage import Message, Output
from streams import metrics
from streams.exits import log

#: What a label shows of values beyond those that it may take.
OTHERS = "other"
#: Units whose searches are shown, in all agencies of a worker together.
MOST_UNITS = 500

_lock = threading.Lock()


class Bounded:
    """The values that a label may take: those declared, else the first `most` that come."""

    def __init__(self, most: int = 0, declared: Iterable[str] = ()) -> None:
        self._most = most
        self._known = set(declared)

    def __call__(self, value: str | None) -> str:
        """The value, or `other`."""
        if value in self._known:
            return value or OTHERS
        if not value or len(self._known) >= self._most:
            return OTHERS
        self._known.add(value)
        return value


_agency, _unit = Bounded(), Bounded(MOST_UNITS)


def declare(
    agencies: Iterable[str],
    sources: Iterable[str],
    alphas: Mapping[str, float],
    budget: BudgetSettings | None = None,
) -> None:
    """Say what the configuration has: label values, declared sources, the detectors' alpha, the budget."""
    if budget is not None:
        metrics.BUDGET_MOST.set(budget.alerts_a_day)
        metrics.BUDGET_PROMISED.set(budget.promised)
    global _agency
    _agency = Bounded(declared=set(agencies) - {"*"})
    for source in sorted(set(sources) - {"*"}):
        metrics.SOURCE_DECLARED.labels(source).set(1)
    for detector, alpha in alphas.items():
        metrics.ALPHA.labels(detector).set(alpha)


def count_batch(agent: str, output: Output, taken: int, seconds: float, delay: float | None) -> None:
    """Count a batch of a stage: what it gave, how many records it took, for how long, and how long its
    oldest search had been on its way (seconds)."""
    alerts = _alerts(output.messages)
    for alert in alerts:
        log.info("alert", alert_id=alert.alert_id, detector=alert.detector, status=alert.status)
    with _lock:
        _count(agent, output.counts)
        for alert in alerts:
            _counted(alert).inc(1, {"alert_id": alert.alert_id})
        count_taken(agent, taken)
        metrics.BATCH_SECONDS.labels(agent).observe(seconds)
        judged = output.counts.get(("judged", ""), 0)
        if judged and delay is not None:
            _observe(metrics.DELAY, bisect_left(metrics.DELAYS, delay), judged, delay)


def count_taken(agent: str, taken: int) -> None:
    """Count a batch by its size."""
    metrics.CONSUMED.labels(agent).inc(taken)
    metrics.BATCHES.labels(agent).inc()
    metrics.BATCH_SIZE.labels(agent).observe(taken)


def _alerts(messages: Sequence[Message]) -> list[Alert]:
    return [decode_alert(message.value) for message in messages if message.topic == "alerts"]


def _counted(alert: Alert) -> Counter:
    agency = _agency(alert.agency_id)
    return metrics.ALERTS.labels(alert.detector, alert.kind, alert.severity, alert.status, agency)


def _count(agent: str, counts: Mapping[tuple[str, str], int]) -> None:
    """Add a batch's counts, under the names that the stages use (see `models.stage.Output`)."""
    for (name, label), number in counts.items():
        if name == "refused":
            metrics.REFUSED.labels(label).inc(number)
        elif name == "ticks":
            metrics.TICKS.labels(agent).inc(number)
        elif name == "p_values":
            detector, place = label.rsplit("|", 1)
            bound = BOUNDS[int(place)]
            _observe(metrics.P_VALUES.labels(detector), int(place), number, bound)
        elif name in ("budget_told", "budget_held"):
            metrics.BUDGET.labels(name.removeprefix("budget_")).inc(number)
        elif name == "shadow_alerts":
            metrics.SHADOW.labels(label).inc(number)
        elif name == "models_refused":
            metrics.MODELS_REFUSED.labels(*label.rsplit("|", 1)).inc(number)
        elif name in _PLAIN:
            _PLAIN[name].inc(number)
        else:
            metrics.OTHER.labels(agent, name).inc(number)


_PLAIN = {
    "accepted": metrics.ACCEPTED,
    "late": metrics.LATE,
    "duplicate": metrics.DUPLICATE,
    "judged": metrics.JUDGED,
    "after_close": metrics.AFTER_CLOSE,
    "budget_days": metrics.BUDGET_DAYS,
    "repeats": metrics.REPEATS,
}


def _observe(histogram: Histogram, place: int, number: int, value: float) -> None:
    """Observe one value many times; the client library can only do it once a call."""
    histogram._sum.inc(value * number)
    histogram._buckets[place].inc(number)


def count_posting(outcome: str, number: int) -> None:
    """Count what became of alerts at Alertmanager."""
    metrics.ALERTMANAGER.labels(outcome).inc(number)


def show_open(partitions: Iterable[Iterable[Alert]]) -> None:
    """Show the alerts that are kept active, those of every partition that is ours."""
    totals: dict[tuple[str, ...], int] = {}
    for alerts in partitions:
        for alert in alerts:
            place: tuple[str, ...] = (alert.detector, alert.kind, alert.severity, _agency(alert.agency_id))
            totals[place] = totals.get(place, 0) + 1
    with _lock:
        metrics.OPEN.clear()
        for place, number in totals.items():
            metrics.OPEN.labels(*place).set(number)


def show_figures(agent: str, partition: int, figures: Mapping[tuple[str, str], float], now: float) -> None:
    """Show a stage's figures. Of watermarks the least is shown, because it is the one that holds windows
    open; units and agencies beyond the bounds are left out; what is not named here is summed up.
    `now` is the wall clock, epoch seconds."""
    totals: dict[str, float] = {}
    watermarks = []
    for (name, label), value in figures.items():
        if name == "watermark":
            watermarks.append(value)
            if label:
                metrics.SOURCE_WATERMARK.labels(label).set(value)
        elif name == "latest":
            metrics.SOURCE_LATEST.labels(label).set(value)
        elif name == "calendar_weight":
            agency = _agency(label.rstrip("|"))
            if agency != OTHERS:
                metrics.CALENDAR.labels(agency).set(value)
        elif name in _MODELS:
            agency, detector, feature = label.split("|", 2)
            if _agency(agency) != OTHERS:
                place = (detector, agency, feature) if feature else (detector, agency)
                _MODELS[name].labels(*place).set(value)
        elif name in _UNITS:
            agency, detector, unit = label.split("|", 2)
            if OTHERS not in (_agency(agency), _unit(f"{agency}|{unit}")):
                _UNITS[name].labels(detector, agency, unit).set(value)
        else:
            totals[name] = totals.get(name, 0.0) + value
    for name, value in totals.items():
        metrics.STAGE.labels(agent, str(partition), name).set(value)
    if watermarks:
        metrics.WATERMARK.labels(agent, str(partition)).set(min(watermarks))
        metrics.WATERMARK_AGE.labels(agent, str(partition)).set(now - min(watermarks))


_UNITS: dict[str, Gauge] = {
    "unit_observed": metrics.UNIT_OBSERVED,
    "unit_expected": metrics.UNIT_EXPECTED,
}
_MODELS: dict[str, Gauge] = {
    "model_serving": metrics.MODEL_SERVING,
    "model_stability": metrics.MODEL_STABILITY,
    "model_calibration": metrics.MODEL_CALIBRATION,
}


def forget_partition(agent: str, partition: int) -> None:
    """Drop the series of a partition that another worker now shows."""
    for gauge in (
        metrics.LAG,
        metrics.WATERMARK,
        metrics.WATERMARK_AGE,
        metrics.STATE_BYTES,
        metrics.STATE_BLOCKS,
        metrics.STAGE,
    ):
        gauge.remove_by_labels({"agent": agent, "partition": str(partition)})
    # Whose they are is not known here; those that are still ours come back with the next checkpoint.
    for gauge in _OF_STAGE.get(agent, ()):
        gauge.clear()


_OF_STAGE: dict[str, tuple[Gauge, ...]] = {
    "ingest": (metrics.SOURCE_WATERMARK, metrics.SOURCE_LATEST),
    "watch": (metrics.UNIT_OBSERVED, metrics.UNIT_EXPECTED, metrics.CALENDAR, *_MODELS.values()),
}


def exposition(accept: str = "") -> tuple[bytes, str]:
    """All series and their content type: OpenMetrics with exemplars for who accepts it, else
    Prometheus' text format. `accept` is the header of that name."""
    encode, kind = choose_encoder(accept)
    with _lock:
        return encode(metrics.REGISTRY), kind
