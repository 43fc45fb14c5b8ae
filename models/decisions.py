"""The work of staff on an alert: what a decision is, which may follow which, and what they amount to.

Where an alert stands is a fold over its events in the order of the ledger: the versions in which it
arrived, and the decisions about it. Nothing is ever taken back: an undo is one more decision, and the
state after it is that of the events without the one that it undoes.

High and critical alerts take two people: the first proposes a disposition, another confirms it. An alert
that grows after it was closed or proposed, in weight or in evidence, is new work: nobody has judged what
it says now.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from models.alert import SEVERITIES, Alert, Severity, Status

Action = Literal[
    "acknowledge", "assign", "comment", "ask", "answer", "snooze", "dispose", "confirm", "reject", "merge",
    "undo",
]  # fmt: skip
Disposition = Literal["confirmed", "explained", "false_alarm", "needs_policy_change"]
State = Literal["new", "acknowledged", "asked", "snoozed", "proposed", "closed"]

#: Severities whose alerts take two people.
TWO_PEOPLE: frozenset[Severity] = frozenset({"high", "critical"})
#: Longest snooze: an alert that nobody wants to see again is to be disposed of, by two people if it is high.
MOST_SNOOZE = timedelta(days=92)
#: Longest reason, comment, question or answer, characters.
MOST_TEXT = 4000

Text = Annotated[str, Meta(min_length=1, max_length=MOST_TEXT)]
Name = Annotated[str, Meta(min_length=1, max_length=128)]
Identity = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
Instant = Annotated[datetime, Meta(tz=True)]


class Decision(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What one person decided about one alert; the record on the topic `decisions`."""

    decision_id: Identity
    alert_id: Name
    at: Instant
    """When it was taken, by the console's clock."""
    actor: Name
    """The account that took it."""
    action: Action
    text: Text | None = None
    """The reason, the comment, the question to the department or its answer."""
    disposition: Disposition | None = None
    assignee: Name | None = None
    """Who is to look after it; none takes the assignment away."""
    until: Instant | None = None
    """When a snooze ends."""
    into: Name | None = None
    """An alert with which this one makes one incident."""
    undoes: Identity | None = None
    """The decision that is undone."""


class Seen(Struct, kw_only=True, frozen=True):
    """A version of the alert that arrived."""

    severity: Severity
    status: Status
    evidence_count: int

    @classmethod
    def of(cls, alert: Alert) -> Seen:
        """What of a version bears on the work."""
        return cls(severity=alert.severity, status=alert.status, evidence_count=alert.evidence_count)


Event = Seen | Decision


class Work(Struct, kw_only=True, frozen=True):
    """Where the work on an alert stands."""

    state: State = "new"
    resting: State | None = None
    """The state below a snooze."""
    severity: Severity = "info"
    """The highest that any version had."""
    status: Status = "provisional"
    evidence_count: int = 0
    """The most that any version had."""
    assignee: str | None = None
    acknowledged_at: datetime | None = None
    question: str | None = None
    """Asked and not answered yet."""
    snoozed_until: datetime | None = None
    disposition: Disposition | None = None
    disposed_by: str | None = None
    """The first person."""
    confirmed_by: str | None = None
    """The second person, where one is needed."""
    reason: str | None = None
    closed_at: datetime | None = None
    merged: tuple[str, ...] = ()
    """Alerts with which staff say it makes one incident."""

    @property
    def two_people(self) -> bool:
        """Whether closing it takes a second person."""
        return self.severity in TWO_PEOPLE

    @property
    def open(self) -> bool:
        """Whether somebody has to do something about it, now or after a snooze."""
        return self.state != "closed" and self.status != "withdrawn"

    def state_at(self, now: datetime) -> State:
        """The state at a moment: a snooze that is over has left what was before."""
        if self.state == "snoozed" and self.snoozed_until is not None and self.snoozed_until <= now:
            return self.resting or "new"
        return self.state


class NotAllowed(ValueError):
    """A decision that cannot be taken now; the text says why to the person who wanted to."""


