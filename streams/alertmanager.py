"""Alerts to Prometheus Alertmanager, over its API v2 (`POST /api/v2/alerts`).

**One incident, one notification.** Alertmanager tells alerts apart by all their labels, so
`alert_id` is one of them and everything else in the labels is stable or bounded. Who was flagged
stands in annotations only: labels end up in routes, silences and metrics, where a person does not
belong.

**Time.** An alert without `endsAt` is taken for resolved minutes after it was posted, because
Prometheus would repeat it. Ours must outlive us, so `endsAt` is the posting time plus `hold`, and
the posting time itself once an alert is withdrawn. But Alertmanager keeps alerts in memory only, so
`resend` repeats them, with the times of their first posting (`streams.active` says which).
`startsAt` is `first_seen` while that is less than a day old, else the posting time: in a replay it
lies years back, and "firing for six years" would be a statement about us, not about the incident.
Event times are in annotations.

**Failure.** No answer, 5xx and 429 are tried again for ever, at growing intervals with jitter
("full jitter", M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015). Another
refusal will not change by asking again: it is logged with Alertmanager's words, counted, and the
rest goes on.
"""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import structlog

from models.alert import Alert
from streams import tracing

RECENT = timedelta(days=1)
#: Alerts whose last labels are remembered, to end them when an amendment changes the labels.
REMEMBERED = 20_000

#: An alert, and when it was first posted; None when that is now.
_Posting = tuple[Alert, datetime | None]

log = structlog.get_logger("probewatch")


