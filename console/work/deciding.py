"""Taking a decision: checked against all that happened, written to the ledger, and handed to the outbox."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy.orm import Session

from console.storage import ledger, standing
from console.storage.standing import UnknownAlert
from console.storage.tables import AlertRow, Outgoing
from models.alert import Severity, decode_alert
from models.decisions import Action, Decision, Disposition, NotAllowed, State, Work, check

TOPIC = "decisions"


class Overtaken(NotAllowed):
    """Somebody else decided about the alert since the person looked at it."""


class Told(Struct, kw_only=True, frozen=True):
    """The record on the topic `decisions`, keyed by `decision_id`; it may come more than once."""

    decision: Decision
    state: State
    """Where the alert stands after it."""
    disposition: Disposition | None
    """What came of the alert, as far as that is decided or proposed."""
    detector: str
    detector_version: int
    severity: Severity
    config_digest: str
    evidence: tuple[str, ...]
    """Event ids of the alert, so that whoever reads this needs no other topic to learn from it."""


def decide(
    session: Session,
    alert_id: str,
    action: Action,
    actor: str,
    at: datetime,
    *,
    looked_at: int | None = None,
    **fields: Any,
) -> tuple[Decision, Work]:
    """Take a decision in the session's transaction; it stands once that commits.

    Args:
        session: one that writes.
        alert_id: what it is about.
        action: what is done.
        actor: the account that does it; whether it may is not checked here.
        at: now.
        looked_at: `AlertRow.decisions` when the person saw the alert, to notice that somebody was faster.
        fields: `text`, `disposition`, `assignee`, `until`, `into`, `undoes`, as the action needs.

    Raises:
        UnknownAlert: there is no such alert, or none with which to merge.
        NotAllowed: the decision cannot be taken now; Overtaken when somebody decided meanwhile.
    """
    ledger.lock(session)
    row = session.get(AlertRow, alert_id, populate_existing=True)
    if row is None:
        raise UnknownAlert(f"there is no alert {alert_id}")
    if looked_at is not None and looked_at != row.decisions:
        raise Overtaken("somebody decided about this alert while you were looking at it: read it again")
    into = fields.get("into")
    if into is not None and session.get(AlertRow, into) is None:
        raise UnknownAlert(f"there is no alert {into} with which to merge")
    decision = _decision(alert_id, action, actor, at, fields)
    work = check(standing.history(session, alert_id), decision)
    ledger.append(session, "silence" if action == "snooze" else "decision", actor, decision, at)
    standing.stand(session, alert_id)
    if action in ("merge", "undo"):
        standing.regroup(session, [alert_id])
        session.refresh(row)
    alert = decode_alert(row.record)
    told = Told(
        decision=decision,
        state=work.state,
        disposition=work.disposition,
        detector=alert.detector,
        detector_version=alert.detector_version,
        severity=alert.severity,
        config_digest=alert.config_digest,
        evidence=alert.evidence,
    )
    session.add(Outgoing(topic=TOPIC, key=decision.decision_id, value=msgspec.json.encode(told), at=at))
    return decision, work


def _decision(alert_id: str, action: Action, actor: str, at: datetime, fields: dict[str, Any]) -> Decision:
    """The record. Raises NotAllowed when a field is none that it can hold."""
    given = {name: value for name, value in fields.items() if value is not None}
    try:
        return msgspec.convert(
            {
                **given,
                "decision_id": secrets.token_hex(16),
                "alert_id": alert_id,
                "action": action,
                "actor": actor,
                "at": at,
            },
            Decision,
        )
    except msgspec.ValidationError as error:
        raise NotAllowed(f"the decision cannot be kept: {error}") from None
