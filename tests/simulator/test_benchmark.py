"""The benchmark's city: misuse at every level, traps, and outcomes of honest searches."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from bench.simulator.incidents import discover
from bench.simulator.incidents.demonstration import CITING
from models.search import Search
from streams.configuration import load
from tests.simulator.reading import LOS_ANGELES, SHIPPED, Simulation, configuration, made


def sizes(simulation: Simulation) -> dict[str, list[float]]:
    """Mean number of searches of each scenario's incidents, by level from 1 to 4."""
    found: dict[str, list[list[int]]] = defaultdict(lambda: [[], [], [], []])
    for label in simulation.labels:
        found[label.scenario][label.level - 1].append(len(label.event_ids))
    return {scenario: [sum(some) / len(some) for some in levels] for scenario, levels in found.items()}


def test_the_benchmark_has_every_scenario_at_every_level_in_its_last_year(benchmark: Simulation) -> None:
    found = {(label.scenario, label.level) for label in benchmark.labels}
    scenarios = {f"S{number}" for number in range(1, 24)} | {"body-worn"}
    assert set(discover()) == scenarios
    assert found == {(scenario, level) for scenario in scenarios for level in (1, 2, 3, 4)}
    first, last = (datetime(year, 1, 1, tzinfo=LOS_ANGELES) for year in (2023, 2024))
    assert all(first <= label.start <= label.end <= last for label in benchmark.labels)


def test_an_incident_is_the_larger_the_lower_its_level(benchmark: Simulation) -> None:
    for scenario, (one, two, three, four) in sizes(benchmark).items():
        if scenario not in ("S14", "S15"):
            assert one > two >= three >= 1, scenario
            assert four >= 1, scenario
    silent = defaultdict(list)
    for label in benchmark.labels:
        if label.scenario == "S14" and "source" in label.keys:
            silent[label.level].append(label.end - label.start)
    assert min(silent[1]) > max(silent[2]) > max(silent[3]) == timedelta(days=1)


@pytest.mark.parametrize(("scale", "seed"), [("20k", 100), ("100k", 101)])
def test_a_burst_is_as_many_standard_deviations_high_as_its_level_says(scale: str, seed: int) -> None:
    world = made(scale, seed)
    bursts = [one for one in world.incidents if one.scenario == "S1"]
    assert {one.level for one in bursts} == {1, 2, 3, 4}
    for one in bursts:
        assert one.rows is not None
        officer, day = int(one.rows["officer"][0]), int(one.rows["day"].min())
        if one.level < 4:
            mean = float(world.expected[officer, day])
            deviation = max(0.5, (mean + (world.city.habits.shock * mean) ** 2 / 4) ** 0.5)
            assert abs(len(one.rows["day"]) / deviation - {1: 10, 2: 5, 3: 3}[one.level]) < 2
            assert len(set(one.rows["day"].tolist())) == 1
        else:
            assert np.ptp(one.rows["day"]) <= 3
    split = [one.rows for one in bursts if one.level == 4 and one.rows is not None]
    assert any(len(set(table["day"].tolist())) > 1 for table in split)


def of_kind(simulation: Simulation, scenario: str, *levels: int) -> list[list[Search]]:
    """The searches of each incident of a scenario, at some levels or all."""
    return [
        simulation.of(label)
        for label in simulation.labels
        if label.scenario == scenario and (not levels or label.level in levels)
    ]


def test_a_surge_hides_a_burst_of_its_own_unit(benchmark: Simulation) -> None:
    surges = [one for one in benchmark.decoys if one.scenario == "crime-wave"]
    waves = {one.keys["unit"][0]: (one.start, one.end) for one in surges}
    for own in of_kind(benchmark, "S4"):
        first, last = waves[own[0].unit_id]
        assert all(first <= one.event_time <= last for one in own)


