"""Which records of an alert notify people: Alertmanager itself, with the grouping that is deployed."""

from __future__ import annotations

import asyncio
import os
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from streams.alertmanager import Notifier
from tests.live import eventually
from tests.prometheus.servers import ALERTMANAGER, ServersMissing, Webhook, active, alertmanager, require
from tests.test_alertmanager import alert

pytestmark = pytest.mark.prometheus


def test_an_alert_that_is_amended_day_after_day_is_one_notification(tmp_path: Path) -> None:
    """A tool that fell silent: its alert of `low_count` grows every day, and is sent again every minute."""
    try:
        require()
    except ServersMissing as error:
        if os.environ.get("REQUIRE_PROMETHEUS"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    webhook = Webhook()
    now = datetime.now(UTC)
    try:
        with alertmanager(tmp_path, webhook.url, group_wait="1s", group_interval="1s"):
            eventually(ready, "Alertmanager answers", 20)
            asyncio.run(_days(now, webhook))
    finally:
        webhook.close()


async def _days(now: datetime, webhook: Webhook) -> None:
    passed = timedelta()
    notifier = Notifier(ALERTMANAGER, clock=lambda: now + passed)
    growing = {"detector": "tool_shortfall", "entity_kind": "tool", "entity": "a tool", "unit_id": None}
    first = alert(1, **growing)
    await notifier.post([first])
    await asyncio.to_thread(eventually, lambda: len(webhook.notifications) == 1, "it is told", 20)
    for day in range(1, 6):
        passed = timedelta(days=day)
        amended = alert(1, **growing, status="amended", observed=0.0, expected=9.0 * day, evidence_count=day)
        await notifier.post([amended])
        await notifier.resend([(amended, now + passed)])
        await asyncio.sleep(0.7)
    (standing,) = active().values()
    assert standing["annotations"]["evidence_count"] == "5", "what stands is the newest"
    assert len(webhook.notifications) == 1, "one incident, one notification"
    # The same would be told if it were another incident, so the silence above is not for want of waiting.
    await notifier.post([alert(2, **growing)])
    await asyncio.to_thread(eventually, lambda: len(webhook.notifications) == 2, "another one is told", 20)
    await notifier.close()


def ready() -> bool:
    try:
        with urllib.request.urlopen(f"{ALERTMANAGER}/-/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
