"""Both stages together: several sources, their order, and sources that say nothing."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.alert import Alert
from models.days import instant
from models.panel import Chosen
from models.pipeline import Pipeline, Standing
from models.search import Search, Tick, encode_search
from models.ticking import encode_tick
from tests.logs import DAY, SOURCES, START, Log, Plan, reference, search, sensitive

ALL = [
    sensitive(name)
    for name in ("high_count", "policy_clause", "rare", "repeat_subject", "sequence_gap", "silence")
]
PLAN = Plan(
    agency="city", rate=3, burst_day=30, quiet_from=20, favourite=1, missing=frozenset({17, 40}), salt=7
)  # fmt: skip


def pipeline(sources: Iterable[str] = SOURCES, chosen: list[Chosen] | None = None) -> Pipeline:
    return Pipeline(reference(sources), chosen or ALL, "digest")


def standing(messages: Iterable[bytes], through: Pipeline | None = None) -> list[Alert]:
    found = Standing()
    found.take((through or pipeline()).feed(list(messages)))
    return found.alerts()


def tick(days: float, source_id: str | None = None, *, end: bool = False) -> bytes:
    return encode_tick(Tick(tick=instant(START + days * DAY), source_id=source_id, end=end))


def by_source(messages: Iterable[bytes]) -> dict[str, list[bytes]]:
    """Each source's messages in their order, its ticks among them."""
    parts: dict[str, list[bytes]] = {name: [] for name in SOURCES}
    for message in messages:
        parts[next(name for name in SOURCES if f'"source_id":"{name}"'.encode() in message)].append(message)
    return parts


MESSAGES = Log(PLAN.searches(), 40).messages()
PARTS = by_source(MESSAGES)
IN_ORDER = standing(MESSAGES)


@pytest.mark.parametrize(
    ("limit", "value"),
    [("models.statistics.visits.MOST_UNUSED", -(10**9)), ("models.judging.MOST_CLASSES", 1)],
)
def test_what_is_only_remembered_for_speed_can_be_forgotten_at_any_time(
    monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(limit, value)
    through = pipeline()
    found = Standing()
    for first in range(0, len(MESSAGES), 7):
        found.take(through.feed(MESSAGES[first : first + 7]))
    assert found.alerts() == IN_ORDER


def test_the_log_makes_all_kinds_of_alerts() -> None:
    assert {alert.detector for alert in IN_ORDER} >= {
        "policy_clause",
        "repeat_subject",
        "sequence_gap",
        "rare",
    }
    assert {alert.entity for alert in IN_ORDER if alert.entity_kind == "source"} == set(SOURCES)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(SOURCES), st.integers(1, 150)), max_size=12))
def test_two_sources_in_any_interleaving_give_the_same_alerts(turns: list[tuple[str, int]]) -> None:
    places = dict.fromkeys(SOURCES, 0)
    mixed: list[bytes] = []
    for source, length in [*turns, *((source, len(MESSAGES)) for source in SOURCES)]:
        mixed += PARTS[source][places[source] : places[source] + length]
        places[source] += length
    assert sorted(mixed) == sorted(MESSAGES)
    assert standing(mixed) == IN_ORDER


def test_one_source_far_behind_holds_back_the_days_and_loses_nothing() -> None:
    through = pipeline()
    found = Standing()
    found.take(through.feed(PARTS["feed"]))
    # Only breaches and sources are told for certain: no day is complete before both have reported.
    certain = [alert for alert in found.alerts() if alert.status != "provisional"]
    assert {alert.kind for alert in certain if alert.entity_kind != "source"} <= {"policy"}
    found.take(through.feed(PARTS["mobile"]))
    assert found.alerts() == IN_ORDER
    assert through.counts.get(("late", ""), 0) == 0


def busy(days: int) -> list[Search]:
    return [search(day * DAY + hour * 3600, f"{day}-{hour}") for day in range(days) for hour in range(8, 20)]