def test_searches_after_marches_lie_in_every_area_and_cite_them_unless_they_evade(
    benchmark: Simulation,
) -> None:
    for own in of_kind(benchmark, "S7", 1):
        assert len({one.unit_id for one in own}) == 12
    for scenario in ("S6", "S7"):
        plain = [one for own in of_kind(benchmark, scenario, 1, 2, 3) for one in own]
        evading = [one for own in of_kind(benchmark, scenario, 4) for one in own]
        named = {text for text in CITING if text}
        assert sum(one.reason_text in named for one in plain) > len(plain) / 4
        assert not any(one.reason_text in named for one in evading)


def test_officers_who_misuse_it_together_are_five_of_a_unit_or_evading_of_several(
    benchmark: Simulation,
) -> None:
    for own in of_kind(benchmark, "S8", 1):
        assert len({one.requester_id for one in own}) == 5
        assert len({one.unit_id for one in own}) == 1
    assert any(len({one.unit_id for one in own}) > 1 for own in of_kind(benchmark, "S8", 4))


def test_accounts_of_colleagues_are_used_at_the_own_desk(benchmark: Simulation) -> None:
    usual = defaultdict(set)
    accused = {event_id for label in benchmark.labels for event_id in label.event_ids}
    for search in benchmark.searches:
        if search.event_id not in accused:
            usual[search.requester_id].add(search.workstation_id)
    for scenario in ("S10", "body-worn"):
        for label in benchmark.labels:
            if label.scenario == scenario and label.level == 4:
                assert len(label.keys["requester"]) == 2
                for search in benchmark.of(label):
                    assert search.workstation_id not in usual[search.requester_id]


