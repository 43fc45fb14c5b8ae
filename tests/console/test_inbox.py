"""The inbox has all that matches, once, worst first, on however many pages."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from console.intake.taking import take_alerts
from console.storage.engine import Store
from console.storage.inbox import SHOWN, Filter, Incident, Place, inbox
from console.storage.tables import AlertRow
from console.work.deciding import decide
from models.alert import SEVERITIES, Alert
from tests.console.alerts import AT, DAY, alert
from tests.console.test_intake import copied


@st.composite
def many(draw: st.DrawFn) -> list[Alert]:
    return [
        alert(
            number,
            entity=f"r-{draw(st.integers(1, 6))}",
            severity=draw(st.sampled_from(SEVERITIES)),
            score=float(draw(st.integers(0, 2))),
            decided_at=AT - draw(st.integers(0, 3)) * DAY,
            unit_id=draw(st.sampled_from(["u-1", "u-2", None])),
            detector=draw(st.sampled_from(["volume", "rare"])),
            status=draw(st.sampled_from(["final", "withdrawn"])),
        )
        for number in range(draw(st.integers(0, 14)))
    ]


FILTERS = st.builds(
    Filter,
    waiting=st.booleans(),
    severities=st.sampled_from([frozenset(), frozenset({"high", "critical"})]),
    detector=st.sampled_from([None, "rare"]),
    unit=st.sampled_from([None, "u-1"]),
    since=st.sampled_from([None, AT - 2 * DAY]),
    until=st.sampled_from([None, AT]),
    text=st.sampled_from([None, "R-1", "searches expected"]),
)


def matches(row: AlertRow, wanted: Filter) -> bool:
    words = (wanted.text or "").lower().split()
    return (
        (not wanted.waiting or row.open)
        and (not wanted.severities or row.severity in wanted.severities)
        and wanted.detector in (None, row.detector)
        and wanted.unit in (None, row.unit_id)
        and (wanted.since is None or row.decided_at >= wanted.since)
        and (wanted.until is None or row.decided_at < wanted.until)
        and all(word in row.explanation.lower() or word in row.entity for word in words)
    )


@settings(max_examples=20)
@given(many(), FILTERS, st.integers(1, 4))
def test_all_that_matches_comes_once_and_worst_first(
    template: Path, alerts: list[Alert], wanted: Filter, size: int
) -> None:
    with copied(template) as store:
        with store.writing() as session:
            take_alerts(session, alerts, AT)
        with store.reading() as session:
            found: list[Incident] = []
            after = None
            for _ in range(20):
                page = inbox(session, wanted, AT, after, size)
                assert len(page.incidents) <= size
                found += page.incidents
                after = page.following
                if after is None:
                    break
            rows = [row for row in session.scalars(select(AlertRow)) if matches(row, wanted)]
    listed = [row for incident in found for row in incident.alerts]
    assert sorted(row.alert_id for row in listed) == sorted(row.alert_id for row in rows)
    assert len({incident.incident_id for incident in found}) == len(found)
    leaders = [Place.of(incident.alerts[0]) for incident in found]
    assert leaders == sorted(leaders, reverse=True)
    for incident in found:
        places = [Place.of(row) for row in incident.alerts]
        assert places == sorted(places, reverse=True)
        assert {row.incident_id for row in incident.alerts} == {incident.incident_id}


def ids(store: Store, now: Any = AT, **wanted: Any) -> set[str]:
    with store.reading() as session:
        page = inbox(session, Filter(**wanted), now)
    return {row.alert_id for incident in page.incidents for row in incident.alerts}


def test_work_moves_alerts_through_the_inbox(either: Store) -> None:
    one, two = alert(1), alert(2, entity="r-2")
    with either.writing() as session:
        take_alerts(session, [one, two], AT)
        decide(session, one.alert_id, "snooze", "reviewer-1", AT, until=AT + DAY, text="holiday")
        decide(session, two.alert_id, "dispose", "reviewer-1", AT, disposition="explained", text="case 7")
    assert ids(either) == set()
    assert ids(either, AT + DAY) == {one.alert_id}
    assert ids(either, states=frozenset({"snoozed"})) == {one.alert_id}
    assert ids(either, AT + DAY, states=frozenset({"snoozed"})) == set()
    assert ids(either, AT + DAY, states=frozenset({"new", "closed"})) == {one.alert_id, two.alert_id}
    assert ids(either, waiting=False) == {one.alert_id, two.alert_id}


def test_a_long_incident_shows_its_worst_and_counts_the_others(either: Store) -> None:
    with either.writing() as session:
        take_alerts(session, [alert(n, score=float(n)) for n in range(SHOWN + 5)], AT)
    with either.reading() as session:
        (incident,) = inbox(session, Filter(), AT).incidents
    assert (len(incident.alerts), incident.matching) == (SHOWN, SHOWN + 5)
    assert incident.alerts[0].score == SHOWN + 4


@pytest.mark.parametrize("text", ["100%", "a_b", "' or 1=1 --", "\\"])
def test_text_is_taken_as_it_is_written(either: Store, text: str) -> None:
    one, two = alert(1, explanation=f"so {text} it is"), alert(2, entity="r-2", explanation="100 axb")
    with either.writing() as session:
        take_alerts(session, [one, two], AT)
    assert ids(either, text=text) == {one.alert_id}


def test_words_are_looked_for_a_part_at_a_time(either: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.storage.inbox.LOOKED_THROUGH", 3)
    with either.writing() as session:
        take_alerts(session, [alert(n, entity=f"r-{n}", score=float(-n)) for n in range(8)], AT)
    pages: list[list[str]] = []
    after = None
    with either.reading() as session:
        for _ in range(9):
            page = inbox(session, Filter(text="r-7"), AT, after)
            pages.append([row.entity for incident in page.incidents for row in incident.alerts])
            after = page.following
            if after is None:
                break
    assert pages == [[], ["r-7"], []]
    assert ids(either, entity="r-7") == {alert(7).alert_id}


def test_arrivals_between_two_pages_hide_nothing(store: Store) -> None:
    with store.writing() as session:
        take_alerts(session, [alert(n, entity=f"r-{n}", score=float(n)) for n in range(4)], AT)
    with store.reading() as session:
        first = inbox(session, Filter(), AT, size=2)
    with store.writing() as session:
        take_alerts(session, [alert(9, entity="r-9", severity="critical")], AT + timedelta(seconds=1))
    with store.reading() as session:
        second = inbox(session, Filter(), AT, first.following, size=2)
    assert [one.alerts[0].score for one in (*first.incidents, *second.incidents)] == [3, 2, 1, 0]
