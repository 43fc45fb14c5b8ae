"""Real misuse and the traps beside it, one file of cases for each detector."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
import yaml

from models.alert import Alert
from models.detectors import discover
from tests.casebook import FOLDER, Case, Expected, files, read
from tests.playing import Played, play

CASES = [(function, case) for function, file in files().items() for case in read(file).cases]


def test_every_detector_has_its_cases_and_every_case_file_its_detector() -> None:
    assert sorted(files()) == sorted(discover())
    for name, file in files().items():
        content = read(file)
        assert content.detector == name
        assert any(case.expect == "silence" for case in content.cases), f"{name}: no silent case"
        assert any(case.expect != "silence" for case in content.cases), f"{name}: no firing case"
        names = [case.name for case in content.cases]
        assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("place", "key"),
    [((), "detektor"), (("cases", 0), "setting"), (("cases", 0, "background", 0), "officer")],
)
def test_a_case_file_refuses_unknown_keys(tmp_path: Path, place: tuple[str | int, ...], key: str) -> None:
    data = yaml.safe_load((FOLDER / "silence.yaml").read_text())
    inner = data
    for part in place:
        inner = inner[part]
    inner[key] = 1
    (tmp_path / "case.yaml").write_text(yaml.safe_dump(data))
    with pytest.raises(msgspec.ValidationError, match=f"unknown field `{key}`"):
        read(tmp_path / "case.yaml")


@pytest.mark.parametrize(("function", "case"), CASES, ids=[f"{f}: {case.name}" for f, case in CASES])
def test_case(function: str, case: Case) -> None:
    played = play(function, case)
    if case.expect == "silence":
        assert [alert.explanation for alert in played.stream] == []
        return
    standing = list(played.standing)
    for expected in case.expect:
        alert = _take(standing, expected)
        _check(alert, expected, case, played)
    assert standing == [], "alerts that the case does not expect"


@pytest.mark.parametrize(
    ("function", "case"),
    [(function, case) for function, case in CASES if case.speaks_if],
    ids=[f"{f}: {case.name}" for f, case in CASES if case.speaks_if],
)
def test_a_trap_is_a_trap(function: str, case: Case) -> None:
    assert case.expect == "silence"
    assert play(function, case.changed()).standing


def _take(standing: list[Alert], expected: Expected) -> Alert:
    """The expected alert, taken out of those that stand."""
    for alert in standing:
        if (alert.entity, alert.clause) == (expected.entity, expected.clause):
            standing.remove(alert)
            return alert
    told = [(alert.entity, alert.clause, alert.explanation) for alert in standing]
    raise AssertionError(f"no alert about {expected.entity} {expected.clause or ''}; there are {told}")


def _check(alert: Alert, expected: Expected, case: Case, played: Played) -> None:
    last = (alert.window_end - timedelta(microseconds=1)).astimezone(case.zone).date()
    assert (alert.status, last) == (expected.status, expected.until), alert.explanation
    for words in expected.says:
        assert words in alert.explanation
    if expected.severity is not None:
        assert alert.severity == expected.severity
    if expected.evidence is not None:
        assert alert.evidence_count == expected.evidence
    if expected.by is not None:
        latest = datetime.combine(expected.by + timedelta(days=1), datetime.min.time(), case.zone)
        assert alert.decided_at < latest.astimezone(UTC)
    if expected.at_once:
        first = next(one for one in played.stream if one.entity == alert.entity)
        assert first.status == ("final" if first.kind == "policy" else "provisional")
