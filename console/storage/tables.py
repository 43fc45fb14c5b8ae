"""The tables of what arrives and of the work on it; those of accounts are in `console.access.tables`.

The ledger is the primary record. `alerts`, `decisions` and `merges` are a fold over it and can be
made anew; `searches` is a fold over the topic of that name.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, LargeBinary, SmallInteger, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from console.storage.base import Base

#: SQLite numbers rows by itself only where the key is a plain INTEGER.
Counter = BigInteger().with_variant(Integer, "sqlite")


def _later() -> ForeignKey:
    """An alert that has to be there at the commit: a rebuild makes alerts in any order."""
    return ForeignKey("alerts.alert_id", deferrable=True, initially="DEFERRED")


class Entry(Base):
    """One entry of the ledger; see `models.ledger`. Never changed, never deleted: triggers refuse it."""

    __tablename__ = "ledger"

    seq: Mapped[int] = mapped_column(Counter, primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(16))
    actor: Mapped[str] = mapped_column(String(128))
    alert_id: Mapped[str | None] = mapped_column(String(32))
    """The alert it speaks of, taken from the body to find its entries."""
    body: Mapped[bytes] = mapped_column(LargeBinary)
    """Canonical JSON."""
    content: Mapped[str] = mapped_column(String(64))
    previous: Mapped[str] = mapped_column(String(64))
    digest: Mapped[str] = mapped_column(String(64))

    __table_args__ = (Index(None, "alert_id", "seq"), Index(None, "kind", "seq"), Index(None, "actor", "seq"))


class AlertRow(Base):
    """The last version of an alert, and where the work on it stands."""

    __tablename__ = "alerts"

    alert_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    detector: Mapped[str] = mapped_column(String(128))
    kind: Mapped[str] = mapped_column(String(16))
    entity_kind: Mapped[str] = mapped_column(String(16))
    entity: Mapped[str] = mapped_column(Text)
    agency_id: Mapped[str | None] = mapped_column(String(128))
    unit_id: Mapped[str | None] = mapped_column(String(128))
    window_start: Mapped[datetime]
    window_end: Mapped[datetime]
    first_seen: Mapped[datetime]
    decided_at: Mapped[datetime]
    status: Mapped[str] = mapped_column(String(16))
    severity: Mapped[str] = mapped_column(String(16))
    severity_rank: Mapped[int] = mapped_column(SmallInteger)
    """Place of the severity in `models.alert.SEVERITIES`, 0 to 4."""
    p_value: Mapped[float | None]
    score: Mapped[float]
    observed: Mapped[float | None]
    expected: Mapped[float | None]
    interval_low: Mapped[float | None]
    interval_high: Mapped[float | None]
    clause: Mapped[str | None] = mapped_column(String(128))
    evidence_count: Mapped[int]
    explanation: Mapped[str] = mapped_column(Text)
    detector_version: Mapped[int]
    config_digest: Mapped[str] = mapped_column(String(64))
    record: Mapped[bytes] = mapped_column(LargeBinary)
    """The whole alert as `models.alert.encode_alert` writes it, evidence included."""

    versions: Mapped[int] = mapped_column(default=1)
    """How many different records of this id have arrived."""
    arrived_at: Mapped[datetime]
    """When the console had the first of them."""
    changed_at: Mapped[datetime]
    """When it had the last of them."""
    incident_id: Mapped[str] = mapped_column(String(32))
    """The alert_id of the earliest alert of its incident."""

    work_state: Mapped[str] = mapped_column(String(16), default="new")
    """A `models.decisions.State`. A snooze that is over shows in `snoozed_until` and `resting` only."""
    resting: Mapped[str | None] = mapped_column(String(16))
    """The state below a snooze."""
    open: Mapped[bool] = mapped_column(default=True)
    """Neither closed nor withdrawn."""
    assignee: Mapped[str | None] = mapped_column(String(128))
    acknowledged_at: Mapped[datetime | None]
    question: Mapped[str | None] = mapped_column(Text)
    """What the department has been asked and has not answered yet."""
    snoozed_until: Mapped[datetime | None]
    disposition: Mapped[str | None] = mapped_column(String(32))
    """Proposed or decided."""
    disposed_by: Mapped[str | None] = mapped_column(String(128))
    """The first person."""
    confirmed_by: Mapped[str | None] = mapped_column(String(128))
    """The second person, where one is needed."""
    reason: Mapped[str | None] = mapped_column(Text)
    closed_at: Mapped[datetime | None]
    decisions: Mapped[int] = mapped_column(default=0)
    """How many have been taken, undone ones too: the web shows it to notice that somebody else was faster."""

    __table_args__ = (
        Index("ix_alerts_worst", "severity_rank", "score", "decided_at", "alert_id"),
        Index("ix_alerts_open", "open", "severity_rank", "score", "decided_at", "alert_id"),
        Index("ix_alerts_state", "work_state", "severity_rank", "score", "decided_at", "alert_id"),
        Index("ix_alerts_unit", "unit_id", "severity_rank", "score", "decided_at", "alert_id"),
        Index("ix_alerts_detector", "detector", "severity_rank", "score", "decided_at", "alert_id"),
        Index("ix_alerts_agency", "agency_id", "severity_rank", "score", "decided_at", "alert_id"),
        Index("ix_alerts_entity", "agency_id", "entity_kind", "entity"),
        Index("ix_alerts_named", "entity", "severity_rank", "score", "decided_at", "alert_id"),
        Index("ix_alerts_incident", "incident_id"),
        # With what a page is sorted by: some thousands of a week are sorted without reading them.
        Index(
            "ix_alerts_decided", "decided_at", "severity_rank", "score", "alert_id", "incident_id", "unit_id"
        ),
        Index("ix_alerts_changed", "changed_at"),
    )


class DecisionRow(Base):
    """One decision about an alert, as it was taken; an undo is one more."""

    __tablename__ = "decisions"

    decision_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    seq: Mapped[int] = mapped_column(Counter)
    """Its entry in the ledger."""
    alert_id: Mapped[str] = mapped_column(ForeignKey("alerts.alert_id"))
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(128))
    action: Mapped[str] = mapped_column(String(16))
    text: Mapped[str | None] = mapped_column(Text)
    """The reason, comment, question or answer."""
    disposition: Mapped[str | None] = mapped_column(String(32))
    assignee: Mapped[str | None] = mapped_column(String(128))
    until: Mapped[datetime | None]
    into: Mapped[str | None] = mapped_column(String(32))
    undoes: Mapped[str | None] = mapped_column(String(32))

    __table_args__ = (
        Index(None, "alert_id", "seq"),
        Index(None, "actor", "seq"),
        Index(None, "action", "seq"),
    )


class Merge(Base):
    """Two alerts that staff say belong to one incident, laid over what time and entity say."""

    __tablename__ = "merges"

    alert_id: Mapped[str] = mapped_column(_later(), primary_key=True)
    into: Mapped[str] = mapped_column(_later(), primary_key=True, index=True)


class SearchRow(Base):
    """A search as it came from ingest; fields as in `models.search.Search`."""

    __tablename__ = "searches"

    event_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    event_time: Mapped[datetime] = mapped_column(index=True)
    source_id: Mapped[str] = mapped_column(String(128))
    requester_id: Mapped[str] = mapped_column(String(128))
    agency_id: Mapped[str] = mapped_column(String(128))
    unit_id: Mapped[str] = mapped_column(String(128))
    tool: Mapped[str] = mapped_column(String(128))
    gallery: Mapped[str] = mapped_column(String(128))
    purpose: Mapped[str] = mapped_column(String(128))
    image_source: Mapped[str] = mapped_column(String(16))
    case_number: Mapped[str | None] = mapped_column(String(128))
    subject_ref: Mapped[str | None] = mapped_column(String(128))
    workstation_id: Mapped[str | None] = mapped_column(String(128))
    incident_area: Mapped[str | None] = mapped_column(String(128))
    reason_text: Mapped[str | None] = mapped_column(Text)
    candidates_returned: Mapped[int | None]
    lead_issued: Mapped[bool | None]
    corroborated: Mapped[bool | None]
    arrest_made: Mapped[bool | None]
    late: Mapped[bool] = mapped_column(default=False)
    """Came too late to be counted."""
    record: Mapped[bytes] = mapped_column(LargeBinary)
    """The whole search as `models.search.encode_search` writes it."""

    __table_args__ = (
        Index(None, "agency_id", "event_time"),
        Index(None, "requester_id", "event_time"),
        Index(None, "unit_id", "event_time"),
        Index(None, "tool", "event_time"),
        Index(None, "subject_ref", "event_time"),
        Index(None, "source_id", "event_time"),
    )


class Offset(Base):
    """Up to where a partition has been read, kept in the transaction of what was read."""

    __tablename__ = "offsets"

    topic: Mapped[str] = mapped_column(String(255), primary_key=True)
    partition: Mapped[int] = mapped_column(primary_key=True)
    next_offset: Mapped[int] = mapped_column(BigInteger)


class RefusalRow(Base):
    """A record from Kafka that could not be read, kept whole."""

    __tablename__ = "refusals"

    topic: Mapped[str] = mapped_column(String(255), primary_key=True)
    partition: Mapped[int] = mapped_column(primary_key=True)
    offset: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    at: Mapped[datetime]
    reason: Mapped[str] = mapped_column(Text)
    payload: Mapped[bytes] = mapped_column(LargeBinary)


class SilenceRow(Base):
    """A silence that Alertmanager holds for an alert, see `console.silencing`."""

    __tablename__ = "silences"

    alert_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    silence_id: Mapped[str] = mapped_column(String(64))
    until: Mapped[datetime]
    author: Mapped[str] = mapped_column(String(128))
    reason: Mapped[str] = mapped_column(Text)


class Outgoing(Base):
    """A message that has to reach Kafka at least once."""

    __tablename__ = "outbox"

    number: Mapped[int] = mapped_column(Counter, primary_key=True, autoincrement=True)
    topic: Mapped[str] = mapped_column(String(255))
    """Its logical name."""
    key: Mapped[str] = mapped_column(String(128))
    value: Mapped[bytes] = mapped_column(LargeBinary)
    at: Mapped[datetime]
    sent_at: Mapped[datetime | None]

    __table_args__ = (Index(None, "sent_at", "number"),)
