"""The work on an alert as its page shows it: where it stands, what happened, what may be done now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy.orm import Session

from console.storage import ledger
from console.storage.standing import happened
from models.alert import Alert
from models.decisions import Action, Decision, State, Work, allowed, fold, undoable

#: So many of a list are told in words; the entry itself has all.
FEW = 5
#: What a disposition means.
DISPOSITIONS = {
    "confirmed": "confirmed: a rule was broken or the system was misused",
    "explained": "explained: it looked unusual and was in order",
    "false_alarm": "false alarm: the program was wrong or the log was",
    "needs_policy_change": "needs a change of policy: the rule is unclear or missing",
}
#: What an alert is called while it stands somewhere.
STATES: dict[State, str] = {
    "new": "new",
    "acknowledged": "looked into",
    "asked": "department asked",
    "snoozed": "resting",
    "proposed": "waits for a second person",
    "closed": "closed",
}
_DONE: dict[Action, str] = {
    "acknowledge": "acknowledged",
    "assign": "assigned",
    "comment": "commented",
    "ask": "asked the department",
    "answer": "recorded the department's answer",
    "snooze": "let it rest",
    "dispose": "disposed",
    "confirm": "confirmed the disposition",
    "reject": "rejected the disposition",
    "merge": "merged",
    "undo": "undid a decision",
}


@dataclass(frozen=True)
class Happened:
    """One thing that happened to an alert: a version that arrived, or a decision."""

    seq: int
    at: datetime
    actor: str
    what: str
    text: str | None = None
    undone: bool = False


@dataclass(frozen=True)
class Standing:
    """Where the work stands at a moment, for one person."""

    work: Work
    state: State
    history: Sequence[Happened]
    allowed: frozenset[Action]
    undoable: Sequence[Decision]

    @property
    def called(self) -> str:
        """The state in words."""
        return STATES[self.state]


def standing(session: Session, alert_id: str, actor: str, now: datetime) -> Standing:
    """The work on an alert as `actor` finds it."""
    entries = ledger.about(session, alert_id)
    events = happened(entries)
    work = fold(events)
    undone = {one.undoes for one in events if isinstance(one, Decision) and one.undoes is not None}
    history = []
    for entry in entries:
        if entry.kind == "alert":
            alert = msgspec.convert(entry.body, Alert)
            words = f"the program told it: {alert.status}, {alert.severity}"
            history.append(Happened(entry.seq, entry.at, "", words, alert.explanation))
        elif entry.kind in ("decision", "silence"):
            one = msgspec.convert(entry.body, Decision)
            history.append(
                Happened(entry.seq, entry.at, one.actor, _words(one), one.text, one.decision_id in undone)
            )
        elif entry.kind == "access":
            history.append(Happened(entry.seq, entry.at, str(entry.actor), "took the evidence along"))
    state = work.state_at(now)
    return Standing(work, state, history, allowed(work, actor, now), undoable(events))


def words_of_entry(kind: str, raw: bytes) -> str:
    """What an entry of the ledger says, for people; `raw` is its body."""
    body = msgspec.json.decode(raw)
    if kind == "alert":
        return f"the program told an alert ({body['status']}, {body['severity']}): {body['explanation']}"
    if kind in ("decision", "silence"):
        one = msgspec.convert(body, Decision)
        return f"{_words(one)}: {one.text}" if one.text else _words(one)
    if kind == "configuration" and "packs" in body:
        clauses = sum(len(pack["clauses"]) for pack in body["packs"])
        return f"configuration {body['config_digest']} is in force, with {clauses} clauses of policy"
    told = sorted(body.items(), key=lambda one: one[0] != "what")  # what was done before how
    return ", ".join(f"{name.replace('_', ' ')}: {_plain(value)}" for name, value in told)


def _plain(value: object) -> str:
    if isinstance(value, list):
        more = [f"{len(value) - FEW} more"] if len(value) > FEW else []
        return ", ".join([*map(str, value[:FEW]), *more]) or "none"
    return "none" if value is None else str(value)


def words_of(decision: Decision) -> str:
    """A decision in a few words, as on a button that undoes it."""
    return f"{_DONE[decision.action]} ({decision.actor})"


def _words(one: Decision) -> str:
    match one.action:
        case "assign":
            return f"assigned to {one.assignee}" if one.assignee else "took the assignment away"
        case "dispose":
            return f"disposed: {one.disposition}"
        case "snooze" if one.until is not None:
            return f"let it rest until {one.until:%Y-%m-%d %H:%M} UTC"
        case "merge":
            return f"merged with {one.into}"
    return _DONE[one.action]