#: What an action needs besides its author, as sentences for the one who left it out.
_NEEDS: dict[Action, dict[str, str]] = {
    "comment": {"text": "a comment says something"},
    "ask": {"text": "a question to the department has words"},
    "answer": {"text": "write down what the department answered"},
    "snooze": {"until": "say until when it may rest", "text": "say why it may rest"},
    "dispose": {"disposition": "say what came of it", "text": "a disposition has a reason"},
    "reject": {"text": "say why the disposition does not hold"},
    "merge": {"into": "say with which alert it belongs together", "text": "say why they belong together"},
    "undo": {"undoes": "say which decision is undone", "text": "say why it is undone"},
}
#: Where an action may be taken; all others are allowed in any state.
_FROM: dict[Action, frozenset[State]] = {
    "acknowledge": frozenset({"new", "snoozed"}),
    "assign": frozenset({"new", "acknowledged", "asked", "snoozed", "proposed"}),
    "ask": frozenset({"new", "acknowledged", "snoozed"}),
    "answer": frozenset({"asked"}),
    "snooze": frozenset({"new", "acknowledged", "asked"}),
    "dispose": frozenset({"new", "acknowledged", "asked", "snoozed"}),
    "confirm": frozenset({"proposed"}),
    "reject": frozenset({"proposed"}),
}
#: What an alert is called in a state, for a sentence.
_CALLED: dict[State, str] = {
    "new": "has not been acknowledged",
    "acknowledged": "is being looked into",
    "asked": "waits for the department's answer",
    "snoozed": "is snoozed",
    "proposed": "waits for a second person",
    "closed": "is closed",
}


def allowed(work: Work, actor: str, now: datetime) -> frozenset[Action]:
    """What a person may do about an alert now, as far as the state tells; `undo` is left out."""
    state = work.state_at(now)
    able = {action for action in _ACTIONS if state in _FROM.get(action, _EVERYWHERE)} - {"undo"}
    if actor == work.disposed_by:
        able -= {"confirm"}
    return frozenset(able)


def check(events: Sequence[Event], decision: Decision) -> Work:
    """Where an alert stands once a decision is taken, after all that happened to it before.

    Raises:
        NotAllowed: it cannot be taken.
    """
    for name, sentence in _NEEDS.get(decision.action, {}).items():
        value = getattr(decision, name)
        if value is None or (isinstance(value, str) and not value.strip()):
            raise NotAllowed(sentence)
    if decision.action == "undo":
        _check_undo(events, decision)
    else:
        _check_action(fold(events), decision)
    return fold([*events, decision])


def fold(events: Iterable[Event]) -> Work:
    """Where an alert stands after these events, in the order of the ledger."""
    events = tuple(events)
    undone = {event.undoes for event in events if isinstance(event, Decision) and event.action == "undo"}
    work = Work()
    for event in events:
        if isinstance(event, Seen):
            work = _seen(work, event)
        elif event.action != "undo" and event.decision_id not in undone:
            work = _decided(work, event)
    return work


def undoable(events: Iterable[Event]) -> tuple[Decision, ...]:
    """The decisions that may be undone: those that stand and on which no later one rests.

    Comments and merges rest on nothing. Assignments rest on the one before, and so do all other actions,
    which move the alert from state to state.
    """
    decisions = [event for event in events if isinstance(event, Decision)]
    undone = {decision.undoes for decision in decisions}
    latest: dict[str, Decision] = {}
    for one in decisions:
        if one.action != "undo" and one.decision_id not in undone:
            track = {"comment": one.decision_id, "merge": one.decision_id, "assign": "assign"}
            latest[track.get(one.action, "state")] = one
    return tuple(latest.values())


def encode_decision(decision: Decision) -> bytes:
    """The decision as one line of JSON."""
    return _encoder.encode(decision)


def decode_decision(raw: bytes) -> Decision:
    """Read a decision back. Raises `msgspec.ValidationError` when the record is not one."""
    return _decoder.decode(raw)


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Decision)
_ACTIONS: frozenset[Action] = frozenset(get_args(Action))
_EVERYWHERE: frozenset[State] = frozenset(get_args(State))


