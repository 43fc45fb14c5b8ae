"""Alerts for tests: a plain one with any field changed, and strategies of many."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import strategies as st

from models.alert import SEVERITIES, Alert, alert_id
from models.search import Search

DAY = timedelta(days=1)
AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
PLAIN = Alert(
    alert_id="",
    detector="volume",
    kind="anomaly",
    entity_kind="requester",
    entity="r-1",
    agency_id="lapd",
    unit_id="u-1",
    window_start=AT - 8 * DAY,
    window_end=AT - DAY,
    first_seen=AT - 8 * DAY,
    decided_at=AT - DAY,
    status="final",
    severity="medium",
    p_value=1e-5,
    score=11.5,
    observed=21.0,
    expected=1.3,
    interval=(0.0, 6.0),
    clause=None,
    evidence=("e-1", "e-2"),
    evidence_count=2,
    explanation="21 searches in 7 days where 1.3 [0-6] were expected.",
    detector_version=1,
    config_digest="0123456789abcdef",
)


def alert(number: int = 1, **fields: Any) -> Alert:
    """Alert number so-and-so; its id depends on the number only."""
    return msgspec.structs.replace(PLAIN, alert_id=alert_id("volume", "lapd", "", None, number), **fields)


def search(number: int = 1, **fields: Any) -> Search:
    """Search number so-and-so, in the evidence of every alert when the number is 1 or 2."""
    given: Mapping[str, Any] = {
        "event_id": f"e-{number}",
        "event_time": AT - 5 * DAY + timedelta(minutes=number),
        "source_id": "feed",
        "requester_id": "r-1",
        "agency_id": "lapd",
        "unit_id": "u-1",
        "tool": "tool-a",
        "gallery": "bookings",
        "purpose": "investigation",
        "image_source": "cctv",
    }
    return Search(**{**given, **fields})


@st.composite
def versions(draw: st.DrawFn, alerts: int = 5) -> Alert:
    """A version of one of a few alerts, about one of a few entities."""
    number = draw(st.integers(1, alerts))
    start = AT + draw(st.integers(-30, 0)) * DAY
    return alert(
        number,
        entity=f"r-{number % 3}",
        agency_id=draw(st.sampled_from(["lapd", None])) if number == 1 else "lapd",
        severity=draw(st.sampled_from(SEVERITIES)),
        status=draw(st.sampled_from(["provisional", "final", "amended", "withdrawn"])),
        evidence_count=draw(st.integers(1, 4)),
        window_start=start,
        window_end=start + draw(st.integers(1, 9)) * DAY,
        first_seen=start,
        detector_version=draw(st.integers(1, 2)),
    )
