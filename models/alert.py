"""What a detector finds, and the alert that outside programs read.

A `Finding` is a detector's statement about one entity and one window. The engine turns it into
an `Alert` by giving it an identity that does not depend on arrival order or on restarts, a status
and the digest of the configuration that was in force.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

Status = Literal["provisional", "final", "amended", "withdrawn"]
Severity = Literal["info", "low", "medium", "high", "critical"]
Kind = Literal["policy", "anomaly"]
EntityKind = Literal["requester", "unit", "agency", "tool", "subject", "case", "source"]

#: Most event ids an alert carries; `evidence_count` always has the full number.
MAX_EVIDENCE = 50
SEVERITIES: tuple[Severity, ...] = ("info", "low", "medium", "high", "critical")

Instant = Annotated[datetime, Meta(tz=True)]


class Finding(Struct, kw_only=True, frozen=True):
    """One detector's statement. Times are epoch seconds (UTC).

    `p_value` lies in (0, 1] and is None for policy clauses; `score` is -ln p, or 0.
    `interval` is the central 95% range expected under normal use, in the unit of `observed`.
    `evidence` holds the event ids in event-time order, all of them: the engine caps it.
    `evidence_count` is given only when the window reaches further back than the ids at hand.
    `explanation` is one sentence a commissioner understands.
    """

    entity_kind: EntityKind
    entity: str
    unit_id: str | None = None
    window_start: float
    window_end: float
    first_seen: float
    severity: Severity
    explanation: str
    evidence: tuple[str, ...]
    evidence_count: int | None = None
    p_value: float | None = None
    score: float = 0.0
    observed: float | None = None
    expected: float | None = None
    interval: tuple[float, float] | None = None
    clause: str | None = None
    decided_at: float | None = None
    """When the facts were complete; None means when the window closed."""
    opened: float | None = None
    """What the identity hangs on when it is not the day of the finding."""


class Alert(Struct, kw_only=True, frozen=True):
    """The record on the `alerts` topic, one JSON object, keyed by `alert_id`."""

    alert_id: str
    detector: str
    kind: Kind
    entity_kind: EntityKind
    entity: str
    agency_id: str | None
    unit_id: str | None
    window_start: Instant
    window_end: Instant
    first_seen: Instant
    decided_at: Instant
    status: Status
    severity: Severity
    p_value: float | None
    score: float
    observed: float | None
    expected: float | None
    interval: tuple[float, float] | None
    clause: str | None
    evidence: tuple[str, ...]
    evidence_count: int
    explanation: str
    detector_version: int
    config_digest: str


def alert_id(detector: str, agency_id: str | None, entity: str, clause: str | None, opened: float) -> str:
    """A stable identity: the same finding always gets the same 32 hexadecimal digits.

    `opened` is the start (epoch seconds) of the day on which the episode began.
    """
    parts = (detector, agency_id or "", entity, clause or "", f"{opened:.6f}")
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def encode_alert(alert: Alert) -> bytes:
    """The alert as one line of JSON; equal alerts give equal bytes."""
    return _encoder.encode(alert)


def decode_alert(raw: bytes) -> Alert:
    """Read an alert back. Raises `msgspec.ValidationError` when the record is not one."""
    return _decoder.decode(raw)


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Alert)
