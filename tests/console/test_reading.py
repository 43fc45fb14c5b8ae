"""What the pages read, on both databases, against the same worked out plainly from the log."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.reading import calendar, completeness, inbox, policy
from console.reading.entities import Entity, find, spellings
from console.reading.evidence import evidence, missing, nearby, peers, related
from console.reading.inbox import SHOWN, Asked, NoPlace, read, written
from console.reading.risk import contributions, risk_settings
from console.storage.engine import Store
from console.storage.inbox import Place
from console.storage.tables import AlertRow
from models.alert import SEVERITIES, Alert
from tests.console.site import fill, replayed

ZONE = ZoneInfo("America/Los_Angeles")


@pytest.fixture
def filled(either: Store) -> Store:
    _, searches, alerts = replayed()
    fill(either, searches, alerts)
    return either


def last_of(detector: str) -> Alert:
    _, _, alerts = replayed()
    return [one for one in alerts if one.detector == detector][-1]


def test_days_are_those_of_the_agency(filled: Store) -> None:
    configuration, searches, _ = replayed()
    own = [one for one in searches if one.requester_id == "r1"]
    expected = Counter(one.event_time.astimezone(ZONE).date() for one in own)
    with filled.reading() as session:
        assert Entity("requester", "r1", "lapd", configuration.reference).days(session) == expected
        assert Entity("requester", "r1", "other", configuration.reference).days(session) == {}


@pytest.mark.parametrize(("kind", "field", "name"), [
    ("requester", "requester_id", "r1"), ("unit", "unit_id", "u0"), ("tool", "tool", "banned"),
    ("subject", "subject_ref", "pet"),
])  # fmt: skip
def test_what_a_log_says_beside_an_entity(filled: Store, kind: str, field: str, name: str) -> None:
    configuration, searches, _ = replayed()
    own = [one for one in searches if getattr(one, field) == name]
    entity = Entity(kind, name, None, configuration.reference)  # type: ignore[arg-type]
    with filled.reading() as session:
        for beside, shares in entity.beside(session).items():
            other = {"requester": "requester_id", "unit": "unit_id", "tool": "tool", "subject": "subject_ref"}
            expected = Counter(value for one in own if (value := getattr(one, other[beside])) is not None)
            assert {one.name: one.searches for one in shares} == expected
        found = session.scalars(entity.searches()).all()
        assert {row.event_id for row in found} == {one.event_id for one in own}


def test_a_tool_is_found_under_all_its_names() -> None:
    configuration, _, _ = replayed()
    register = configuration.reference.tools
    with_alias = next(tool for tool in register.tools if tool.aliases)
    assert {with_alias.tool, *with_alias.aliases} <= set(
        spellings(configuration.reference, with_alias.aliases[0])
    )


def test_names_are_found_by_their_begin_and_nothing_else(filled: Store) -> None:
    with filled.reading() as session:
        assert [name for _, name in find(session, "requester", "r")] == ["r0", "r1", "r2", "r3"]
        assert find(session, "requester", "%") == find(session, "requester", "_1") == []


def test_evidence_and_what_is_missing_of_it(filled: Store) -> None:
    alert = last_of("volume")
    with filled.reading() as session:
        rows = evidence(session, alert)
        assert tuple(row.event_id for row in rows) == alert.evidence
        assert missing(alert, rows) == []
        assert missing(alert, rows[1:]) == [rows[0].event_id]


def test_peers_are_those_of_the_unit_in_the_same_time(filled: Store) -> None:
    _, searches, _ = replayed()
    alert = last_of("volume")
    near = [
        one for one in searches
        if one.unit_id == alert.unit_id and alert.window_start <= one.event_time < alert.window_end
    ]  # fmt: skip
    with filled.reading() as session:
        found = peers(session, alert)
    assert {one.name: one.searches for one in found} == Counter(one.requester_id for one in near)
    assert [one.name for one in found if one.itself] == [alert.entity]


@pytest.mark.parametrize(
    ("kind", "field", "name"), [("area", "incident_area", "central"), ("source", "source_id", "feed")]
)
def test_areas_and_sources_have_peers_too(filled: Store, kind: str, field: str, name: str) -> None:
    _, searches, _ = replayed()
    like = last_of("volume")
    alert = msgspec.structs.replace(like, entity_kind=kind, entity=name, unit_id=None)
    near = [one for one in searches if like.window_start <= one.event_time < like.window_end]
    with filled.reading() as session:
        found = peers(session, alert)
    counted = Counter(getattr(one, field) for one in near)
    counted.pop(None, None)  # a search that names no area belongs to none
    assert counted and {one.name: one.searches for one in found} == counted


def test_related_alerts_are_of_the_incident_or_of_the_entity(filled: Store) -> None:
    with filled.reading() as session:
        row = session.get_one(AlertRow, last_of("volume").alert_id)
        found = related(session, row)
        assert row.alert_id not in {one.alert_id for one in found}
        assert found and all(one.incident_id == row.incident_id or one.entity == row.entity for one in found)


def test_demonstrations_near_in_time_and_place(filled: Store) -> None:
    configuration, _, alerts = replayed()
    alert = next(one for one in alerts if one.detector == "repeat_subject" and one.window_end.month == 4)
    with filled.reading() as session:
        rows = evidence(session, alert)
    found = nearby(configuration.reference, alert, rows)
    inside = sum(row.incident_area == "central" for row in rows)
    assert {one.day: one.searches_in_area for one in found}[date(2021, 3, 23)] == inside > 0
    assert found[0].day == date(2021, 3, 23), "the one in whose area was searched comes first"
    assert all(one.days_away <= 3 for one in found)


def test_a_year_holds_every_search_once(filled: Store) -> None:
    configuration, searches, alerts = replayed()
    with filled.reading() as session:
        days = calendar.year_of(
            session, configuration.reference, "lapd", date(2021, 1, 1), date(2021, 12, 31)
        )
        assert next(iter(calendar.agencies(session, configuration.reference))) == "lapd"
        newest = calendar.newest_day(session, configuration.reference, "lapd")
    assert sum(day.searches for day in days.values()) == len(searches)
    standing = {one.alert_id: one for one in alerts}.values()
    assert sum(day.alerts for day in days.values()) == sum(one.status != "withdrawn" for one in standing)
    assert {day for day, one in days.items() if one.demonstrations} == {
        date(2021, 3, 13), date(2021, 3, 23), date(2021, 3, 27),
    }  # fmt: skip
    assert newest == max(one.event_time.astimezone(ZONE).date() for one in searches)


def test_a_source_that_stopped_is_silent(filled: Store) -> None:
    configuration, searches, _ = replayed()
    with filled.reading() as session:
        told = {one.source: one for one in completeness.reported(session, configuration.reference)}
    assert {name: one.searches for name, one in told.items()} == Counter(one.source_id for one in searches)
    assert all(one.declared and one.state == "reports" for one in told.values())


def test_a_source_that_never_reported_is_named(either: Store) -> None:
    configuration, searches, alerts = replayed()
    fill(either, [one for one in searches if one.source_id == "feed"], alerts)
    with either.reading() as session:
        told = {one.source: one.state for one in completeness.reported(session, configuration.reference)}
    assert told == {"feed": "reports", "mobile": "never reported"}


def test_a_pause_longer_than_the_idle_time_is_silence(either: Store) -> None:
    configuration, searches, alerts = replayed()
    early = datetime(2021, 3, 15, tzinfo=UTC)
    fill(either, [one for one in searches if one.source_id == "feed" or one.event_time < early], alerts)
    with either.reading() as session:
        told = {one.source: one.state for one in completeness.reported(session, configuration.reference)}
    assert told == {"feed": "reports", "mobile": "silent"}


def test_risk_fades_and_is_capped(filled: Store) -> None:
    configuration, _, _ = replayed()
    sums, settings = risk_settings(configuration)
    assert sums == {"risk"}
    entity = Entity("requester", "r1", "lapd", configuration.reference)
    with filled.reading() as session:
        told = list(session.scalars(entity.alerts()))
    parts = contributions(told, date(2021, 4, 12), "America/Los_Angeles", sums, settings)
    assert parts and all(0 < part.worth <= part.amount <= settings.cap for part in parts)
    assert "risk" not in {part.detector for part in parts}, "a sum does not add to itself"
    later = contributions(told, date(2021, 5, 12), "America/Los_Angeles", sums, settings)
    assert sum(part.worth for part in later) < 0.6 * sum(part.worth for part in parts)
    assert contributions(told, date(2021, 1, 1), "America/Los_Angeles", sums, settings) == []


def test_clauses_in_force_and_what_changed() -> None:
    register = replayed()[0].reference.policy
    begin = date(2020, 11, 13).toordinal()
    before = {one.clause.id for one in policy.in_force(register, begin - 1)}
    after = {one.clause.id for one in policy.in_force(register, begin)}
    changed = {(one.clause.id, one.what) for one in policy.changes(register, begin - 1, begin)}
    assert changed == {(one, "began") for one in after - before} | {(one, "ended") for one in before - after}
    assert changed
    assert policy.changes(register, begin, begin) == []
    assert policy.in_force(register, begin, "nonsense") == []


@given(st.builds(
    Place, st.integers(0, len(SEVERITIES) - 1), st.floats(0, 1e6, width=32),
    st.datetimes(timezones=st.just(UTC)), st.text("0123456789abcdef", min_size=32, max_size=32),
))  # fmt: skip
def test_a_place_is_read_as_it_was_written(place: Place) -> None:
    assert read(written(place) or "") == place


@given(st.text(max_size=80))
def test_what_is_no_place_is_said(text: str) -> None:
    try:
        place = read(text)
    except NoPlace:
        return
    assert (place is None) == (text == "")


@given(st.builds(
    Asked, st.sampled_from(SHOWN), *[st.text(max_size=8)] * 8, st.none() | st.dates(), st.none() | st.dates()
))  # fmt: skip
def test_an_address_says_every_filter(asked: Asked) -> None:
    told = asked.params()
    days = {name: date.fromisoformat(told.pop(name)) for name in ("first", "last") if name in told}
    assert Asked(**told, **days) == asked  # type: ignore[arg-type]


def test_a_mark_tells_whether_anything_has_changed(filled: Store) -> None:
    now = datetime(2021, 4, 20, 12, tzinfo=UTC)
    with filled.reading() as session:
        mark = inbox.change(session, now)
        assert inbox.change(session, now) == mark
        assert inbox.news(session, mark) == 0
        assert inbox.news(session, "0-0") == len(replayed()[2])
        assert inbox.news(session, "nonsense") == inbox.news(session, "9" * 40) == 0
