"""Alerts, incidents and the work on them as programs get them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from pydantic import AwareDatetime, BaseModel, ConfigDict

from console.reading.work import Standing
from console.storage.tables import AlertRow
from models.alert import EntityKind, Kind, Severity, Status, decode_alert
from models.decisions import Action, Disposition, State, Work


class AlertRecord(BaseModel):
    """An alert as it stands on the topic `alerts`; see docs/oversight.md for the fields."""

    model_config = ConfigDict(from_attributes=True)

    alert_id: str
    detector: str
    kind: Kind
    entity_kind: EntityKind
    entity: str
    agency_id: str | None
    unit_id: str | None
    window_start: AwareDatetime
    window_end: AwareDatetime
    first_seen: AwareDatetime
    decided_at: AwareDatetime
    status: Status
    severity: Severity
    p_value: float | None
    score: float
    observed: float | None
    expected: float | None
    interval: tuple[float, float] | None
    clause: str | None
    evidence: list[str]
    evidence_count: int
    explanation: str
    detector_version: int
    config_digest: str


class WorkRecord(BaseModel):
    """Where the work on an alert stands. `state` is what it is now: a snooze that is over does not show."""

    state: State
    open: bool
    incident_id: str
    assignee: str | None
    acknowledged_at: AwareDatetime | None
    question: str | None
    snoozed_until: AwareDatetime | None
    disposition: Disposition | None
    disposed_by: str | None
    confirmed_by: str | None
    reason: str | None
    closed_at: AwareDatetime | None
    decisions: int
    """How many have been taken: send it as `looked_at` to notice that somebody was faster."""


class AlertOut(BaseModel):
    """An alert and the work on it."""

    alert: AlertRecord
    work: WorkRecord


class DecisionRecord(BaseModel):
    """One decision, as on the topic `decisions`."""

    model_config = ConfigDict(from_attributes=True)

    decision_id: str
    alert_id: str
    at: AwareDatetime
    actor: str
    action: Action
    text: str | None = None
    disposition: Disposition | None = None
    assignee: str | None = None
    until: AwareDatetime | None = None
    into: str | None = None
    undoes: str | None = None


class OneAlert(AlertOut):
    """An alert with all decisions about it, and what may be done now."""

    decided: list[DecisionRecord]
    allowed: list[Action]


class IncidentOut(BaseModel):
    """Alerts that belong together; `matching` of them fit the filter, the worst are listed."""

    incident_id: str
    matching: int
    alerts: list[AlertOut]


class Alerts(BaseModel):
    """A page of incidents, the worst first; `following` is the `after` of the next page."""

    incidents: list[IncidentOut]
    following: str | None


def out(row: AlertRow, now: datetime) -> AlertOut:
    """One row."""
    return AlertOut(alert=AlertRecord.model_validate(decode_alert(row.record)), work=_work(row, now))


def one(row: AlertRow, stands: Standing, decided: Sequence[Any], now: datetime) -> OneAlert:
    """One row with its history."""
    return OneAlert(
        **dict(out(row, now)),
        decided=[DecisionRecord.model_validate(decision) for decision in decided],
        allowed=sorted(stands.allowed),
    )


def _work(row: AlertRow, now: datetime) -> WorkRecord:
    known = {name: getattr(row, name) for name in WorkRecord.model_fields if name != "state"}
    work = msgspec.convert(
        {
            "state": row.work_state,
            "resting": row.resting,
            "snoozed_until": row.snoozed_until,
        },
        Work,
    )
    return WorkRecord(state=work.state_at(now), **known)