class Notifier:
    """Posts alerts until Alertmanager has them.

    `url` is Alertmanager's base address, `hold` how long an alert stays active unless it is
    amended or withdrawn, `runbook` where the reader finds out what to do, with `{detector}` for
    the detector's name. `observe` is told ("posted" | "resent" | "refused" | "retried", how many alerts).
    Pauses and time-outs are in seconds. Use it in one event loop and close it there.

    Raises ValueError when `url` is not an HTTP address.
    """

    def __init__(
        self,
        url: str,
        *,
        hold: timedelta = timedelta(days=7),
        runbook: str = "docs/detectors.md#{detector}",
        batch_size: int = 64,
        first_pause: float = 0.5,
        longest_pause: float = 60.0,
        timeout: float = 10.0,
        observe: Callable[[str, int], None] | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"Alertmanager's address {url!r} is not one; write http://localhost:9093")
        self._url = url.rstrip("/") + "/api/v2/alerts"
        self.hold = hold
        self._runbook = runbook
        self._batch_size = batch_size
        self._first_pause = first_pause
        self._longest_pause = longest_pause
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._observe = observe or (lambda what, number: None)
        self._clock = clock
        self._sleep = sleep
        self._session: aiohttp.ClientSession | None = None
        self._labels: OrderedDict[str, dict[str, str]] = OrderedDict()

    async def post(self, alerts: Sequence[Alert]) -> None:
        """Return once every alert was accepted or finally refused; may be cancelled at any time.

        Of several records of one alert only the last counts. Posting again changes nothing.
        """
        latest = list({alert.alert_id: alert for alert in alerts}.values())
        for start in range(0, len(latest), self._batch_size):
            await self._deliver([(alert, None) for alert in latest[start : start + self._batch_size]])

    async def resend(self, posted: Sequence[tuple[Alert, datetime]]) -> None:
        """As `post`, for alerts that were first posted at these times."""
        for start in range(0, len(posted), self._batch_size):
            await self._deliver(posted[start : start + self._batch_size])

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _deliver(self, alerts: Sequence[_Posting]) -> None:
        attempt = 0
        while True:
            with tracing.span("Alertmanager post", alerts=len(alerts), attempt=attempt):
                status, answer, wait = await self._send(alerts)
            if 200 <= status < 300:
                new = sum(posted_at is None for _, posted_at in alerts)
                for outcome, number in (("posted", new), ("resent", len(alerts) - new)):
                    if number:
                        self._observe(outcome, number)
                self.remember(alert for alert, _ in alerts)
                return
            if 0 < status < 500 and status != 429:
                break
            pause = random.uniform(0, min(self._longest_pause, self._first_pause * 2 ** min(attempt, 30)))
            log.warning(
                "Alertmanager did not take the alerts; trying again",
                status=status or None, answer=answer, alerts=len(alerts), seconds=round(max(pause, wait), 2),
            )  # fmt: skip
            self._observe("retried", len(alerts))
            attempt += 1
            await self._sleep(max(pause, wait))
        if status in (400, 413, 422) and len(alerts) > 1:
            # One bad alert must not take its neighbours along: halve until it stands alone.
            middle = len(alerts) // 2
            await self._deliver(alerts[:middle])
            await self._deliver(alerts[middle:])
            return
        self._observe("refused", len(alerts))
        log.error(
            "Alertmanager refuses alerts and will not be asked again; is PROBEWATCH_ALERTMANAGER_URL right?",
            status=status, answer=answer, alert_ids=[alert.alert_id for alert, _ in alerts],
        )  # fmt: skip

    async def _send(self, alerts: Sequence[_Posting]) -> tuple[int, str, float]:
        """Status (0 for no answer), the first words of the answer, seconds we are asked to wait."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
        now = self._clock()
        body = [item for alert, at in alerts for item in self._items(alert, at, now)]
        try:
            # A redirected POST arrives as a GET, so a redirect is a wrong address.
            async with self._session.post(self._url, json=body, allow_redirects=False) as response:
                answer = (await response.content.read(500)).decode("utf-8", "replace")
                return response.status, answer, self._retry_after(response.headers.get("Retry-After"), now)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return 0, f"{type(error).__name__}: {error}", 0.0

    def _retry_after(self, value: str | None, now: datetime) -> float:
        if value is None:
            return 0.0
        try:
            wait = float(value) if value.isdigit() else (parsedate_to_datetime(value) - now).total_seconds()
        except (ValueError, TypeError):
            return 0.0
        return min(max(wait, 0.0), self._longest_pause)

    def _items(self, alert: Alert, at: datetime | None, now: datetime) -> list[dict[str, Any]]:
        item = describe(alert, at or now, hold=self.hold, runbook=self._runbook)
        before = self._labels.get(alert.alert_id)
        if before is None or before == item["labels"]:
            return [item]
        # Other labels are another alert to Alertmanager: the one under the old labels has to end.
        return [item | {"labels": before, "endsAt": now.isoformat()}, item]

    def remember(self, alerts: Iterable[Alert]) -> None:
        """These have been posted, perhaps by another worker: should labels change, the old alert is ended."""
        for alert in alerts:
            self._labels[alert.alert_id] = alert_labels(alert)
            self._labels.move_to_end(alert.alert_id)
        while len(self._labels) > REMEMBERED:
            self._labels.popitem(last=False)


def describe(alert: Alert, now: datetime, *, hold: timedelta, runbook: str) -> dict[str, Any]:
    """One alert as Alertmanager wants it, first posted at `now`."""
    recent = now - RECENT <= alert.first_seen <= now
    return {
        "labels": alert_labels(alert),
        "annotations": alert_annotations(alert, runbook),
        "startsAt": (alert.first_seen if recent else now).isoformat(),
        "endsAt": (now if alert.status == "withdrawn" else now + hold).isoformat(),
    }


def alert_labels(alert: Alert) -> dict[str, str]:
    """What identifies the alert and what routes and silences may go by; never a person."""
    found = {
        "alertname": alert.detector,
        "alert_id": alert.alert_id,
        "agency": alert.agency_id,
        "unit": alert.unit_id,
        "kind": alert.kind,
        "severity": alert.severity,
        "clause": alert.clause,
    }
    return {name: value for name, value in found.items() if value}


def alert_annotations(alert: Alert, runbook: str) -> dict[str, str]:
    """What the reader needs to judge it."""
    place = " / ".join(filter(None, (alert.agency_id, alert.unit_id)))
    found = {
        "summary": f"{alert.severity} {alert.kind}: {alert.detector} on a {alert.entity_kind}"
        + (f" of {place}" if place else ""),
        "description": alert.explanation,
        "status": alert.status,
        "entity_kind": alert.entity_kind,
        "entity": alert.entity,
        "window": f"{alert.window_start.isoformat()}/{alert.window_end.isoformat()}",
        "first_seen": alert.first_seen.isoformat(),
        "decided_at": alert.decided_at.isoformat(),
        "evidence_count": str(alert.evidence_count),
        "runbook": runbook.replace("{detector}", alert.detector),
    }
    if alert.observed is not None:
        found["observed"] = f"{alert.observed:g}"
    if alert.expected is not None:
        found["expected"] = f"{alert.expected:g}"
    if alert.interval is not None:
        found["interval"] = f"{alert.interval[0]:g} to {alert.interval[1]:g}"
    if alert.p_value is not None:
        found["p_value"] = f"{alert.p_value:.2g}"
    return found
