"""The work on an alert: what may follow what, and what no sequence of decisions can do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from models.alert import SEVERITIES, Severity
from models.decisions import (
    MOST_SNOOZE,
    TWO_PEOPLE,
    Action,
    Decision,
    Event,
    NotAllowed,
    Seen,
    Work,
    allowed,
    check,
    decode_decision,
    encode_decision,
    fold,
    undoable,
)

AT = datetime(2026, 1, 1, tzinfo=UTC)
ALERT = "a" * 32
#: What closes and opens again is tried most.
OFTEN = ("dispose", "confirm", "undo", "dispose", "confirm", *get_args(Action))
PEOPLE = ("reviewer-1", "reviewer-2", "reviewer-3")


def seen(severity: Severity = "medium", evidence: int = 1, **fields: Any) -> Seen:
    return Seen(severity=severity, evidence_count=evidence, **{"status": "final", **fields})


def take(events: list[Event], action: Action, actor: str = "reviewer-1", **fields: Any) -> Work:
    """Take a decision with all that it needs, an hour after the one before; raises NotAllowed."""
    given: dict[str, Any] = {
        "decision_id": f"{len(events):032x}",
        "alert_id": ALERT,
        "at": AT + timedelta(hours=len(events)),
        "text": "because",
    }
    if action == "dispose":
        given["disposition"] = "explained"
    if action == "snooze":
        given["until"] = given["at"] + timedelta(days=3)
    if action == "merge":
        given["into"] = "b" * 32
    if action == "undo":
        given["undoes"] = undoable(events)[-1].decision_id if undoable(events) else "0" * 32
    decision = Decision(action=action, actor=actor, **(given | fields))
    work = check(events, decision)
    events.append(decision)
    return work


class Sequences(RuleBasedStateMachine):
    """Any people decide anything in any order while versions arrive; what is refused changes nothing."""

    @initialize(severity=st.sampled_from(SEVERITIES))
    def arrives(self, severity: Severity) -> None:
        self.events: list[Event] = [seen(severity)]
        self.now = AT
        self.number = 0

    @rule(
        action=st.sampled_from(OFTEN),
        actor=st.sampled_from(PEOPLE),
        hours=st.integers(0, 100),
        snooze=st.integers(1, 90),
        which=st.integers(0, 3),
    )
    def decides(self, action: Action, actor: str, hours: int, snooze: int, which: int) -> None:
        self.now += timedelta(hours=hours)
        self.number += 1
        fields: dict[str, Any] = {"at": self.now, "decision_id": f"{self.number:032x}"}
        if action == "snooze":
            fields["until"] = self.now + timedelta(days=snooze)
        if action == "merge":
            fields["into"] = f"{which:032x}"
        if action == "undo" and (able := undoable(self.events)):
            fields["undoes"] = able[which % len(able)].decision_id
        before, able_now = fold(self.events), allowed(fold(self.events), actor, self.now)
        try:
            after = take(self.events, action, actor, **fields)
        except NotAllowed:
            assert fold(self.events) == before
            assert action in ("undo", "merge") or action not in able_now
        else:
            assert after == fold(self.events)
            assert action == "undo" or action in able_now

    @rule(severity=st.sampled_from(SEVERITIES), evidence=st.integers(1, 4), gone=st.booleans())
    def grows(self, severity: Severity, evidence: int, gone: bool) -> None:
        self.events.append(seen(severity, evidence, status="withdrawn" if gone else "amended"))

    @precondition(lambda self: isinstance(self.events[-1], Decision) and self.events[-1].action != "undo")
    @rule(actor=st.sampled_from(PEOPLE))
    def undoing_the_last_gives_the_state_before(self, actor: str) -> None:
        last = self.events[-1]
        assert isinstance(last, Decision)
        before = fold(self.events[:-1])
        self.number += 1
        fields = {"decision_id": f"{self.number:032x}", "at": self.now, "undoes": last.decision_id}
        assert take(self.events, "undo", actor, **fields) == before

    @invariant()
    def what_weighs_much_is_closed_by_two(self) -> None:
        work = fold(self.events)
        heaviest = max((e.severity for e in self.events if isinstance(e, Seen)), key=SEVERITIES.index)
        if work.state == "closed" and heaviest in TWO_PEOPLE:
            deciders = {e.actor for e in self.events if isinstance(e, Decision)}
            assert work.confirmed_by in deciders and work.disposed_by in deciders
            assert work.confirmed_by != work.disposed_by

    @invariant()
    def the_fold_depends_on_nothing_else(self) -> None:
        again = [decode_decision(encode_decision(e)) if isinstance(e, Decision) else e for e in self.events]
        assert fold(again) == fold(self.events)

    @invariant()
    def it_is_disposed_when_it_says_so(self) -> None:
        work = fold(self.events)
        assert (work.disposition is not None) == (work.state in ("proposed", "closed"))
        assert (work.closed_at is not None) == (work.state == "closed")
        assert (work.resting is not None) == (work.state == "snoozed")


Sequences.TestCase.settings = settings(max_examples=300, stateful_step_count=20, deadline=None)
test_sequences = Sequences.TestCase


def test_one_person_closes_what_weighs_little() -> None:
    events: list[Event] = [seen("medium")]
    work = take(events, "dispose", disposition="false_alarm")
    assert (work.state, work.disposition, work.disposed_by) == ("closed", "false_alarm", "reviewer-1")
    assert not work.open


@pytest.mark.parametrize("severity", sorted(TWO_PEOPLE))
def test_nobody_is_their_own_second_person(severity: Severity) -> None:
    events: list[Event] = [seen(severity)]
    assert take(events, "dispose").state == "proposed"
    with pytest.raises(NotAllowed, match="second person"):
        take(events, "confirm")
    work = take(events, "confirm", "reviewer-2")
    assert (work.state, work.disposed_by, work.confirmed_by) == ("closed", "reviewer-1", "reviewer-2")


def test_a_rejected_disposition_is_work_again() -> None:
    events: list[Event] = [seen("high")]
    take(events, "dispose")
    work = take(events, "reject", "reviewer-2")
    assert (work.state, work.disposition) == ("acknowledged", None)


def test_an_alert_that_grows_after_it_was_closed_is_new_work() -> None:
    events: list[Event] = [seen("medium", 3)]
    take(events, "dispose")
    assert fold([*events, seen("medium", 3)]).state == "closed"
    assert fold([*events, seen("medium", 4)]).state == "new"
    work = fold([*events, seen("high", 3)])
    assert (work.state, work.two_people, work.disposition) == ("new", True, None)


def test_a_proposal_does_not_hold_for_what_came_later() -> None:
    events: list[Event] = [seen("high", 3)]
    take(events, "dispose")
    events.append(seen("critical", 3))
    with pytest.raises(NotAllowed):
        take(events, "confirm", "reviewer-2")


def test_a_snooze_ends_by_itself() -> None:
    events: list[Event] = [seen()]
    take(events, "acknowledge")
    work = take(events, "snooze", until=AT + timedelta(days=2))
    assert work.state_at(AT + timedelta(days=1)) == "snoozed"
    assert work.state_at(AT + timedelta(days=2)) == "acknowledged"
    with pytest.raises(NotAllowed, match="is being looked into"):
        take(events, "acknowledge", at=AT + timedelta(days=2))


def test_nothing_is_snoozed_for_ever_or_into_the_past() -> None:
    events: list[Event] = [seen("critical")]
    with pytest.raises(NotAllowed, match="92 days"):
        take(events, "snooze", until=AT + MOST_SNOOZE + timedelta(days=1))
    with pytest.raises(NotAllowed, match="future"):
        take(events, "snooze", until=AT)


def test_a_question_stays_open_below_a_snooze() -> None:
    events: list[Event] = [seen()]
    take(events, "ask", text="Which case was it?")
    take(events, "snooze")
    work = take(events, "acknowledge")
    assert (work.state, work.question) == ("asked", "Which case was it?")
    assert take(events, "answer", text="Case 7.").state == "acknowledged"


def test_a_comment_does_not_stand_in_the_way_of_an_undo() -> None:
    events: list[Event] = [seen()]
    take(events, "dispose")
    closing = events[-1]
    take(events, "comment", "reviewer-2")
    assert isinstance(closing, Decision)
    assert take(events, "undo", undoes=closing.decision_id).state == "new"
    with pytest.raises(NotAllowed, match="comment by reviewer-2"):
        take(events, "undo", undoes=closing.decision_id)


def test_a_decision_on_which_another_rests_cannot_be_undone() -> None:
    events: list[Event] = [seen()]
    take(events, "acknowledge")
    first = events[-1]
    take(events, "dispose")
    assert isinstance(first, Decision)
    with pytest.raises(NotAllowed, match="others followed it; what can be: dispose"):
        take(events, "undo", undoes=first.decision_id)


@pytest.mark.parametrize(
    ("action", "missing", "words"),
    [
        ("dispose", "text", "reason"),
        ("dispose", "disposition", "what came of it"),
        ("snooze", "until", "until when"),
        ("comment", "text", "says something"),
        ("ask", "text", "words"),
        ("merge", "into", "which alert"),
        ("undo", "undoes", "which decision"),
    ],
)
def test_what_is_left_out_is_said(action: Action, missing: str, words: str) -> None:
    fields: dict[str, Any] = {missing: None}
    with pytest.raises(NotAllowed, match=words):
        take([seen()], action, **fields)


def test_a_reason_of_spaces_is_none() -> None:
    with pytest.raises(NotAllowed, match="reason"):
        take([seen()], "dispose", text="  \n")


def test_an_alert_is_not_merged_with_itself_or_twice() -> None:
    events: list[Event] = [seen()]
    with pytest.raises(NotAllowed, match="already one incident"):
        take(events, "merge", into=ALERT)
    assert take(events, "merge").merged == ("b" * 32,)
    with pytest.raises(NotAllowed, match="already one incident"):
        take(events, "merge")
