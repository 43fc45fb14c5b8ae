"""The alerts of one partition that Alertmanager is to keep active.

Alertmanager forgets its alerts when it starts anew, as it expects whoever raised one to repeat it until it
is resolved. So the latest record of each alert is kept here until it is withdrawn, or has not changed for
as long as the notifier holds an alert.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

import msgspec

from models.alert import Alert, decode_alert

#: Alerts kept for one partition; of more the oldest are let go, and end when Alertmanager's time is over.
MOST = 5_000


class Active:
    """Alerts by identity, with the time at which they were posted; `hold` as the notifier's."""

    def __init__(self, hold: timedelta) -> None:
        self._hold = hold
        self._posted: dict[str, tuple[Alert, datetime]] = {}

    def put(self, alerts: Iterable[Alert], at: datetime) -> None:
        """These have been posted."""
        for alert in alerts:
            self._posted.pop(alert.alert_id, None)
            if alert.status != "withdrawn":
                self._posted[alert.alert_id] = (alert, at)
        while len(self._posted) > MOST:
            del self._posted[next(iter(self._posted))]

    def recall(self, record: bytes, written: float) -> None:
        """A record that was posted before this process began, written at `written` (epoch seconds)."""
        at = datetime.fromtimestamp(written, UTC)
        if datetime.now(UTC) - at < self._hold:
            try:
                self.put([decode_alert(record)], at)
            except msgspec.MsgspecError:
                return  # it was passed over when it came, and told then

    def due(self, now: datetime) -> list[tuple[Alert, datetime]]:
        """What is to be posted again, with the time of the first posting; forgets what has run out."""
        over = [name for name, (_, at) in self._posted.items() if now - at >= self._hold]
        for name in over:
            del self._posted[name]
        return list(self._posted.values())

    def clear(self) -> None:
        """Somebody else keeps them active now."""
        self._posted.clear()

    def __iter__(self) -> Iterator[Alert]:
        """The alerts."""
        return (alert for alert, _ in self._posted.values())
