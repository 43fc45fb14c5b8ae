"""Tuning looks back only, gives the same for the same seed, and changes nothing that is in force."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from analysis.labels import Labels, Matters
from analysis.opening import open_subject
from analysis.packs import TakenIn, find_stanza, take_in
from analysis.tuning.ranges import changed, ranges
from analysis.tuning.search import search as look_for
from analysis.tuning.study import Heard, Study
from bench.detection.findings import Findings
from bench.detection.hearing import Overheard
from bench.labels import Label, write_labels
from models.alert import Finding
from models.analysis.folds import Fold, folds
from models.analysis.tradeoff import Tally, together, worth
from models.days import instant
from models.detectors import discover
from models.panel import Chosen
from models.search import Search, encode_search
from streams.exits import Stop
from tests.analysis.logs import write
from tests.live import command
from tests.logs import DAY, START, search
from tests.textfiles import left

#: So strict that the settings as they are tell nothing of what is laid.
STRICT = """
detectors:
  visits: {function: repeat_subject, alpha: 0.001, minimum_visits: 6, minimum_history_days: 5}
  volume: {function: high_count, alpha: 0.01, minimum_history_days: 5}
  rules: {function: policy_clause}
"""
DAYS, AGENCY = 75, "lapd"
#: Day on which each incident begins: somebody searches for one person on four days.
LAID = (34, 38, 42, 46, 50, 54, 58, 62)


def log() -> tuple[list[Search], list[Label]]:
    """Ten officers who search for somebody else each time, and eight who hunt one person."""
    found = [
        search(day * DAY + 3000 * officer + 7, f"{day}-{officer}", agency_id=AGENCY,
               requester_id=f"r{officer}", subject_ref=f"s{(day * 31 + officer * 17) % 400}",
               case_number=f"c{day}-{officer}")
        for day in range(DAYS) for officer in range(10)
    ]  # fmt: skip
    labels = []
    for number, begin in enumerate(LAID):
        mine = [
            search((begin + step) * DAY + 50_000, f"x{number}-{step}", agency_id=AGENCY,
                   requester_id=f"r{number}", subject_ref=f"prey{number}")
            for step in range(4)
        ]  # fmt: skip
        found += mine
        labels.append(
            Label(
                incident=f"i{number}", scenario="S9", level=1, kind="anomaly", title="a hunt",
                agency_id=AGENCY, keys={"requester": (f"r{number}",), "subject": (f"prey{number}",)},
                event_ids=tuple(one.event_id for one in mine), start=mine[0].event_time,
                end=mine[-1].event_time, detectors=("repeat_subject",),
            )
        )  # fmt: skip
    return sorted(found, key=lambda one: one.event_time), labels


@cache
def taken(days: int = DAYS) -> TakenIn:
    with TemporaryDirectory() as name:
        file = Path(name) / "events.jsonl"
        until = instant(START + days * DAY)
        file.write_bytes(b"".join(encode_search(one) + b"\n" for one in log()[0] if one.event_time < until))
        return take_in(open_subject(write(Path(name) / "config", STRICT)), [file])


def study(days: int = DAYS) -> Study:
    whole = taken(days)
    return Study(whole, find_stanza(whole.subject, "visits"), Labels(tuple(log()[1])))


def test_the_same_seed_gives_the_same_settings_on_any_number_of_processes_and_they_are_better() -> None:
    one = study()
    varied = ranges(one.stanza.settings, ["minimum_visits", "horizon_days"])
    asked = {"budget": 0.3, "number": 8, "folds": 3}
    alone = look_for([one], varied, **asked, seed=3, jobs=1)  # type: ignore[arg-type]
    shared = look_for([one], varied, **asked, seed=3, jobs=2)  # type: ignore[arg-type]
    assert alone == shared
    assert alone.trials[0].values == {"minimum_visits": 6, "horizon_days": 90}
    assert alone.better and alone.after.at.recall > alone.before.at.recall == 0
    assert alone.chosen.values["minimum_visits"] <= 4
    assert len(alone.trials) == 9


def test_what_is_found_on_a_day_does_not_hang_on_later_days() -> None:
    whole, cut = study().hear({"minimum_visits": 2}), study(50).hear({"minimum_visits": 2})
    last = int(cut.findings.day.max())
    before = whole.findings.chosen(whole.findings.day <= last)
    assert len(before.day) > 10

    def rows(found: Findings) -> list[tuple[object, ...]]:
        names = [found.entities[key] for key in found.key.tolist()]
        return sorted(zip(names, found.day.tolist(), found.score.tolist(), strict=True))

    assert rows(before) == rows(cut.findings)


@given(st.integers(0, 1000), st.floats(0.05, 2.0))
def test_a_threshold_does_not_hang_on_what_it_judges(salt: int, budget: float) -> None:
    one, heard = study(), _heard()
    fold = one.folds(3)[1]
    later = heard.findings.day >= fold.first
    score = np.where(later, (heard.findings.score * salt) % 50, heard.findings.score)
    other = Heard(
        replace(heard.findings, score=score),
        heard.told, heard.fell, heard.true,
    )  # fmt: skip
    assert one.at(other, fold, budget).least == one.at(heard, fold, budget).least


@cache
def _heard() -> Heard:
    return study().hear({"minimum_visits": 2})


@given(st.integers(0, 500), st.integers(1, 400), st.integers(1, 400), st.integers(1, 6), st.integers(1, 400))
def test_folds_follow_each_other_and_look_back(
    begin: int, wait: int, length: int, number: int, history: int
) -> None:
    first, last = begin + wait, begin + wait + length
    if length < number:
        with pytest.raises(ValueError, match="cannot be cut"):
            folds(begin, first, last, number, history)
        return
    found = folds(begin, first, last, number, history)
    assert [one.first for one in found] == [first, *(one.last for one in found[:-1])]
    assert found[-1].last == last
    for one in found:
        assert begin <= one.since < one.first < one.last and one.first - one.since <= history
    assert isinstance(found[0], Fold)


def tallies() -> st.SearchStrategy[Tally]:
    few = st.integers(0, 20)
    rate = st.floats(0, 10)
    return st.builds(
        lambda told, missed, fell, quiet, a, f, days: Tally(
            told + missed, told, fell + quiet, fell, a + f, f, days
        ),
        few, few, few, few, rate, rate, st.integers(1, 400),
    )  # fmt: skip


@given(st.lists(tallies(), min_size=1, max_size=5), st.floats(0.1, 5))
def test_worth_falls_with_what_is_false_and_missed(every: list[Tally], budget: float) -> None:
    whole = together(every)
    assert -1 <= worth(whole, budget) <= 1
    assert worth(whole._replace(false_a_day=whole.false_a_day + 5), budget) <= worth(whole, budget)
    assert whole.told == 0 or worth(whole._replace(told=whole.told - 1), budget) < worth(whole, budget)
    assert whole.days == sum(one.days for one in every)


@pytest.mark.parametrize("function", sorted(discover()))
def test_all_that_a_range_holds_is_permitted(function: str) -> None:
    settings = discover()[function].settings_type()
    for one in ranges(settings):
        assert one.choices or one.low <= one.now <= one.high
        ends = one.choices or (one.low, one.high)
        for value in [*one.grid(8), *(int(end) if one.whole else end for end in ends)]:
            try:
                changed(settings, {one.name: value})
            except msgspec.ValidationError as error:
                # Some do not go together with others; what is declared of one alone must hold.
                assert not str(error).startswith("Expected"), f"{one.name}: {value}"


def test_labels_are_found_by_their_keys_and_by_their_searches() -> None:
    labels = log()[1]
    known = Matters(labels)
    found = [finding for _, finding in _noted(study())]
    prey = [one for one in found if "prey3" in one.explanation or one.entity in ("prey3", "r3")]
    hits = [known.of(one, AGENCY) for one in prey]
    assert any(3 in hit for hit in hits) and not any(known.of(one, "elsewhere") for one in prey)


def _noted(one: Study) -> list[tuple[int, Finding]]:
    noted: list[tuple[int, Finding]] = []
    settings = changed(one.stanza.settings, {"alpha": 0.1, "minimum_visits": 2})
    chosen = Chosen(name="visits", function="repeat_subject", settings=settings)
    panel = one.taken.panel([chosen])
    one.taken.watch(lambda agency: [Overheard(each, noted) for each in panel.agency(agency)], budget=False)
    return noted


@pytest.mark.parametrize(
    ("stanza", "said"),
    [("rules", "no alpha"), ("volume", "no label says"), ("none", "there are rules, visits, volume")],
)
def test_what_cannot_be_tuned_is_said(stanza: str, said: str) -> None:
    whole = taken()
    with pytest.raises(Stop, match=said):
        Study(whole, find_stanza(whole.subject, stanza), Labels(tuple(log()[1])))


def test_the_command_writes_a_patch_and_its_evidence_and_leaves_the_settings_alone(tmp_path: Path) -> None:
    events, labels = log()
    (tmp_path / "events.jsonl").write_bytes(b"".join(encode_search(one) + b"\n" for one in events))
    write_labels(tmp_path / "labels.jsonl", labels)
    config = write(tmp_path / "config", STRICT)
    before = {file: file.read_bytes() for file in config.iterdir()}
    asked = (
        "tune", "--config", config, "--input", tmp_path / "events.jsonl",
        "--labels", tmp_path / "labels.jsonl", "--stanza", "visits", "--vary", "minimum_visits",
        "--budget", "0.3", "--trials", "6",
    )  # fmt: skip
    done = command(*asked, "--out", tmp_path / "out", "--json", "--textfile", tmp_path / "tune.prom")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["better"] and said["patch"]["minimum_visits"] <= 4
    assert {file: file.read_bytes() for file in config.iterdir()} == before
    patch = yaml.safe_load((tmp_path / "out" / "patch.yaml").read_text())
    assert patch["detectors"]["visits"] == said["patch"]
    candidate = open_subject(tmp_path / "out" / "candidate")
    settings = find_stanza(candidate, "visits").settings
    assert {name: getattr(settings, name) for name in said["patch"]} == said["patch"]
    evidence = json.loads((tmp_path / "out" / "tuning.json").read_text())
    figures = left(tmp_path / "tune.prom", "tune")
    assert figures["figure", "better"] == 1 and figures["figure", "incidents"] == said["incidents"]
    assert figures["figure", "told_tuned"] > figures["figure", "told_as_it_is"]
    assert len(evidence["trials"]) == 7 and evidence["held_out"] == said["held_out"]
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<script" not in page and "<svg" in page and "minimum_visits" in page
