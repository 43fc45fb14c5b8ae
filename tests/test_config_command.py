"""`./probewatch config check`: what it says, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from streams.commands import config as config_command
from streams.settings import misspelled_variables, unknown_variables
from tests.good_folder import GOOD, SHIPPED, write


def run(*arguments: str) -> tuple[int, str, str]:
    app = typer.Typer()
    config_command.register(app)
    result = CliRunner().invoke(app, ["config", "check", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_config_check_passes_a_good_folder(tmp_path: Path) -> None:
    write(tmp_path, GOOD | {"detectors.yaml": "detectors: {policy: {function: policy_clause}}\n"})
    code, out, _ = run(str(tmp_path), "--json")
    answer = json.loads(out.splitlines()[-1])
    assert code == 0
    assert answer["ok"] is True and answer["detectors"] == 1 and answer["people on the roster"] == 1
    assert run("--config", str(tmp_path))[0] == 0


def test_config_check_lists_every_problem_and_exits_1(tmp_path: Path) -> None:
    write(tmp_path, GOOD | {"detectors.yaml": "detectors:\n  a: {function: nothing}\n  b: {}\n"})
    code, out, err = run(str(tmp_path), "--json")
    answer = json.loads(out.splitlines()[-1])
    assert code == 1
    assert [(one["line"], one["path"]) for one in answer["problems"]] == [
        (2, "detectors.a.function"),
        (3, "detectors.b"),
    ]
    assert "detectors.yaml:2:17" in err and "2 problems" in err


def test_config_check_runs_the_examples_of_the_clauses(tmp_path: Path) -> None:
    pack = GOOD["policy/mine.yaml"].replace("lawful: {purpose: x}", "lawful: {purpose: training}")
    agencies = "agencies: [{agency_id: here, policies: [mine]}]\n"
    detectors = "detectors: {policy: {function: policy_clause}}\n"
    write(tmp_path, {"detectors.yaml": detectors, "agencies.yaml": agencies, "policy/mine.yaml": pack})
    code, out, _ = run(str(tmp_path))
    assert code == 1
    assert "clause mine-1 fires on its lawful example for agency here" in out


def test_config_check_refuses_wrong_use(tmp_path: Path) -> None:
    assert run(str(tmp_path / "nowhere"))[0] == 2
    assert run(str(tmp_path), "--config", str(SHIPPED))[0] == 2


def test_every_key_of_a_stanza_is_known_where_one_is_misspelled(tmp_path: Path) -> None:
    stanzas = (
        "detectors:\n  a: {function: policy_clause, enabld: false}\n  b: {function: policy_clause, zzz: 1}\n"
    )
    code, _, err = run(str(write(tmp_path, GOOD | {"detectors.yaml": stanzas})))
    assert code == 1
    assert "detectors.a.enabld: unknown key, did you mean enabled?" in err
    assert "detectors.b.zzz: unknown key; known are enabled, episode_days, function" in err


def test_config_check_refuses_misspelled_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = str(write(tmp_path, {"detectors.yaml": "detectors: {policy: {function: policy_clause}}\n"}))
    assert run(folder)[0] == 0
    monkeypatch.setenv("PROBEWATCH_BROKR", "x")
    monkeypatch.setenv("PROBWATCH_WEB_PORT", "1")
    code, out, err = run(folder, "--json")
    assert code == 1 and "2 problems" in err
    assert "PROBEWATCH_BROKR is not a setting of Probewatch, did you mean PROBEWATCH_BROKER?" in err
    assert "PROBWATCH_WEB_PORT is not read, did you mean PROBEWATCH_WEB_PORT?" in err
    assert len(json.loads(out.splitlines()[-1])["problems"]) == 2


def test_only_variables_that_must_be_meant_for_us_are_pointed_at() -> None:
    foreign = {
        "MY_BROKER": "1",
        "KAFKA_BROKER": "1",
        "BROKER": "1",
        "probewatch_broker": "1",
        "WEB_PORT": "1",
    }
    ours = {"PROBEWATCH_BROKER": "1", "PROBEWATCH_FAULT": "1"}
    assert (unknown_variables(foreign | ours), misspelled_variables(foreign | ours)) == ([], [])
    assert unknown_variables({"PROBEWATCH_ZZZZZZZZZZ": "1"})[0].endswith("; see docs/operations.md")
