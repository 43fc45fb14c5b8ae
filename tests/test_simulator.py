"""The simulator: reproducible, readable by the product, honest where it says so."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.labels import Label, read_labels
from bench.simulator.clock import HOURS, LocalClock, shift_hours
from bench.simulator.generate import build, simulate
from bench.simulator.incidents import discover
from bench.simulator.incidents.demonstration import CITING
from bench.simulator.seeds import generator
from bench.simulator.targets import targets
from models.search import Search, encode_search
from streams.configuration import load

SHIPPED = Path(__file__).parents[1] / "config"
LOS_ANGELES = ZoneInfo("America/Los_Angeles")


@dataclass(frozen=True)
class Simulation:
    """A written simulation, read back as an outsider would."""

    directory: Path
    searches: list[Search]
    labels: list[Label]
    decoys: list[Label]

    def labelled(self, scenario: str) -> Label:
        (found,) = [label for label in self.labels if label.scenario == scenario]
        return found

    def of(self, label: Label) -> list[Search]:
        wanted = set(label.event_ids)
        return sorted(
            (one for one in self.searches if one.event_id in wanted), key=lambda one: one.event_time
        )


def write(scale: str, seed: int, out: Path, years: int = 3) -> Simulation:
    simulate(build(scale, seed, years), out, SHIPPED)
    decoder = msgspec.json.Decoder(Search)
    lines = (out / "events.jsonl").read_bytes().splitlines()
    searches = [decoder.decode(line) for line in lines]
    labels, decoys = read_labels(out / "labels.jsonl"), read_labels(out / "decoys.jsonl")
    return Simulation(out, searches, labels, decoys)


@pytest.fixture(scope="module", params=["demo", "20k"])
def simulation(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Simulation:
    return write(request.param, 7, tmp_path_factory.mktemp(request.param), years=2)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Simulation:
    return write("demo", 0, tmp_path_factory.mktemp("demo"))


@pytest.mark.parametrize("scale", ["demo", "20k"])
def test_same_seed_gives_the_same_files_byte_for_byte(scale: str, tmp_path: Path) -> None:
    for name, seed in (("one", 3), ("two", 3), ("other", 4)):
        simulate(build(scale, seed, 1), tmp_path / name, SHIPPED)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert {"events.jsonl", "labels.jsonl", "decoys.jsonl", "roster.csv", "calendar.csv"} < set(files)
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file
    for file in ("events.jsonl", "labels.jsonl", "roster.csv"):
        assert (tmp_path / "one" / file).read_bytes() != (tmp_path / "other" / file).read_bytes(), file


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
    ("scale", "seed"), [("demo", 0), ("demo", 1), ("demo", 100), ("20k", 0), ("100k", 101)]
)
def test_honest_searches_look_like_the_real_logs(scale: str, seed: int) -> None:
    missed = [one for one in targets(build(scale, seed, 2)) if not one.met]
    assert not missed


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
    for file in simulation.directory.iterdir():
        if file.suffix in (".yaml", ".csv"):
            (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "detectors.yaml").write_text("detectors: {}\n")
    reference = load(tmp_path, SHIPPED, {}).reference
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
    (tmp_path / "detectors.yaml").write_text("detectors: {}\n")
    for name in ("roster.csv", "agencies.yaml", "tools.yaml"):
        (tmp_path / name).write_bytes((simulation.directory / name).read_bytes())
    roster = load(tmp_path, SHIPPED, {}).reference.roster
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


def test_the_benchmark_has_every_scenario_at_every_level_in_its_last_year(tmp_path: Path) -> None:
    simulation = write("20k", 100, tmp_path)
    found = {(label.scenario, label.level) for label in simulation.labels}
    assert found == {(scenario, level) for scenario in discover() for level in (1, 2, 3)}
    assert {"S1", "S2", "S3", "S5", "S6", "S9", "S10", "S14", "S15"} <= set(discover())
    last_year = datetime(2023, 1, 1, tzinfo=LOS_ANGELES)
    assert all(label.start >= last_year for label in simulation.labels)
    bursts = {label.level: len(label.event_ids) for label in simulation.labels if label.scenario == "S3"}
    assert bursts[1] > bursts[2] > bursts[3] >= 2


def test_wrong_arguments_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="20k, 100k, 1M, demo"):
        build("5k", 0)
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
