"""The simulator: reproducible, readable by the product, honest where it says so."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.labels import read_labels
from bench.simulator.city import Habits, metropolis
from bench.simulator.clock import HOURS, LocalClock, shift_hours
from bench.simulator.generate import build, simulate
from bench.simulator.seeds import generator
from bench.simulator.targets import targets
from models.detectors import settings_types
from models.search import Search, encode_search
from streams.configuration import load
from tests.simulator.reading import LOS_ANGELES, SHIPPED, Simulation, configuration, made


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
    known = {stanza.name for stanza in load(SHIPPED, SHIPPED, settings_types()).detectors}
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
