"""Dispositions become labels; precision and spared alarms are what they say."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from analysis.backtesting.frames import backtest_frames
from analysis.feedback import quality
from analysis.labels import Labels, disposed, dispositions, read_decisions
from models.alert import Alert, decode_alert, encode_alert
from models.analysis.comparison import matter, overlap
from models.decisions import Decision, Disposition, encode_decision
from streams.exits import Stop
from tests.analysis.logs import lines, write
from tests.analysis.test_comparison import alert
from tests.live import command

NOW = datetime(2026, 1, 1, tzinfo=UTC)
#: Loose enough to tell much that is nothing.
LOOSE = """
detectors:
  visits:
    {function: repeat_subject, alpha: 0.5, minimum_visits: 2, minimum_history_days: 3, episode_days: 3}
  rules: {function: policy_clause}
"""


def decision(number: int, one: Alert, actor: str, action: str, what: Disposition | None = None) -> Decision:
    return Decision(
        decision_id=f"{number:032x}", alert_id=one.alert_id, at=NOW + timedelta(minutes=number), actor=actor,
        action=action, text="looked into", disposition=what,  # type: ignore[arg-type]
    )  # fmt: skip


def closing(alerts: Iterable[tuple[Alert, Disposition]]) -> list[Decision]:
    found: list[Decision] = []
    for one, what in alerts:
        found.append(decision(len(found), one, "reviewer-1", "dispose", what))
        found.append(decision(len(found), one, "reviewer-2", "confirm"))
    return found


def test_a_high_alert_is_closed_by_two_people_only() -> None:
    low, high = alert("x", 0), alert("y", 0, severity="high")
    one = [decision(0, low, "reviewer-1", "dispose", "confirmed"),
           decision(1, high, "reviewer-1", "dispose", "false_alarm")]  # fmt: skip
    assert dispositions([low, high], one) == {low.alert_id: "confirmed"}
    same = [*one, decision(2, high, "reviewer-1", "confirm")]
    assert dispositions([low, high], same) == {low.alert_id: "confirmed"}
    other = [*one, decision(2, high, "reviewer-2", "confirm")]
    assert dispositions([low, high], other) == {low.alert_id: "confirmed", high.alert_id: "false_alarm"}


def test_precision_counts_what_is_closed_and_neither_policy_nor_open_work() -> None:
    told = [alert(name, 0) for name in "abcdefg"]
    whats: list[Disposition] = ["confirmed", "confirmed", "explained", "false_alarm", "needs_policy_change"]
    known = dispositions(told, closing(zip(told, whats, strict=False)))
    (found,) = quality(told, known)
    assert (found.alerts, found.precision.hits, found.precision.number) == (7, 2, 4)
    assert found.precision.low < 0.5 < found.precision.high
    labels = disposed(told, known)
    assert [one.incident for one in labels.incidents] == [one.alert_id for one in told[:2]]
    assert [one.incident for one in labels.traps] == [one.alert_id for one in told[2:4]]
    assert labels.of("volume", "high_count") == labels and labels.of("other", "rare") == Labels()


def test_a_line_that_is_no_decision_is_named() -> None:
    good = encode_decision(decision(0, alert("x", 0), "reviewer-1", "acknowledge"))
    with pytest.raises(Stop, match=r"d\.jsonl, line 3 is not a decision: .*action"):
        read_decisions([good, b"", good.replace(b"acknowledge", b"shrug")], "d.jsonl")


def test_the_command_finds_a_setting_that_spares_false_alarms_and_keeps_the_confirmed(tmp_path: Path) -> None:
    events, config = tmp_path / "events.jsonl", write(tmp_path / "config", LOOSE)
    events.write_bytes(b"\n".join(lines(30)) + b"\n")
    told = backtest_frames(config, [events], jobs=1).result.outcomes[0].alerts
    visits = sorted((one for one in told if one.detector == "visits"), key=lambda one: one.p_value or 0.0)
    assert len(visits) >= 20
    cut = max(1, len(visits) // 4)
    judged: list[tuple[Alert, Disposition]] = [(one, "confirmed") for one in visits[:cut]]
    judged += [(one, "false_alarm") for one in visits[cut:]]
    (tmp_path / "alerts.jsonl").write_bytes(b"".join(encode_alert(one) + b"\n" for one in told))
    (tmp_path / "decisions.jsonl").write_bytes(
        b"".join(encode_decision(one) + b"\n" for one in closing(judged))
    )
    before = (config / "detectors.yaml").read_bytes()
    done = command(
        "feedback", "--alerts", tmp_path / "alerts.jsonl", "--decisions", tmp_path / "decisions.jsonl",
        "--config", config, "--input", events, "--out", tmp_path / "patch.yaml", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    (spared,) = said["spared"]
    assert spared["stanza"] == "visits" and spared["confirmed"] == cut
    assert 0 < len(spared["spared"]) <= spared["false"] == len(visits) - cut
    assert f"{spared['setting']}: " in (tmp_path / "patch.yaml").read_text()
    assert (config / "detectors.yaml").read_bytes() == before
    # What it promises is what the setting gives.
    content = yaml.safe_load(before)
    content["detectors"]["visits"][spared["setting"]] = spared["value"]
    (config / "detectors.yaml").write_text(yaml.safe_dump(content))
    after = backtest_frames(config, [events], jobs=1).result.outcomes[0].alerts

    def told_now(one: Alert) -> bool:
        return any(matter(one) == matter(other) and overlap(one, other) for other in after)

    assert {one.alert_id for one in visits if not told_now(one)} == set(spared["spared"])
    assert all(map(told_now, visits[:cut]))


def test_nothing_closed_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "alerts.jsonl").write_bytes(encode_alert(alert("x", 0)) + b"\n")
    (tmp_path / "decisions.jsonl").write_bytes(b"")
    done = command(
        "feedback", "--alerts", tmp_path / "alerts.jsonl", "--decisions", tmp_path / "decisions.jsonl"
    )
    assert done.returncode == 1 and "of 1 alert none is closed by what --decisions names" in done.stderr
    assert decode_alert((tmp_path / "alerts.jsonl").read_bytes().strip()).entity == "x"


def test_a_period_without_alerts_says_from_when_to_when_there_are_some(tmp_path: Path) -> None:
    one = alert("x", 0)
    (tmp_path / "alerts.jsonl").write_bytes(encode_alert(one) + b"\n")
    decided = b"".join(encode_decision(each) + b"\n" for each in closing([(one, "false_alarm")]))
    (tmp_path / "decisions.jsonl").write_bytes(decided)
    words: list[str | Path] = [
        "feedback",
        "--alerts",
        tmp_path / "alerts.jsonl",
        "--decisions",
        tmp_path / "decisions.jsonl",
    ]
    done = command(*words, "--from", "2001-01-01", "--to", "2001-02-01")
    assert done.returncode == 1 and f"from {one.decided_at.date()} to" in done.stderr
    done = command(*words, "--from", "2001-02-01", "--to", "2001-01-01")
    assert done.returncode == 2 and "after --from" in done.stderr
    assert command(*words).returncode == 0
