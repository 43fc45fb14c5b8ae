"""Alerts from a file that `./probewatch replay` wrote, for looking at them without Kafka."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

from console.intake.taking import take_alerts
from console.storage.engine import Store
from models.alert import decode_alert
from streams.exits import Stop

#: Alerts of one transaction.
AT_ONCE = 500


def load_alerts(store: Store, path: Path, at: datetime) -> int:
    """Take the alerts of a file, one JSON object a line; how many versions were new. `at` is now.

    Raises:
        Stop: a line is no alert; those before it may have been taken.
    """
    new = 0
    batch = []
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                batch.append(decode_alert(line))
            except msgspec.MsgspecError as error:
                raise Stop(f"{path}, line {number}, is no alert: {error}") from None
            if len(batch) >= AT_ONCE:
                with store.writing() as session:
                    new += take_alerts(session, batch, at)
                batch.clear()
    with store.writing() as session:
        return new + take_alerts(session, batch, at)
