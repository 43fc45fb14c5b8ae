"""The simulator: reproducible, readable by the product, honest where it says so."""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache, cached_property
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.labels import Label, read_labels
from bench.simulator.city import Habits, metropolis
from bench.simulator.clock import HOURS, LocalClock, shift_hours
from bench.simulator.generate import build, simulate
from bench.simulator.incidents import discover
from bench.simulator.incidents.demonstration import CITING
from bench.simulator.seeds import generator
from bench.simulator.targets import targets
from bench.simulator.world import World
from models.detectors import settings_types
from models.search import Search, encode_search
from streams.configuration import load

SHIPPED = Path(__file__).parents[1] / "config"
LOS_ANGELES = ZoneInfo("America/Los_Angeles")


@dataclass(frozen=True)
class Simulation:
    """A written simulation, read back as an outsider would."""

    world: World
    directory: Path
    searches: list[Search]
    labels: list[Label]
    decoys: list[Label]

    def labelled(self, scenario: str) -> Label:
        (found,) = [label for label in self.labels if label.scenario == scenario]
        return found

    def of(self, label: Label) -> list[Search]:
        return sorted((self.known[one] for one in label.event_ids), key=lambda one: one.event_time)

    @cached_property
    def known(self) -> dict[str, Search]:
        return {one.event_id: one for one in self.searches}


def configuration(directory: Path, out: Path) -> Path:
    """The reference data of a simulation without its log, and with no detectors."""
    for file in directory.rglob("*"):
        if file.suffix in (".yaml", ".csv"):
            copy = out / file.relative_to(directory)
            copy.parent.mkdir(exist_ok=True)
            copy.write_bytes(file.read_bytes())
    (out / "detectors.yaml").write_text("detectors: {}\n")
    return out


@cache
def made(scale: str, seed: int) -> World:
    """A world that several tests look at."""
    return build(scale, seed, 2)