def in_time(searches: list[Search]) -> list[bytes]:
    return [encode_search(one) for one in sorted(searches, key=lambda one: one.event_time)]


def test_two_logs_that_contradict_one_another_are_both_believed_whichever_comes_first() -> None:
    one = [search(day * DAY, f"{day}", source_id="feed", tool="LACRIS") for day in range(1, 20)]
    same = [search(day * DAY, f"{day}", source_id="mobile", tool="LACRIS") for day in range(1, 20)]
    other = [search(day * DAY, f"{day}", source_id="mobile", tool="banned") for day in range(1, 20)]
    chosen = [sensitive("policy_clause")]
    ends = [tick(40, source, end=True) for source in SOURCES]
    told = [
        standing([*in_time(first), *in_time(second), *ends], pipeline(chosen=chosen))
        for first, second in ((one, other), (other, one), (one, same), ([], other))
    ]
    assert told[0] == told[1] == told[3] != []
    assert told[2] == []


def test_a_declared_source_that_stops_is_told_by_ticks_alone() -> None:
    through = pipeline(["feed"], [sensitive("silence", alpha=1e-4)])
    found = Standing()
    found.take(through.feed(Log(busy(40), 40, ending=False).messages()))
    assert found.alerts() == []
    quarters = [tick(40 + quarter / 4) for quarter in range(24)]
    found.take(through.feed(quarters))
    (alert,) = found.alerts()
    assert (alert.detector, alert.entity) == ("silence", "feed")


def test_a_declared_source_that_never_reports_stops_no_time() -> None:
    # One dead source must not keep the others' days open for ever: after its idle time it no longer counts.
    chosen = [sensitive("policy_clause"), sensitive("repeat_subject")]
    through = pipeline(["feed", "dead"], chosen)
    pets = [
        search(day * DAY + 3600, f"pet-{day}", requester_id="r1", subject_ref="pet") for day in range(10, 30)
    ]
    ticks = [tick(day) for day in range(60)]
    found = Standing()
    found.take(through.feed(in_time(busy(40) + pets)))
    assert not [alert for alert in found.alerts() if alert.status != "provisional"]
    found.take(through.feed(ticks))
    told = [alert for alert in found.alerts() if alert.entity == "r1"]
    assert [alert.status for alert in told] == ["amended"]


def test_undeclared_sources_are_watched_and_hold_back_days_once_they_have_reported() -> None:
    through = pipeline([], [sensitive("repeat_subject")])
    pets = [
        search(
            day * DAY + 7200,
            f"{source}-{day}",
            source_id=source,
            requester_id=source,
            subject_ref=f"pet of {source}",
        )
        for day in range(10, 30)
        for source in ("one", "two")
    ]
    closing = [tick(60, source, end=True) for source in ("feed", "one", "two")]
    found = standing(in_time(busy(40) + pets) + closing, through)
    assert {alert.entity for alert in found} == {"one", "two"}
    assert through.ingest.gauges()["sources", ""] == 3.0


@pytest.mark.parametrize("sources", [(), SOURCES])
def test_an_agency_nobody_declared_is_watched_under_the_entry_for_all(sources: tuple[str, ...]) -> None:
    ours = [search(20 * DAY + n, f"x{n}", agency_id="elsewhere", tool="banned") for n in range(2)]
    (alert,) = standing(
        [encode_search(one) for one in ours] + [tick(60, "feed", end=True)], pipeline(sources)
    )
    assert (alert.agency_id, alert.kind, alert.evidence_count) == ("elsewhere", "policy", 2)


def test_nothing_in_nothing_out() -> None:
    assert pipeline().feed([]) == []
    assert standing([tick(day) for day in range(30)], pipeline([])) == []


def test_what_stands_can_be_shown_with_and_without_what_was_withdrawn() -> None:
    found = Standing()
    found.put([*IN_ORDER])
    assert found.lines().count(b"\n") == len(IN_ORDER)
    assert [alert.decided_at for alert in found.alerts()] == sorted(alert.decided_at for alert in IN_ORDER)
