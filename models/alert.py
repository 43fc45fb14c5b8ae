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
EntityKind = Literal["requester", "unit", "area", "agency", "tool", "subject", "case", "source"]

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
    """Identity, the key on the topic `alerts`; a later record of the same id replaces it."""
    detector: str
    """Name of the stanza in `config/detectors.yaml`."""
    kind: Kind
    """A rule was broken, or a habit."""
    entity_kind: EntityKind
    """What the alert is about."""
    entity: str
    """Which one: a pseudonym or a name."""
    agency_id: str | None
    """The agency; none for a source that is not declared for one."""
    unit_id: str | None
    """The unit, where there is one."""
    window_start: Instant
    """Begin of the time that was judged."""
    window_end: Instant
    """Its end."""
    first_seen: Instant
    """The first search that belongs to it, or the begin of a silence."""
    decided_at: Instant
    """Event time at which it was first decided; amendments and withdrawals keep it. Never the wall clock."""
    status: Status
    """Whether the window is complete, see `docs/oversight.md`."""
    severity: Severity
    """How much it weighs, see `docs/oversight.md`."""
    p_value: float | None
    """Chance under normal use; none for a rule and for a gap in numbers, which need no statistics."""
    score: float
    """-ln p: 0 for a rule; two alerts can be ranked by it."""
    observed: float | None
    """What was counted."""
    expected: float | None
    """What normal use would give."""
    interval: tuple[float, float] | None
    """Where normal use would lie in 95 of 100 cases."""
    clause: str | None
    """Id of the clause of `config/policy/` that was broken."""
    evidence: tuple[str, ...]
    """Ids of the searches, at most 50."""
    evidence_count: int
    """How many there are in all."""
    explanation: str
    """One sentence that says all this."""
    detector_version: int
    """Goes up when the same searches would give another alert."""
    config_digest: str
    """The configuration that was in force, as `./probewatch config check` prints it."""


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
