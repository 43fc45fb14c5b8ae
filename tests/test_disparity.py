"""The report on disparity: evidence that holds however often it is read, ratios, and the command."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from models.disparity import NAMED, between, e_values, overdispersion, report, shares
from models.search import encode_search
from streams.__main__ import app
from tests.logs import search

AREAS = [f"area-{number}" for number in range(8)]
EVEN = np.full(8, 1 / 8)


def weekly(rng: np.random.Generator, weeks: int, share: np.ndarray, unrest: float) -> np.ndarray:
    """Weekly cases (areas x weeks) of busy and quiet weeks, with more scatter than chance has."""
    mood = rng.gamma(1 / unrest, unrest, (8, weeks))
    return rng.poisson(640 * share[:, None] * mood)


def test_evidence_hardly_ever_reaches_twenty_by_chance_however_often_it_is_read() -> None:
    rng = np.random.default_rng(1)
    ever = [e_values(weekly(rng, 104, EVEN, 0.2), EVEN).max(axis=1) >= NAMED for _ in range(150)]
    assert np.mean(ever) <= 1 / NAMED


def test_an_area_searched_half_more_is_named_within_months_and_no_other() -> None:
    rng = np.random.default_rng(2)
    share = EVEN.copy()
    share[3] *= 1.5
    told = report(AREAS, 737_791, weekly(rng, 52, share / share.sum(), 0.05), EVEN)
    assert [one.area for one in told[-1] if one.named] == ["area-3"]
    first = next(number for number, week in enumerate(told) if week[3].named)
    assert 4 < first < 40
    final = told[-1][3]
    assert final.week == 737_791 + 51 * 7
    assert final.ratio > final.action[1] > final.warning[1] > 1
    assert final.interval[0] < final.shrunk < final.interval[1]


def test_ratios_of_small_areas_are_drawn_towards_the_others() -> None:
    counts = np.array([[9], [1000], [1000], [980], [1020]])
    due = np.array([4.0, 1001, 1001, 1001, 1002])
    (last,) = report(AREAS[:5], 737_791, counts, due / due.sum())
    assert last[0].ratio > 2 and 1 < last[0].shrunk < 0.5 * (1 + last[0].ratio)
    assert last[0].action[1] > last[1].action[1]


def test_scatter_between_weeks_is_no_difference_between_areas() -> None:
    rng = np.random.default_rng(3)
    calm, wild = weekly(rng, 104, EVEN, 1e-6), weekly(rng, 104, EVEN, 0.5)
    assert overdispersion(calm) < 1.3 < overdispersion(wild)
    for counts in (calm, wild):
        seen = counts.sum(axis=1).astype(float)
        assert between(seen, EVEN * seen.sum(), overdispersion(counts)) < 0.01
    told = report(AREAS, 737_791, wild, EVEN)[-1]
    assert sum(one.ratio > one.action[1] for one in told) <= 1


def test_every_area_needs_a_denominator() -> None:
    assert shares({"a": 1.0, "b": 3.0}, ["a", "b"]).tolist() == [0.25, 0.75]
    with pytest.raises(ValueError, match="no denominator above 0 for: b, c"):
        shares({"a": 1.0, "b": 0.0}, ["a", "b", "c"])


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Two years of three areas; in the second, `harbor` is searched twice as often."""
    begin = datetime(2021, 1, 4, 18, tzinfo=UTC)
    lines = []
    for day in range(728):
        areas = ["central", "central", "hollywood", "hollywood", "harbor", "harbor"] + ["harbor"] * 2 * (
            day >= 364
        )
        for place, area in enumerate(areas):
            found = search(0.0, f"e{day}-{place}", incident_area=area, case_number=f"c{day}-{place}")
            found.event_time = begin + timedelta(days=day, minutes=place)
            lines.append(encode_search(found))
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join(lines))
    return file