def write(scale: str, seed: int, out: Path) -> Simulation:
    simulate(made(scale, seed), out, SHIPPED)
    decoder = msgspec.json.Decoder(Search)
    lines = (out / "events.jsonl").read_bytes().splitlines()
    searches = [decoder.decode(line) for line in lines]
    labels, decoys = read_labels(out / "labels.jsonl"), read_labels(out / "decoys.jsonl")
    return Simulation(made(scale, seed), out, searches, labels, decoys)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Simulation:
    return write("demo", 0, tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> Simulation:
    return write("20k", 100, tmp_path_factory.mktemp("benchmark"))


@pytest.fixture(params=["demo", "benchmark"])
def simulation(request: pytest.FixtureRequest) -> Simulation:
    found: Simulation = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("scale", ["demo", "20k"])
def test_same_seed_gives_the_same_files_byte_for_byte(
    scale: str, demo: Simulation, benchmark: Simulation, tmp_path: Path
) -> None:
    first = demo if scale == "demo" else benchmark
    simulate(build(scale, first.world.seed, 2), tmp_path, SHIPPED)
    files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert {"events.jsonl", "labels.jsonl", "decoys.jsonl", "roster.csv", "calendar.csv"} < set(files)
    for file in files:
        assert (first.directory / file).read_bytes() == (tmp_path / file).read_bytes(), file


def test_another_seed_gives_other_files(demo: Simulation, tmp_path: Path) -> None:
    simulate(made("demo", 1), tmp_path, SHIPPED)
    for file in ("events.jsonl", "labels.jsonl", "roster.csv"):
        assert (demo.directory / file).read_bytes() != (tmp_path / file).read_bytes(), file


def test_a_stream_does_not_depend_on_other_streams() -> None:
    assert generator(1, "a", 2).random() == generator(1, "a", 2).random()
    values = {generator(*path).random() for path in ((1, "a"), (1, "b"), (2, "a"), (1, "a", 0))}
    assert len(values) == 4


def test_every_line_is_a_search_as_the_product_encodes_it(simulation: Simulation) -> None:
    lines = (simulation.directory / "events.jsonl").read_bytes().splitlines()
    assert len(lines) > 10_000
    assert all(line == encode_search(one) for line, one in zip(lines, simulation.searches, strict=True))
    assert len({one.event_id for one in simulation.searches}) == len(lines)


@pytest.mark.parametrize(
    ("scale", "seed"), [("demo", 0), ("demo", 1), ("demo", 100), ("20k", 100), ("100k", 101)]
)
def test_honest_searches_look_like_the_real_logs(scale: str, seed: int) -> None:
    compared = targets(made(scale, seed))
    # Both, for whoever asks with -rP.
    for one in compared:
        print(f"{one.name}: {one.achieved:.3g}, {one.source} {one.real:.3g} ({one.low:g} to {one.high:g})")
    assert not [one for one in compared if not one.met]


def test_labels_name_searches_that_exist_and_belong_to_their_keys(simulation: Simulation) -> None:
    known = {one.event_id: one for one in simulation.searches}
    assert len({label.incident for label in simulation.labels}) == len(simulation.labels)
    for label in [*simulation.labels, *simulation.decoys]:
        for event_id in label.event_ids:
            search = known[event_id]
            assert label.start <= search.event_time <= label.end, label
            if "requester" in label.keys:
                assert search.requester_id in label.keys["requester"], label
            if "subject" in label.keys and label.scenario in ("S9", "hotlist-job", "hot-suspect"):
                assert search.subject_ref in label.keys["subject"], label
    claimed = Counter(event_id for label in simulation.labels for event_id in label.event_ids)
    assert max(claimed.values()) == 1


def test_labels_name_detectors_and_reports_that_there_are(simulation: Simulation) -> None:
    shipped = Path(__file__).resolve().parents[1] / "config"
    known = {stanza.name for stanza in load(shipped, shipped, settings_types()).detectors}
    for label in simulation.labels:
        there = {"disparity"} if label.kind == "report" else {*known, *settings_types()}
        assert label.detectors and there.issuperset(label.detectors), label.incident


def test_sequences_have_no_gap_but_the_labelled_ones(simulation: Simulation) -> None:
    gaps: dict[str, list[datetime]] = defaultdict(list)
    latest: dict[str, Search] = {}
    for search in simulation.searches:
        before = latest.get(search.source_id)
        assert search.source_sequence is not None
        if before is None:
            assert search.source_sequence == 1
        else:
            assert before.source_sequence is not None
            assert search.source_sequence > before.source_sequence
            if search.source_sequence != before.source_sequence + 1:
                gaps[search.source_id].append(search.event_time)
        latest[search.source_id] = search
    allowed = [label for label in simulation.labels if "sequence_gap" in label.detectors]
    for source, times in gaps.items():
        for time in times:
            assert any(
                source in label.keys["source"] and label.start <= time <= label.end + timedelta(days=3)
                for label in allowed
            ), (source, time)
    assert {source for label in allowed for source in label.keys["source"]} == set(gaps)


def test_uploads_keep_order_and_stay_within_the_declared_lateness(simulation: Simulation) -> None:
    arrivals = [one.ingest_time for one in simulation.searches if one.ingest_time is not None]
    assert len(arrivals) == len(simulation.searches)
    assert arrivals == sorted(arrivals)
    delays: dict[str, list[timedelta]] = defaultdict(list)
    for search, arrival in zip(simulation.searches, arrivals, strict=True):
        delays[search.source_id].append(arrival - search.event_time)
    assert len(delays) == 4
    assert all(timedelta() < one < timedelta(hours=48) for some in delays.values() for one in some)
    typical = {source: sorted(some)[len(some) // 2] for source, some in delays.items()}
    assert min(typical.values()) < timedelta(minutes=1)
    assert max(typical.values()) > timedelta(hours=6)


def test_the_directory_is_a_configuration_and_policies_tell_exactly_the_labelled_breaches(
    simulation: Simulation, tmp_path: Path
) -> None:
    reference = load(configuration(simulation.directory, tmp_path), SHIPPED, {}).reference
    agency_id = simulation.searches[0].agency_id
    agency = reference.agency(agency_id)
    policy = reference.policy.bind(
        agency_id, agency.policies, timezone=agency.timezone, tools=reference.tools
    )
    expected = {
        event_id: set(label.clauses)
        for label in simulation.labels
        if label.kind == "policy"
        for event_id in label.event_ids
    }
    assert len(expected) >= 20
    for search in simulation.searches:
        broken = {clause.id for clause in policy.violations(search, search.event_time.timestamp())}
        assert broken == expected.get(search.event_id, set()), search


def test_officers_search_where_and_when_the_roster_has_them(simulation: Simulation, tmp_path: Path) -> None:
    roster = load(configuration(simulation.directory, tmp_path), SHIPPED, {}).reference.roster
    strangers = 0
    for search in simulation.searches:
        day = search.event_time.astimezone(LOS_ANGELES).date().toordinal()
        posting = roster.at(search.requester_id, day)
        strangers += posting is None or posting.unit_id != search.unit_id
        assert search.training_expires_on is not None
        assert search.training_expires_on > date.fromordinal(day).isoformat()
    # A search after midnight of somebody's last day is honest and rare.
    assert strangers <= 5


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


def test_every_seed_has_habits_of_its_own() -> None:
    seeds = [*range(10), *range(100, 120)]
    habits = [metropolis(20_000, 1, seed).habits for seed in seeds]
    usual = Habits()
    for name in ("spread", "case_tail", "vague", "outside", "edited", "reviewed", "corroborated", "arrested"):
        values = [getattr(one, name) / getattr(usual, name) for one in habits]
        assert len(set(values)) == len(seeds), name
        assert 0.9 <= min(values) < max(values) <= 1.1, name


def test_wrong_arguments_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="5k, 20k, 100k, 1M, demo"):
        build("50k", 0)
    with pytest.raises(ValueError, match="seed"):
        build("demo", -1)


def test_the_shifts_together_keep_the_hours_of_the_real_log() -> None:
    share, hours = shift_hours()
    assert share.sum() == pytest.approx(1)
    assert np.allclose(share @ hours, np.asarray(HOURS) / sum(HOURS))


CLOCK = LocalClock("America/Los_Angeles", date(2020, 1, 1), 366)


@given(day=st.integers(0, 365), second=st.integers(0, 86_399))
def test_local_times_are_those_of_the_time_zone(day: int, second: int) -> None:
    got = int(CLOCK.milliseconds(np.array([day]), np.array([second]))[0])
    naive = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=day, seconds=second)
    local = naive.replace(tzinfo=LOS_ANGELES)
    readings = {int(local.replace(fold=fold).timestamp() * 1000) for fold in (0, 1)}
    assert got in readings


def test_a_repeated_hour_is_used_twice_and_a_skipped_one_never() -> None:
    def hour_of(on: date, second: int) -> tuple[int, int]:
        at = CLOCK.milliseconds(np.array([CLOCK.index(on)]), np.array([second]))[0] / 1000
        local = datetime.fromtimestamp(at, LOS_ANGELES)
        return local.hour, local.fold

    assert {hour_of(date(2020, 11, 1), 3_600 + second) for second in (0, 1)} == {(1, 0), (1, 1)}
    assert hour_of(date(2020, 3, 8), 2 * 3_600 + 1_801) == (3, 0)
    assert [CLOCK.date(day) for day in CLOCK.changes()] == [date(2020, 3, 8), date(2020, 11, 1)]


def test_labels_with_unknown_fields_are_refused_at_their_line(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text(json.dumps({"incident": "x", "colour": "red"}) + "\n")
    with pytest.raises(msgspec.ValidationError, match=r"labels\.jsonl:1"):
        read_labels(path)
