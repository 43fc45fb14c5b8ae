"""The worked notebooks run from their first cell to their last, and say whose log they show."""

from __future__ import annotations

import csv
import importlib.util
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from analysis.examples import SAID, simulated_log
from streams.demo.worker import ROOT

NOTEBOOKS = ROOT / "notebooks"
#: Days of the log: enough for stanzas that ask for a month of history.
DAYS = 110
BEGIN = datetime(2025, 6, 1, tzinfo=UTC)


def run(name: str, **instead: Any) -> tuple[str, dict[str, Any]]:
    """What a notebook shows, as text, and its variables; some cells' variables are given instead."""
    spec = importlib.util.spec_from_file_location(name, NOTEBOOKS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    shown, variables = module.app.run(defs=instead)
    return " ".join(one.text for one in shown if hasattr(one, "text")), dict(variables)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("city")
    simulated_log(folder, DAYS)
    return folder


def test_every_notebook_is_tried_here() -> None:
    tried = {"explore_a_log", "new_detector", "tune_the_budget"}
    assert {one.stem for one in NOTEBOOKS.glob("*.py")} == tried


def test_a_log_of_ones_own_is_explored(tmp_path: Path) -> None:
    log = tmp_path / "audit.csv"
    with log.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("id", "userId", "searchDate", "cameraCount", "reason"))
        # One of six people searches thirty times on a day of the third month.
        times = [(day, user, 9.0 + user) for day in range(100) for user in range(6)]
        times += [(80, 2, 9 + number / 4) for number in range(30)]
        for number, (day, user, hour) in enumerate(sorted(times, key=lambda one: (one[0], one[2]))):
            at = BEGIN + timedelta(days=day, hours=hour)
            writer.writerow((f"s{number}", f"user-{user}", f"{at:%Y-%m-%d %H:%M:%S}", 9, "burglary"))
    shown, found = run("explore_a_log", log=log, zone="UTC", days=0)
    assert "630 searches taken, 0 rows refused" in found["told"] and SAID not in shown
    assert found["per_person"]["user-2"] == 130 and found["by_month"].sum() == 630
    (burst,) = (one for one in found["alerts"].itertuples() if one.detector == "requester_volume")
    assert burst.entity == "user-2" and sum(found["line"]) == len(found["alerts"])


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("nope.jsonl", None, "there is no file"),
        ("empty.jsonl", "", "there is no search in"),
        ("odd.jsonl", '{"a": 1}\n', "its first line: .*agency_id.*docs/events.md"),
        ("nope.csv", None, "there is no file"),
        ("empty.csv", "", "the file is empty"),
        ("rows.csv", "id,userId,searchDate,cameraCount,reason\n", "no row of .* is a search"),
    ],
)
def test_a_log_that_cannot_be_used_is_a_sentence(
    tmp_path: Path, name: str, text: str | None, said: str
) -> None:
    log = tmp_path / name
    if text is not None:
        log.write_text(text)
    with pytest.raises(SystemExit) as ended:
        run("explore_a_log", log=log, zone="UTC", days=0)
    told = str(ended.value)
    assert re.match(f"the log cannot be used: .*{said}", told) and str(log) in told


def test_without_one_it_is_said_that_the_log_is_simulated(city: Path) -> None:
    shown, found = run("explore_a_log", log=None, zone="America/Los_Angeles", days=40)
    assert SAID in found["told"] and found["config"] != city
    assert len(found["searches"]) > 500 and "simulated" in shown


def test_a_question_becomes_a_detector(city: Path) -> None:
    _, found = run("new_detector", city=city)
    assert 0 < len(found["hits"]) < len(found["searches"])
    assert set(found["found"].alerts.detector) == {"edited_probes"}
    assert all("with an edited probe" in one for one in found["found"].alerts.explanation)


def test_a_larger_budget_tells_more_and_promises_less(city: Path) -> None:
    names = ("requester_volume",)
    _, found = run("tune_the_budget", city=city, names=names, rates=(0.001, 0.4))
    few, many = found["budgets"].to_dict("records")
    assert few["alerts"] < many["alerts"] and few["incidents told"] <= many["incidents told"] > 0
    assert few["promised false a day"] < many["promised false a day"]
    assert few["incidents"] == many["incidents"] > many["incidents told"]
