"""The simulated Los Angeles of the demo: each misuse as it was laid into the log."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta

from bench.simulator.incidents.demonstration import CITING
from models.search import Search
from tests.simulator.reading import LOS_ANGELES, Simulation


def test_the_demo_holds_what_it_promises(demo: Simulation) -> None:
    scenarios = Counter(label.scenario for label in demo.labels)
    assert scenarios == {
        name: 1 for name in ("S1", "S2", "S6", "S9", "S10", "S11", "S14", "S15", "body-worn")
    }
    traps = Counter(label.scenario for label in demo.decoys)
    for name in ("crime-wave", "form-default", "new-vocabulary", "hotlist-job", "hot-suspect", "lawful-tool"):
        assert traps[name] == 1
    assert traps["clock-change"] == 4
    assert min(traps["newcomer"], traps["transfer"], traps["shift-change"], traps["return"]) >= 10
    (hotlist,) = [one for one in demo.decoys if one.scenario == "hotlist-job"]
    assert {one.search_type for one in demo.of(hotlist)} == {"hotlist"}
    assert len(hotlist.event_ids) == 964


def test_the_unapproved_tool_is_lawful_before_the_ban_and_goes_by_many_names(demo: Simulation) -> None:
    ban = datetime(2020, 11, 13, tzinfo=LOS_ANGELES).astimezone(UTC)
    (lawful,) = [one for one in demo.decoys if one.scenario == "lawful-tool"]
    breach = demo.labelled("S10")
    assert len(lawful.event_ids) == 25
    assert len(breach.event_ids) == 15
    assert all(one.event_time < ban for one in demo.of(lawful))
    assert all(one.event_time >= ban for one in demo.of(breach))
    assert len({one.tool for one in demo.of(breach)}) == 5


def test_the_unit_searches_four_to_five_times_as_much_after_the_demonstration(demo: Simulation) -> None:
    label = demo.labelled("S6")
    (unit,) = label.keys["unit"]

    def count(first: datetime, days: int) -> int:
        return sum(
            one.unit_id == unit and first <= one.event_time < first + timedelta(days=days)
            for one in demo.searches
        )

    first = datetime(2020, 5, 30, tzinfo=LOS_ANGELES)
    before = count(first - timedelta(days=365), 365) / 365
    assert 3.0 < count(first, 45) / 45 / before < 7.0
    own = demo.of(label)
    assert sum((one.reason_text or "") in CITING for one in own) > len(own) / 3
    assert sum(one.offence_code is None for one in own) > len(own) / 2


def test_the_stalker_reuses_the_number_of_somebody_elses_older_case(demo: Simulation) -> None:
    label = demo.labelled("S9")
    own = demo.of(label)
    assert len(own) == 14
    (number,) = {one.case_number for one in own}
    assert label.keys["case"] == (number,)
    older = [
        one for one in demo.searches if one.case_number == number and one.event_id not in label.event_ids
    ]
    assert older
    assert max(one.event_time for one in older) < label.start
    assert {one.subject_ref for one in older}.isdisjoint(label.keys["subject"])


def test_the_shared_account_is_at_two_workstations_at_once(demo: Simulation) -> None:
    stations = [one.workstation_id for one in demo.of(demo.labelled("S11"))]
    changes = sum(one != two for one, two in zip(stations, stations[1:], strict=False))
    assert len(stations) == 28
    assert len(set(stations)) == 2
    assert changes >= 6


def test_honest_officers_never_alternate_between_workstations_within_an_hour(demo: Simulation) -> None:
    accused = set(demo.labelled("S11").event_ids)
    visits: dict[str, list[Search]] = defaultdict(list)
    for search in sorted(demo.searches, key=lambda one: one.event_time):
        if search.event_id not in accused:
            visits[search.requester_id].append(search)
    for own in visits.values():
        for one, two, three in zip(own, own[1:], own[2:], strict=False):
            back = one.workstation_id == three.workstation_id != two.workstation_id
            assert not (back and three.event_time - one.event_time < timedelta(hours=1)), three


def test_the_silent_source_is_silent_and_its_counter_runs_on(demo: Simulation) -> None:
    label = demo.labelled("S14")
    own = [one for one in demo.searches if one.source_id in label.keys["source"]]
    assert label.end - label.start == timedelta(days=9)
    assert not [one for one in own if label.start <= one.event_time < label.end]
    before = max(one.source_sequence or 0 for one in own if one.event_time < label.start)
    after = min(one.source_sequence or 0 for one in own if one.event_time >= label.end)
    assert after == before + 1
