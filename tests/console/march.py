"""Searches and alerts of March 2021 in the console's store, for the public report."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, timedelta
from typing import Any

from console.report.counting import Period
from console.storage.engine import Store
from console.storage.tables import AlertRow, SearchRow

MARCH = Period(date(2021, 3, 1), date(2021, 3, 31), "America/Los_Angeles")
NOON = datetime(2021, 3, 10, 20, tzinfo=UTC)


def add_searches(store: Store, number: int, at: datetime = NOON, **fields: Any) -> None:
    """So many equal searches, each by a requester of their own unless one is given."""
    with store.writing() as session:
        first = session.query(SearchRow).count()
        for place in range(number):
            known = {
                "event_id": f"e{first + place}",
                "event_time": at,
                "source_id": "log",
                "requester_id": f"r{place}",
                "agency_id": "pd",
                "unit_id": "patrol",
                "tool": "county",
                "gallery": "mugshots",
                "purpose": "burglary",
                "image_source": "cctv",
                "record": b"",
            }
            session.add(SearchRow(**{**known, **fields}))


def add_alerts(
    store: Store, number: int, at: datetime = NOON, waited: float | None = None, **fields: Any
) -> None:
    """So many alerts, acknowledged after `waited` hours."""
    with store.writing() as session:
        first = session.query(AlertRow).count()
        for place in range(number):
            known = {
                "alert_id": hashlib.blake2b(str(first + place).encode(), digest_size=16).hexdigest(),
                "detector": "high_count",
                "kind": "anomaly",
                "entity_kind": "requester",
                "entity": "requester-77",
                "agency_id": "pd",
                "window_start": at,
                "window_end": at,
                "first_seen": at,
                "decided_at": at,
                "status": "final",
                "severity": "high",
                "severity_rank": 3,
                "score": 9.0,
                "evidence_count": 1,
                "explanation": "",
                "detector_version": 1,
                "config_digest": "",
                "record": b"",
                "arrived_at": at,
                "changed_at": at,
                "incident_id": "",
                "acknowledged_at": None if waited is None else at + timedelta(hours=waited),
            }
            session.add(AlertRow(**{**known, **fields}))