def test_the_command_tells_of_areas_beyond_their_past(log: Path, tmp_path: Path) -> None:
    out = tmp_path / "weeks.csv"
    told = CliRunner().invoke(app, ["disparity", "--input", str(log), "--out", str(out), "--json"])
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout.splitlines()[-1]) == {"agencies": 1, "named": {"city": ["harbor"]}}
    rows = list(csv.DictReader(out.open()))
    assert len(rows) == 52 * 3 and rows[0]["week"] == "2022-01-03"
    harbor = [row for row in rows if row["area"] == "harbor"]
    assert float(harbor[-1]["ratio"]) == pytest.approx(1.5) and harbor[-1]["named"] == "true"
    assert harbor[0]["named"] == "false"


def test_the_command_takes_denominators_and_says_what_is_missing(log: Path, tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text("area,denominator\ncentral,100\nhollywood,100\nharbor,200\n")
    command = ["disparity", "--input", str(log), "--denominators", str(people), "--json"]
    told = CliRunner().invoke(app, command)
    assert json.loads(told.stdout.splitlines()[-1])["named"] == {"city": []}
    people.write_text("area,denominator\ncentral,100\nhollywood,many\n")
    told = CliRunner().invoke(app, command)
    assert told.exit_code == 1 and "people.csv:3: denominator must be a number" in told.output
    people.write_text("area,denominator\ncentral,100\n")
    told = CliRunner().invoke(app, command)
    assert told.exit_code == 1 and "no denominator above 0 for: harbor, hollywood" in told.output


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("area,denominator\ncentral,nan\n", "people.csv:2: denominator must be a number, not nan"),
        ("# a\narea,denominator\nx,1\nx,2\n", "people.csv:4: x is listed twice"),
        ("area,denominator\nx,100,5\n", "people.csv:2: 3 cells where the header has 2 columns"),
        ("area;denominator\nx;1\n", "people.csv: expected the columns area,denominator, found area;denom"),
        ("", "people.csv: expected the columns area,denominator, found nothing"),
    ],
)
def test_denominators_that_say_nothing_are_refused(log: Path, tmp_path: Path, text: str, said: str) -> None:
    people = tmp_path / "people.csv"
    people.write_text(text)
    told = CliRunner().invoke(app, ["disparity", "--input", str(log), "--denominators", str(people)])
    assert told.exit_code == 1 and said in " ".join(told.output.split())
    people.write_bytes(b"area,denominator\ncentr\xe4l,1\n")
    told = CliRunner().invoke(app, ["disparity", "--input", str(log), "--denominators", str(people)])
    assert told.exit_code == 1 and "people.csv: is not UTF-8" in told.output


def test_no_search_is_left_out_without_a_word(log: Path, tmp_path: Path) -> None:
    marked = tmp_path / "marked.jsonl"
    marked.write_bytes(b"\xef\xbb\xbf" + log.read_bytes() + b'\n\n{}\n{"event_id":\n')
    people = tmp_path / "people.csv"
    people.write_bytes(b"\xef\xbb\xbfarea,denominator\r\ncentral,1\r\nhollywood,1\r\nharbor,2\r\n")
    command = ["disparity", "--input", str(marked), "--denominators", str(people)]
    told = CliRunner().invoke(app, command)
    assert told.exit_code == 0, told.output
    assert "2 lines left out" in told.output
    assert "0 of 5,096 searches name no area" in told.output
    told = CliRunner().invoke(app, [*command, "--agency", "nobody"])
    assert told.exit_code == 1 and "the input has no search of nobody" in told.output
    told = CliRunner().invoke(app, [*command, "--from", "2022-02-01", "--to", "2022-01-01"])
    assert told.exit_code == 2 and "before --from" in told.output


def test_a_log_that_does_not_reach_back_is_refused(log: Path) -> None:
    told = CliRunner().invoke(app, ["disparity", "--input", str(log), "--from", "2021-03-01"])
    assert told.exit_code == 1 and "8 whole weeks before the report" in told.output
