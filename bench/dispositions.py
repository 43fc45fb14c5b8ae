"""What staff who knew a simulation's labels would decide about its alerts, to try out what learns of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from bench.evaluation import Evaluation, between, latest
from models.alert import Alert
from models.decisions import TWO_PEOPLE, Action, Decision, Disposition

#: Who decides, and who seconds it.
FIRST, SECOND = "simulated-reviewer", "simulated-supervisor"
#: From the alert to either.
AFTER = timedelta(days=1)


def dispositions(
    alerts: Iterable[Alert],
    evaluation: Evaluation,
    first: datetime | None = None,
    last: datetime | None = None,
) -> Iterator[Decision]:
    """Every alert of an evaluation from `first` to `last` (exclusive) closed, by two people where it takes
    them: confirmed when it is about an incident, and else a false alarm."""
    false = {one.alert_id for one in (*evaluation.false_alerts, *evaluation.false_policy)}
    for record in latest(alerts):
        alert = record.alert
        if not between(alert.window_end, first, last):
            continue
        wrong = alert.alert_id in false
        text = "about no labelled incident" if wrong else "about a labelled incident"
        yield _decision(alert, "dispose", FIRST, 1, text, "false_alarm" if wrong else "confirmed")
        if alert.severity in TWO_PEOPLE:
            yield _decision(alert, "confirm", SECOND, 2, text)


def _decision(
    alert: Alert, action: Action, actor: str, days: int, text: str, what: Disposition | None = None
) -> Decision:
    return Decision(
        decision_id=hashlib.sha256(f"{alert.alert_id} {action}".encode()).hexdigest()[:32],
        alert_id=alert.alert_id,
        at=alert.decided_at + days * AFTER,
        actor=actor,
        action=action,
        text=text,
        disposition=what,
    )