def test_evaders_share_case_numbers_make_up_new_ones_and_leave_no_gap(benchmark: Simulation) -> None:
    for own in of_kind(benchmark, "S2", 4):
        assert len({one.case_number for one in own}) <= -(-len(own) // 3)
    for own in of_kind(benchmark, "S2", 1, 2, 3):
        assert len({one.case_number for one in own}) == len(own)
    for own in of_kind(benchmark, "S9", 4):
        assert len({one.case_number for one in own}) == len(own)
        assert len({one.subject_ref for one in own}) == 1
    lost = [one for one in benchmark.labels if one.scenario == "S15"]
    assert {one.detectors for one in lost if one.level == 4} == {("partial_loss",)}
    assert {one.detectors for one in lost if one.level < 4} == {("partial_loss",), ("sequence_gap",)}


def test_newcomers_evade_in_their_first_week(benchmark: Simulation) -> None:
    with (benchmark.directory / "roster.csv").open() as lines:
        roster = list(csv.DictReader(lines))
    for own in of_kind(benchmark, "S5", 4):
        first = own[0].event_time.astimezone(LOS_ANGELES).date()
        mine = [one for one in roster if one["requester_id"] == own[0].requester_id]
        begun = [date.fromisoformat(one["valid_from"]) for one in mine]
        assert any(timedelta() <= first - day < timedelta(days=7) for day in begun)


def test_laundered_purposes_are_allowed_ones(benchmark: Simulation) -> None:
    own = [one for some in of_kind(benchmark, "S12") for one in some]
    assert {one.purpose for one in own} == {"imminent_threat_to_life", "identify_incapacitated_or_deceased"}


def test_a_disparity_moves_searches_into_one_area_and_adds_none(benchmark: Simulation) -> None:
    areas = Counter(one.incident_area for one in benchmark.searches if one.event_time.year == 2023)
    usual = float(np.median([areas[f"area-{number:02d}"] for number in range(1, 13)]))
    (label,) = [one for one in benchmark.labels if (one.scenario, one.level) == ("S13", 1)]
    (area,) = label.keys["area"]
    assert {one.incident_area for one in benchmark.of(label)} == {area}
    assert areas[area] > 1.5 * usual
    assert label.end - label.start > timedelta(days=350)
    assert label.kind == "report"


def test_silences_are_of_a_source_the_agency_an_officer_and_a_tool(benchmark: Simulation) -> None:
    for level in (1, 2, 3, 4):
        silent = [one for one in benchmark.labels if (one.scenario, one.level) == ("S14", level)]
        assert sorted(sorted(one.keys)[0] for one in silent) == ["agency", "requester", "source", "tool"]
        for label in silent:
            meanwhile = [one for one in benchmark.searches if label.start <= one.event_time < label.end]
            for kind, names in label.keys.items():
                name = "tool" if kind == "tool" else f"{kind}_id"
                assert not [one for one in meanwhile if getattr(one, name) in names]


def test_poison_is_slow_and_steady(benchmark: Simulation) -> None:
    for own in of_kind(benchmark, "S16", 1):
        middle = own[0].event_time + (own[-1].event_time - own[0].event_time) / 2
        assert own[-1].event_time - own[0].event_time > timedelta(days=20)
        assert sum(one.event_time > middle for one in own) > len(own) / 2


def test_misuse_by_many_on_many_or_for_others(benchmark: Simulation) -> None:
    for own in of_kind(benchmark, "S17"):
        assert len({one.subject_ref for one in own}) == 1
        assert len({one.unit_id for one in own}) == len({one.requester_id for one in own}) == len(own)
        assert len({one.case_number for one in own}) == len(own)
    for label in benchmark.labels:
        if label.scenario == "S18":
            own = benchmark.of(label)
            assert {one.case_number for one in own} == set(label.keys["case"])
            assert len(label.keys["case"]) == (2 if label.level == 4 else 1)
            assert len({one.subject_ref for one in own}) == len(own) >= 4
    honest = Counter(one.requesting_agency for one in benchmark.searches)
    for own in of_kind(benchmark, "S19", 1, 2, 3):
        assert {one.requesting_agency for one in own} == {"bay-city-pd"}
    assert honest["bay-city-pd"] == sum(
        one.requesting_agency == "bay-city-pd" for own in of_kind(benchmark, "S19") for one in own
    )


def test_misuse_that_shows_in_reasons_lists_and_outcomes(benchmark: Simulation) -> None:
    for own in of_kind(benchmark, "S20", 1, 2, 3):
        assert all(len(one.reason_text or "") < 15 for one in own)
    for own in of_kind(benchmark, "S20", 4):
        assert len({one.reason_text for one in own}) == 1
    assert all((one.candidates_requested or 0) > 50 for own in of_kind(benchmark, "S21", 1) for one in own)
    assert all((one.candidates_requested or 0) <= 50 for own in of_kind(benchmark, "S21", 4) for one in own)
    assert all(one.probe_edited for own in of_kind(benchmark, "S21") for one in own)
    assert {"sketch", "celebrity"} <= {
        one.image_source for own in of_kind(benchmark, "S21", 1) for one in own
    }
    for own in of_kind(benchmark, "S22"):
        assert all(one.lead_issued and not one.corroborated and not one.arrest_made for one in own)
    for own in of_kind(benchmark, "S23"):
        assert all(one.arrest_made and not one.corroborated for one in own)


TRAPS = (
    "newcomer", "transfer", "shift-change", "return", "crime-wave", "quiet-demonstration", "quiet-march",
    "clock-change", "hot-suspect", "major-incident", "holiday", "tool-rollout", "new-workstations",
    "vendor-rename", "form-default", "new-vocabulary", "hotlist-job",
)  # fmt: skip


def test_the_benchmark_lays_every_trap_in_the_scored_year(benchmark: Simulation) -> None:
    scored = {one.scenario for one in benchmark.decoys if one.end.year == 2023}
    assert scored == set(TRAPS)
    empty = [one.scenario for one in benchmark.decoys if not one.event_ids]
    assert set(empty) <= {"newcomer", "transfer", "shift-change", "return", "clock-change"}


def test_new_tools_are_approved_from_the_day_and_renamed_ones_are_known(
    benchmark: Simulation, tmp_path: Path
) -> None:
    tools = load(configuration(benchmark.directory, tmp_path), SHIPPED, {}).reference.tools
    for scenario, before in (("tool-rollout", False), ("vendor-rename", True)):
        (trap,) = [one for one in benchmark.decoys if one.scenario == scenario]
        day = trap.start.astimezone(LOS_ANGELES).date().toordinal()
        (name,) = trap.keys["tool"]
        assert tools.approved_on(name, "metro-pd", day)
        assert bool(tools.approved_on(name, "metro-pd", day - 1)) == before
        uses = [one.event_time for one in benchmark.searches if one.tool == name]
        assert min(uses) >= trap.start
        assert max(uses) > trap.end
    assert tools.canonical("LACRIS Photo Manager") == tools.canonical("LACRIS")


def test_new_workstations_replace_the_old_ones(benchmark: Simulation) -> None:
    (trap,) = [one for one in benchmark.decoys if one.scenario == "new-workstations"]
    own = benchmark.of(trap)
    new = {one.workstation_id for one in own}
    assert len({one.unit_id for one in own}) == 1
    assert all(one.event_time >= trap.start for one in benchmark.searches if one.workstation_id in new)
    people = {one.requester_id for one in own}
    since = [
        one for one in benchmark.searches
        if one.requester_id in people and trap.start <= one.event_time <= trap.end
    ]  # fmt: skip
    fixed = [one for one in since if (one.workstation_id or "").startswith("ws-")]
    assert sum(one.workstation_id in new for one in fixed) > 0.9 * len(fixed)


def test_honest_outcomes_have_plausible_shares_that_differ_by_unit_and_officer(
    benchmark: Simulation,
) -> None:
    accused = {event_id for label in benchmark.labels for event_id in label.event_ids}
    lawful = [one for one in benchmark.searches if one.event_id not in accused]
    honest = [one for one in lawful if one.search_type == "manual"]
    outside = [one for one in honest if one.requesting_agency not in (None, "metro-pd")]
    assert 0.004 < len(outside) / len(honest) < 0.03
    assert max(Counter(one.requester_id for one in outside).values()) > 5
    leads = [one for one in honest if one.lead_issued]
    assert 0.1 < len(leads) / len(honest) < 0.3
    assert 0.75 < sum(one.corroborated is True for one in leads) / len(leads) < 0.97
    assert {one.corroborated for one in leads} == {True, False, None}
    assert 0.5 < sum(one.second_reviewer_id is not None for one in leads) / len(leads) < 0.9
    assert all(one.second_reviewer_id != one.requester_id for one in leads)
    arrests = [one for one in honest if one.arrest_made]
    assert 0.1 < len(arrests) / len(leads) < 0.35
    assert all(one.corroborated and one.lead_issued for one in arrests)
    assert 0.01 < sum(one.probe_edited is True for one in honest) / len(honest) < 0.12
    for one in honest:
        assert one.candidates_requested is not None and 10 <= one.candidates_requested <= 50
        assert 0 <= (one.candidates_returned or 0) <= one.candidates_requested
        assert one.top_score is None or one.threshold is None or one.top_score >= one.threshold
    by_unit = defaultdict(list)
    by_officer = defaultdict(list)
    for one in honest:
        by_officer[one.requester_id].append(one.candidates_requested)
        if one.lead_issued:
            by_unit[one.unit_id].append(one.corroborated is True)
    shares = [sum(some) / len(some) for some in by_unit.values()]
    assert max(shares) - min(shares) > 0.1
    busy = [Counter(some) for some in by_officer.values() if len(some) > 50]
    assert np.mean([some.most_common(1)[0][1] / some.total() for some in busy]) > 0.75
    assert len({some.most_common(1)[0][0] for some in busy}) == 4