def _check_undo(events: Sequence[Event], decision: Decision) -> None:
    able = undoable(events)
    if any(one.decision_id == decision.undoes for one in able):
        return
    said = ", ".join(f"{one.action} by {one.actor}" for one in able) or "nothing"
    raise NotAllowed(f"this decision cannot be undone, because others followed it; what can be: {said}")


def _check_action(work: Work, decision: Decision) -> None:
    state = work.state_at(decision.at)
    if state not in _FROM.get(decision.action, _EVERYWHERE):
        raise NotAllowed(f"the alert {_CALLED[state]}: it cannot be given the decision {decision.action} now")
    if decision.action == "confirm" and decision.actor == work.disposed_by:
        raise NotAllowed("who proposed a disposition cannot confirm it: a second person has to")
    if decision.action == "snooze" and decision.until is not None:
        if decision.until <= decision.at:
            raise NotAllowed("a snooze ends in the future")
        if decision.until - decision.at > MOST_SNOOZE:
            raise NotAllowed(f"an alert may rest for {MOST_SNOOZE.days} days at most")
    if decision.action == "merge" and decision.into in (decision.alert_id, *work.merged):
        raise NotAllowed("these are already one incident")


def _seen(work: Work, seen: Seen) -> Work:
    """A version arrived. What is more than was judged has to be judged."""
    rank = SEVERITIES.index
    more = rank(seen.severity) > rank(work.severity) or seen.evidence_count > work.evidence_count
    changed = msgspec.structs.replace(
        work,
        severity=max(seen.severity, work.severity, key=rank),
        status=seen.status,
        evidence_count=max(seen.evidence_count, work.evidence_count),
    )
    if more and work.state in ("proposed", "closed"):
        return _undecided(changed, "new")
    if more and work.state == "snoozed" and rank(seen.severity) > rank(work.severity):
        return msgspec.structs.replace(changed, state=work.resting or "new", resting=None, snoozed_until=None)
    return changed


def _undecided(work: Work, state: State) -> Work:
    return msgspec.structs.replace(
        work, state=state, disposition=None, disposed_by=None, confirmed_by=None, reason=None, closed_at=None
    )


def _decided(work: Work, decision: Decision) -> Work:
    """A decision that was allowed when it was taken."""
    state = work.state_at(decision.at)
    if state != work.state:
        work = msgspec.structs.replace(work, state=state, resting=None, snoozed_until=None)
    awake = {"resting": None, "snoozed_until": None}
    first = {"acknowledged_at": work.acknowledged_at or decision.at}
    match decision.action:
        case "acknowledge":
            # Waking a snoozed alert does not answer the question that was asked before.
            state = "asked" if work.question is not None else "acknowledged"
            return msgspec.structs.replace(work, state=state, **awake, **first)
        case "assign":
            return msgspec.structs.replace(work, assignee=decision.assignee)
        case "ask":
            return msgspec.structs.replace(work, state="asked", question=decision.text, **awake, **first)
        case "answer":
            return msgspec.structs.replace(work, state="acknowledged", question=None)
        case "snooze":
            return msgspec.structs.replace(
                work, state="snoozed", resting=work.state, snoozed_until=decision.until, **first
            )
        case "dispose":
            disposed = msgspec.structs.replace(
                work,
                disposition=decision.disposition,
                disposed_by=decision.actor,
                reason=decision.text,
                **awake,
                **first,
            )
            if work.two_people:
                return msgspec.structs.replace(disposed, state="proposed")
            return msgspec.structs.replace(disposed, state="closed", question=None, closed_at=decision.at)
        case "confirm":
            # Checked again: what a ledger says is not believed against this rule.
            if decision.actor == work.disposed_by or work.state != "proposed":
                return work
            return msgspec.structs.replace(
                work, state="closed", question=None, confirmed_by=decision.actor, closed_at=decision.at
            )
        case "reject":
            return _undecided(work, "asked" if work.question is not None else "acknowledged")
        case "merge":
            return msgspec.structs.replace(work, merged=(*work.merged, decision.into))
    return work
