"""Evaluating alerts against labels, on alerts made by hand."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from bench.evaluation import clause_family, evaluate, latest
from bench.fairness import fairness
from bench.labels import Label, write_labels
from bench.officer_days import officer_days
from bench.scorecard import render, summary
from models.alert import Alert, encode_alert
from models.pseudonym import Pseudonyms
from streams.commands.evaluate import register

START = datetime(2020, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)

BURST = Label(
    incident="i1", scenario="S1", level=1, kind="anomaly", title="burst", agency_id="lapd",
    keys={"requester": ("s1",)}, event_ids=("e1", "e2", "e3"), start=START, end=START + DAY,
)  # fmt: skip
BREACH = Label(
    incident="i2", scenario="S10", level=1, kind="policy", title="tool", agency_id="lapd",
    keys={"requester": ("s2",)}, event_ids=("e8", "e9"), start=START, end=START + DAY,
    clauses=("la-2020-approved-tools",),
)  # fmt: skip
TRAP = Label(
    incident="d1", scenario="hot-suspect", level=0, kind="anomaly", title="hot suspect", agency_id="lapd",
    keys={"subject": ("p1",)}, event_ids=("e20", "e21"), start=START, end=START + DAY,
)  # fmt: skip


def alert(**changes: Any) -> Alert:
    """An alert that tells the burst by its requester, unless changed."""
    fields: dict[str, Any] = {
        "alert_id": "a1", "detector": "volume", "kind": "anomaly", "entity_kind": "requester",
        "entity": "s1", "agency_id": "lapd", "unit_id": None, "window_start": START,
        "window_end": START + DAY, "first_seen": START, "decided_at": START + timedelta(hours=5),
        "status": "final", "severity": "high", "p_value": 1e-6, "score": 13.8, "observed": 9.0,
        "expected": 1.0, "interval": (0.0, 4.0), "clause": None, "evidence": ("x1",),
        "evidence_count": 1, "explanation": "x", "detector_version": 1, "config_digest": "d",
    }  # fmt: skip
    return Alert(**(fields | changes))


def breach(**changes: Any) -> Alert:
    """A policy alert that tells the breach, unless changed."""
    fields = {
        "alert_id": "p1", "detector": "policy_clause", "kind": "policy", "entity": "s2", "p_value": None,
        "clause": "la-2020-approved-tools", "evidence": ("e8",),
    }  # fmt: skip
    return alert(**(fields | changes))


def test_an_alert_about_the_right_person_at_the_right_time_tells_the_incident() -> None:
    (told,) = evaluate([alert()], [BURST]).told
    assert told.caught
    assert told.detectors == ("volume",)
    assert told.delay == timedelta(hours=5)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"entity": "s9"}, id="another person"),
        pytest.param({"entity_kind": "unit"}, id="a unit that goes by the person's id"),
        pytest.param({"agency_id": "other"}, id="another agency"),
        pytest.param({"window_start": START + 5 * DAY, "window_end": START + 6 * DAY}, id="past the slack"),
        pytest.param({"window_start": START - 9 * DAY, "window_end": START - 8 * DAY}, id="a window before"),
        pytest.param({"decided_at": START - DAY}, id="decided before it began"),
        pytest.param({"status": "withdrawn"}, id="withdrawn"),
        pytest.param({"kind": "policy", "clause": "la-2021-purpose"}, id="a policy alert"),
    ],
)
def test_what_does_not_tell_the_incident(changes: dict[str, Any]) -> None:
    (told,) = evaluate([alert(**changes)], [BURST]).told
    assert not told.caught
    assert told.delay is None


def test_shared_evidence_tells_whatever_the_entity_but_not_a_drop_in_a_bucket() -> None:
    unit = {"entity_kind": "unit", "entity": "central"}
    some = evaluate([alert(**unit, evidence=("e1", "e2", "x1", "x2"))], [BURST])
    crowd = tuple(f"x{number}" for number in range(49))
    drop = evaluate([alert(**unit, evidence=("e1", *crowd))], [BURST])
    assert some.caught == 1
    assert not some.false_alerts
    assert drop.caught == 0
    assert len(drop.false_alerts) == 1


def test_a_policy_incident_asks_for_the_right_clause() -> None:
    assert evaluate([breach()], [BREACH]).caught == 1
    assert evaluate([breach(clause="la-2021-purpose")], [BREACH]).caught == 0
    noticed = evaluate([alert(entity="s2", detector="rare")], [BREACH])
    assert noticed.caught == 0
    assert not noticed.false_alerts
    assert noticed.told[0].alerts == ("a1",)


def test_what_belongs_in_a_report_is_no_incident_that_alerts_could_tell() -> None:
    fields = {name: getattr(BURST, name) for name in BURST.__struct_fields__}
    evaluation = evaluate([alert()], [Label(**fields | {"kind": "report"})])
    assert evaluation.told == ()
    assert len(evaluation.false_alerts) == 1


def test_policy_alerts_without_a_labelled_breach_are_false() -> None:
    evaluation = evaluate([breach(), breach(alert_id="p2", evidence=("e1",))], [BURST, BREACH])
    assert [one.alert_id for one in evaluation.false_policy] == ["p2"]
    assert not evaluation.false_alerts


def test_the_last_record_counts_and_the_first_gives_the_delay() -> None:
    provisional = alert(status="provisional", decided_at=START + timedelta(seconds=30))
    final = alert(status="amended", observed=12.0, decided_at=START + 2 * DAY)
    (record,) = latest([provisional, final])
    assert record.alert.observed == 12.0
    (told,) = evaluate([provisional, final], [BURST]).told
    assert told.delay == timedelta(seconds=30)
    early = alert(status="final", decided_at=START - 3 * DAY)
    assert evaluate([early, final], [BURST]).told[0].delay == 2 * DAY
    assert evaluate([provisional, alert(status="withdrawn")], [BURST]).alerts == 0


def test_false_alerts_are_counted_by_detector_and_by_officer_day() -> None:
    alerts = [alert(alert_id=str(n), entity="s7", detector="rare" if n else "volume") for n in range(3)]
    evaluation = evaluate(alerts, [BURST], officer_days=30_000)
    assert evaluation.false_by_detector == {"rare": 2, "volume": 1}
    assert evaluation.per_day_per_1000(3) == pytest.approx(0.1)
    assert evaluate(alerts, [BURST]).per_day_per_1000(3) is None


def test_a_trap_alarms_by_its_key_or_by_most_of_the_evidence() -> None:
    by_key = alert(entity_kind="subject", entity="p1", detector="repeat_subject")
    by_evidence = alert(entity="s5", evidence=("e20", "x"))
    hardly = alert(entity="s5", evidence=("e20", "x", "y"))
    assert evaluate([by_key], [BURST], decoys=[TRAP]).decoys == ((TRAP, ("repeat_subject",)),)
    assert len(evaluate([by_evidence], [BURST], decoys=[TRAP]).decoys) == 1
    assert evaluate([hardly], [BURST], decoys=[TRAP]).decoys == ()
    assert evaluate([alert(evidence=("e20",))], [BURST], decoys=[TRAP]).decoys == ()


def test_a_policy_trap_may_be_noticed_but_not_called_a_breach() -> None:
    lawful = Label(**{name: getattr(TRAP, name) for name in TRAP.__struct_fields__} | {"kind": "policy"})
    assert evaluate([alert(entity="s5", evidence=("e20",))], [], decoys=[lawful]).decoys == ()
    called = breach(evidence=("e20",))
    assert len(evaluate([called], [], decoys=[lawful]).decoys) == 1


def test_dates_limit_alerts_and_incidents() -> None:
    later = START + 3 * DAY
    evaluation = evaluate([alert(), alert(alert_id="a2", entity="s7")], [BURST], first=later)
    assert (evaluation.alerts, len(evaluation.told)) == (0, 0)
    assert evaluate([alert()], [BURST], first=START, last=later).caught == 1


def test_pseudonyms_are_matched_under_their_key() -> None:
    names = Pseudonyms(b"0123456789abcdef")
    hidden = alert(entity=names("s1"))
    assert evaluate([hidden], [BURST]).caught == 0
    assert evaluate([hidden], [BURST], rename=names).caught == 1


def test_families_of_clauses_leave_out_place_and_year() -> None:
    assert clause_family("la-2021-approved-tools") == "approved-tools"
    assert clause_family("single") == "single"


ROSTER = """requester_id,agency_id,unit_id,role,shift,valid_from,valid_to,trained_until
s1,lapd,central,officer,day,2010-01-01,,2022-01-01
s2,lapd,central,officer,day,2020-06-05,2020-06-08,2022-01-01
svc,lapd,central,service,day,2010-01-01,,2022-01-01
"""


def test_officer_days_are_those_served_within_the_span(tmp_path: Path) -> None:
    path = tmp_path / "roster.csv"
    path.write_text(ROSTER)
    assert officer_days(path, date(2020, 6, 1), date(2020, 6, 11)) == 10 + 3
    path.write_text(ROSTER.replace("2020-06-05", "5 June"))
    with pytest.raises(ValueError, match=r"roster\.csv:3"):
        officer_days(path, date(2020, 6, 1), date(2020, 6, 11))


def test_a_roster_is_read_as_the_configuration_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "roster.csv"
    short = "# people\nrequester_id,agency_id, unit_id,valid_from\n\ns1 ,lapd, central,2010-01-01\n"
    path.write_text(short, encoding="utf-8-sig", newline="\r\n")
    span = date(2020, 6, 1), date(2020, 6, 11)
    assert officer_days(path, *span) == 10
    assert fairness(path, [alert(entity="s1")], *span)["unit"].groups["central"].alerts == 1
    path.write_text(short.replace("2010", "10"))
    with pytest.raises(ValueError, match=r"roster\.csv:4"):
        officer_days(path, *span)
    path.write_text("who,when\ns1,2010-01-01\n")
    with pytest.raises(ValueError, match="the columns requester_id, unit_id, valid_from are missing"):
        officer_days(path, *span)


def test_the_table_shows_each_incident_and_the_totals() -> None:
    evaluation = evaluate([alert(), alert(alert_id="a2", entity="s7")], [BURST, BREACH], decoys=[TRAP])
    console = Console(width=140)
    with console.capture() as capture:
        console.print(render(evaluation))
    text = capture.get()
    assert "burst" in text
    assert "1 of 2 incidents caught" in text
    assert "volume: 1" in text
    assert "0 of 1 decoys alarmed" in text
    assert summary(evaluation)["false_alerts"] == 1


def test_a_narrow_terminal_cuts_no_name_off() -> None:
    told = alert(detector="a_detector_with_a_long_name")
    console = Console(width=60)
    with console.capture() as capture:
        console.print(render(evaluate([told], [BURST, BREACH])))
    assert "…" not in capture.get()


def test_false_alerts_are_held_against_those_whom_they_hit(tmp_path: Path) -> None:
    path = tmp_path / "roster.csv"
    path.write_text(
        "requester_id,role,unit_id,shift,valid_from,valid_to\n"
        "old,officer,u1,day,2010-01-01,2020-03-01\n"
        "old,officer,u1,night,2020-03-01,\n"
        "moved,officer,u2,day,2010-01-01,2020-05-12\n"
        "moved,officer,u1,day,2020-05-12,\n"
        "bot,service,u1,day,2010-01-01,\n"
    )
    span = date(2020, 6, 1), date(2020, 9, 9)
    false = [alert(entity="moved"), alert(entity="moved", first_seen=START + 50 * DAY)]
    false += [alert(entity="old"), alert(entity="bot"), alert(entity="u1", entity_kind="unit")]
    found = fairness(path, false, *span)
    assert {name: (one.alerts, one.days) for name, one in found["unit"].groups.items()} == {"u1": (3, 200)}
    # A change of shift is no new posting: `old` is settled, `moved` only after 60 days.
    assert {name: (one.alerts, one.days) for name, one in found["tenure"].groups.items()} == {
        "first 60 days": (1, 40), "later": (2, 160),
    }  # fmt: skip
    assert found["shift"].worst == "day"
    assert found["shift"].ratio == pytest.approx(2 / 100 * 200 / 3)
    assert found["tenure"].ratio == pytest.approx(1 / 40 * 200 / 3)
    named = fairness(path, [alert(entity="MOVED")], *span, rename=str.upper)
    assert named["shift"].groups["day"].alerts == 1
    assert fairness(path, [], *span)["unit"].ratio is None


def test_the_command_ends_with_one_json_object(tmp_path: Path) -> None:
    (tmp_path / "alerts.jsonl").write_bytes(encode_alert(alert()) + b"\n" + encode_alert(breach()) + b"\n")
    (tmp_path / "roster.csv").write_text(ROSTER)
    write_labels(tmp_path / "labels.jsonl", [BURST, BREACH])
    app = typer.Typer()
    register(app)
    app.command("other")(lambda: None)
    files = {f"--{name}": tmp_path / f"{name}.{end}" for name, end in
             (("alerts", "jsonl"), ("labels", "jsonl"), ("roster", "csv"))}  # fmt: skip
    arguments = ["evaluate", "--json", *(str(part) for pair in files.items() for part in pair)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout.splitlines()[-1])
    assert (found["caught"], found["incidents"], found["false_alerts"]) == (2, 2, 0)
    assert found["false_alert_ratio"]["tenure"] is None

    backwards = CliRunner().invoke(app, [*arguments, "--from", "2021-01-01", "--to", "2020-01-01"])
    assert backwards.exit_code == 2 and "before --from" in backwards.output

    (tmp_path / "config").mkdir()
    stanza = "detectors:\n  policy:\n    function: policy_clause\n"
    (tmp_path / "config" / "detectors.yaml").write_text(f"budget: {{false_discovery_rate: 0.2}}\n{stanza}")
    compared = CliRunner().invoke(app, [*arguments, "--config", str(tmp_path / "config")])
    assert compared.exit_code == 0, compared.output
    kept = json.loads(compared.stdout.splitlines()[-1])
    assert kept["false_alerts_per_day_under_budget"] == 0
    assert kept["budget_promised"] == pytest.approx(2 * 0.2 / 0.8**2)

    (tmp_path / "alerts.jsonl").write_bytes(encode_alert(alert()) + b"\n{}\n")
    broken = CliRunner().invoke(app, arguments)
    assert broken.exit_code == 1
    assert "alerts.jsonl:2" in broken.output
