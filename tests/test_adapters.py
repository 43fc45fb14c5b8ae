"""Outside logs to events: every trap of the formats, and no row lost."""

import gzip
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from bench.eugene import facts
from models.decoding import decode
from models.pseudonym import Pseudonyms
from models.search import Search
from streams.adapters import adapters
from streams.adapters.base import Given, Problem, WrongFormat
from streams.adapters.reasons import read_reason
from streams.adapters.table import Row, read_time, records
from streams.commands.import_ import register

DATA = Path(__file__).parent / "data"
KEY = "0123456789abcdef0123456789abcdef"
USER_HEADER = "id,userId,searchDate,cameraCount,reason\n"


def read(name: str, lines: Iterable[str], **settings: object) -> list[Search | Problem]:
    return list(adapters()[name](Given(**settings)).rows(lines))  # type: ignore[arg-type]


def run(*words: str | Path, env: dict[str, str] | None = None) -> tuple[int, str, dict[str, object]]:
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    done = CliRunner().invoke(
        app, ["import", *map(str, words), "--json"], env=env or {"PROBEWATCH_PSEUDONYM_KEY": ""}
    )
    last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else "{}"
    return done.exit_code, done.output, json.loads(last) if last.startswith("{") else {}


def events(path: Path) -> list[Search]:
    found = [decode(line, None) for line in path.read_bytes().splitlines()]
    assert all(isinstance(each, Search) for each in found)
    return [each for each in found if isinstance(each, Search)]


def test_adapters_are_found_named_and_documented() -> None:
    assert list(adapters()) == ["alpr-organization-audit", "alpr-user-audit", "cloudevents", "jsonl"]
    assert all("Traps" in (kind.__doc__ or "") for kind in adapters().values())


# --- reasons ---


@pytest.mark.parametrize(
    ("text", "purpose", "number"),
    [
        ("", "unstated", None), ("***", "unstated", None), ("investigation", "vague", None),
        ("INV.", "vague", None), ("investagation+", "vague", None), ("Criminal Investigation", "vague", None),
        ("Person+Crime", "crime", None), ("uuv", "crime", None), ("Theft 25-12345", "crime", "25-12345"),
        ("2554321", "case_number", "2554321"), ("case #25-1402", "case_number", "25-1402"),
        ("Missing Person", "welfare", None), ("Administrative Test", "test", None),
        ("Daytime search for best result", "other", None), ("investigation 5415551234", "vague", None),
        ("9912345", "other", None), ("call 555-1234", "other", None),
    ],
)  # fmt: skip
def test_a_reason_gives_a_purpose_and_a_case_number_only_if_it_is_one(
    text: str, purpose: str, number: str | None
) -> None:
    reason = read_reason(text, 2025)
    assert (reason.purpose, reason.case_number) == (purpose, number)


@pytest.mark.parametrize(
    "text",
    [
        "stolen vehicle 12AB345", "123ABC", "456def person crime", "A123456",
        "Other image search associated with Alert: Stolen Vehicle GOFAST - 2025-08-22T04:00:00.000Z",
    ],
)  # fmt: skip
def test_no_plate_is_left_in_a_reason(text: str) -> None:
    reason = read_reason(text, 2025)
    assert reason.plates == 1
    assert not {"12AB345", "123ABC", "456def", "A123456", "GOFAST"} & set(reason.text.split())
    assert "T04:00:00.000Z" in reason.text or "T04" not in text


@given(st.text(max_size=200))
def test_any_text_is_read(text: str) -> None:
    once = read_reason(text, 2025)
    assert read_reason(once.text, 2025).plates == 0


# --- tables and times ---


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2025-06-18 00:02:04.789", "2025-06-18T07:02:04.789"),
        ("2025-06-18T15:22:10Z", "2025-06-18T15:22:10"),
        ("2025-06-18T15:22:10+02:00", "2025-06-18T13:22:10"),
        ("06/18/2025, 03:22:10 PM UTC", "2025-06-18T15:22:10"), ("6/18/25 3:22 PM", "2025-06-18T22:22:00"),
        ("06/18/2025, 03:22:10\u202fPM PST", "2025-06-18T23:22:10"),
        ("06/18/2025 15:22", "2025-06-18T22:22:00"),
    ],
)  # fmt: skip
def test_times_are_read_in_utc(text: str, utc: str) -> None:
    zone = ZoneInfo("America/Los_Angeles")
    assert read_time(text, zone) == datetime.fromisoformat(utc).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "18/06/2025 15:00", "2025-03-09 02:30:00", "06/18/2025 15:22 XYZ"]
)
def test_times_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a time|no such local time"):
        read_time(text, ZoneInfo("America/Los_Angeles"))


def test_tables_bear_other_separators_headers_and_broken_rows() -> None:
    lines = ["\n", "ID;Search  Time\r\n", 'a;"x\r\n', '""y"""\r\n', "\r\n", "b\r\n", 'c;"open\n', "d;e\n"]
    found = list(records(lines, {"id": (), "when": ("search_time",)}, ("id", "when")))
    assert found[0] == Row(3, {"id": "a", "when": 'x\r\n"y"'})
    assert [problem.line for problem in found[1:] if isinstance(problem, Problem)] == [6, 7]
    with pytest.raises(WrongFormat, match="when are missing"):
        list(records(["id,other\n"], {"id": (), "when": ()}, ("id", "when")))
    with pytest.raises(WrongFormat, match="empty"):
        list(records([], {"id": ()}, ("id",)))


def test_a_quote_within_a_cell_is_a_letter() -> None:
    lines = ["id,when\n", "a,5'10\" tall\n", "b,x\n", 'c,6" knife\n', '"d","1""2,\n', '3"\n', ',"e"\n']
    assert list(records(lines, {"id": (), "when": ()}, ("id", "when"))) == [
        Row(2, {"id": "a", "when": "5'10\" tall"}),
        Row(3, {"id": "b", "when": "x"}),
        Row(4, {"id": "c", "when": '6" knife'}),
        Row(5, {"id": "d", "when": '1"2,\n3'}),
        Row(7, {"id": "", "when": "e"}),
    ]


def test_a_quote_that_is_never_closed_costs_a_bounded_number_of_lines() -> None:
    lines = ["id,when\n", 'a,"open\n', *(f"{number},x\n" for number in range(1000))]
    found = list(records(lines, {"id": (), "when": ()}, ("id", "when")))
    assert isinstance(found[0], Problem)
    assert found[0].line == 2
    assert "line 501" in found[0].detail
    assert len(found) == 1 + 1001 - 500


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=20), max_size=8))
def test_every_row_is_taken_or_refused(reasons: list[str]) -> None:
    rows = [
        f'u{at},p1,2025-06-18 01:00:00,1,"{text.replace(chr(34), chr(34) * 2)}"\n'
        for at, text in enumerate(reasons)
    ]
    lines = [part + "\n" for row in rows for part in row[:-1].split("\n")]
    assert len(read("alpr-user-audit", [USER_HEADER, *lines])) == len(reasons)


# --- the plate-reader formats ---


def test_a_user_audit_is_mapped_sorted_and_its_bad_rows_are_listed(tmp_path: Path) -> None:
    out = tmp_path / "events.jsonl"
    code, output, said = run(
        "--adapter", "alpr-user-audit", DATA / "user_audit.csv", "--out", out, "--agency", "epd"
    )
    assert (code, said["taken"], said["refused"]) == (1, 4, 2), output
    found = events(out)
    assert [each.event_id for each in found] == ["u1", "u2", "u3", "u5"]
    first, _, third, last = found
    assert (first.tool, first.gallery, first.image_source, first.unit_id) == (
        "alpr",
        "alpr",
        "unknown",
        "unknown",
    )
    assert (first.agency_id, first.source_id, first.requester_id) == ("epd", "epd.alpr-user-audit", "p1")
    assert (first.reason_text, first.purpose) == ("UUV [plate]", "crime")
    assert (third.case_number, third.purpose) == ("2512345", "vague")
    assert (last.reason_text, last.purpose) == (None, "unstated")
    refused = [
        json.loads(line) for line in (tmp_path / "events.jsonl.rejects.jsonl").read_text().splitlines()
    ]
    assert [(row["line"], row["field"]) for row in refused] == [(6, "id"), (7, "userId")]
    assert said["notes"] == {"plates in reason texts, replaced": 1, "rows repeated, taken once": 1}


def test_an_organization_audit_survives_its_traps(tmp_path: Path) -> None:
    out = tmp_path / "events.jsonl"
    log = DATA / "organization_audit.csv"
    code, output, said = run(
        "--adapter", "alpr-organization-audit", log, "--out", out, env={"PROBEWATCH_PSEUDONYM_KEY": KEY}
    )
    assert (code, said["taken"], said["refused"]) == (1, 4, 3), output
    a1, a2, a3, a4 = events(out)
    assert a1.event_time == datetime(2025, 6, 18, 15, 22, 10, tzinfo=UTC)
    assert a1.subject_ref == a2.subject_ref == Pseudonyms(KEY.encode())("plate:ABC1234")
    assert a2.reason_text == "stolen vehicle\nsecond line, with comma"
    assert (a1.agency_id, a1.case_number, a1.search_type) == ("springfield-pd", "25-12345", "manual")
    assert (a3.requester_id, a3.search_type, a3.subject_ref, a3.purpose) == (
        "redacted",
        "hotlist",
        None,
        "unstated",
    )
    assert a3.event_time == datetime(2025, 6, 18, 16, tzinfo=UTC)
    assert (a4.case_number, a4.agency_id) == (None, "shelby-county-sheriff")
    assert (a4.reason_text, a4.purpose) == ("inv [plate]", "vague")
    assert not any(
        plate in out.read_text() for plate in ("ABC1234", "GOFAST", "gofast", "Gofast", "XYZ", "red truck")
    )
    refused = [
        json.loads(line) for line in (tmp_path / "events.jsonl.rejects.jsonl").read_text().splitlines()
    ]
    assert [(row["line"], row["field"]) for row in refused] == [
        (8, "Search Time"),
        (9, "Org Name"),
        (10, None),
    ]
    assert "XYZ" not in (tmp_path / "events.jsonl.rejects.jsonl").read_text()
    assert said["notes"] == {
        "Case # that is no case number, left out": 1,
        "names of staff redacted in the log": 1,
        "searches that stand in several logs, taken once": 1,
    }


def test_without_a_key_plates_are_dropped_and_the_summary_says_so(tmp_path: Path) -> None:
    out = tmp_path / "events.jsonl"
    _, output, said = run(
        "--adapter", "alpr-organization-audit", DATA / "organization_audit.csv", "--out", out
    )
    assert {each.subject_ref for each in events(out)} == {None}
    assert "plates dropped, because there is no key" in json.dumps(said["notes"])


def test_one_search_in_the_logs_of_two_organisations_is_taken_once(tmp_path: Path) -> None:
    header = "Name,Org Name,License Plate,Reason,Search Time\n"
    row = "J,Springfield PD,ABC123,stolen,2025-06-18T15:22:10Z\n"
    (tmp_path / "one.csv").write_text(header + row)
    (tmp_path / "two.csv").write_text("\ufeff" + header + row + row.replace("ABC123", "ABC124"))
    out = tmp_path / "events.jsonl"
    code, _, said = run(
        "--adapter", "alpr-organization-audit", tmp_path / "one.csv", tmp_path / "two.csv", "--out", out,
        env={"PROBEWATCH_PSEUDONYM_KEY": KEY},
    )  # fmt: skip
    assert (code, said["taken"]) == (0, 2)
    assert len({each.event_id for each in events(out)}) == 2
    code, _, said = run("--adapter", "alpr-organization-audit", tmp_path / "two.csv", "--out", out)
    assert (code, said["taken"], said["refused"]) == (1, 1, 1)
    assert "import with a key of pseudonyms" in (tmp_path / "events.jsonl.rejects.jsonl").read_text()


def test_the_facts_of_a_log_are_worked_out() -> None:
    log = pd.DataFrame(
        [
            ("a", "2025-06-18 12:00:00", "investigation"), ("a", "2025-06-18 13:00:00", "INV."),
            ("a", "2025-07-05 09:30:00", "Investigation of theft"), ("b", "2025-07-06 09:00:00.5", None),
        ],
        columns=["userId", "searchDate", "reason"],
    )  # fmt: skip
    found = facts(log)
    assert (found["searches"], found["users"], found["top_ten_share"], found["gini"]) == (4, 2, 1.0, 0.25)
    assert found["vague_by_month"] == {"2025-06": 1.0, "2025-07": 0.0}
    assert found["named_by_month"] == {"2025-06": 0.5, "2025-07": 0.0}
    assert (found["hours"][2], found["one_to_five_share"], found["weekend_share"]) == (2, 0.5, 0.5)
    assert found["per_user_day"]["max"] == 2
    assert found["per_day_july_to_september"]["mean"] == pytest.approx(2 / 6)


# --- the product's own form ---


def test_jsonl_and_cloudevents_are_checked(tmp_path: Path) -> None:
    run("--adapter", "alpr-user-audit", DATA / "user_audit.csv", "--out", tmp_path / "e.jsonl")
    good = (tmp_path / "e.jsonl").read_text().splitlines()
    envelopes = [
        f'{{"specversion":"1.0","id":"1","source":"/x","type":"search","data":{line}}}' for line in good
    ]
    tick = '{"tick":"2025-06-18T00:00:00Z"}'
    came = read("jsonl", [*good, tick, "", "{", good[0].replace('"tool":"alpr"', '"tool":1'), *envelopes])
    assert sum(isinstance(each, Search) for each in came) == 2 * len(good)
    assert [(each.line, each.field) for each in came if isinstance(each, Problem)] == [(7, None), (8, "tool")]
    bad = [good[0], envelopes[0].replace("1.0", "0.3"), envelopes[0].replace('"agency_id"', '"agency"')]
    came = read("cloudevents", [*envelopes, *bad])
    assert [type(each) for each in came] == [Search] * len(good) + [Problem] * 3
    fault = came[-1]
    assert isinstance(fault, Problem)
    assert fault.field is not None
    assert fault.field.startswith("data.agency")


# --- the command ---


def test_other_encodings_are_told_with_line_and_cure(tmp_path: Path) -> None:
    out = tmp_path / "events.jsonl"
    latin = tmp_path / "latin.csv"
    latin.write_bytes(USER_HEADER.encode() + b"u1,p1,2025-06-18 01:00:00,1,caf\xe9\n")
    code, output, _ = run("--adapter", "alpr-user-audit", latin, "--out", out)
    assert code == 1
    assert "line 2" in output
    assert "iconv -f WINDOWS-1252" in output
    wide = tmp_path / "wide.csv"
    wide.write_bytes(USER_HEADER.encode("utf-16"))
    assert "UTF-16" in run("--adapter", "alpr-user-audit", wide, "--out", out)[1]
    packed = tmp_path / "log.csv.gz"
    packed.write_bytes(gzip.compress(USER_HEADER.encode()))
    assert "unpack it first" in run("--adapter", "alpr-user-audit", packed, "--out", out)[1]
    code, output, _ = run("--adapter", "alpr-user-audit", latin, "--out", tmp_path / "no" / "events.jsonl")
    assert code == 1
    assert output.strip() == f"{tmp_path / 'no'}: there is no such folder"
    old = tmp_path / "old.csv"
    old.write_bytes(USER_HEADER.replace("\n", "\r").encode() + b"u1,p1,2025-06-18 01:00:00,1,theft\r")
    code, output, _ = run("--adapter", "alpr-user-audit", old, "--out", out)
    assert code == 2
    assert "carriage return" in output
    assert not out.exists()
    assert list(tmp_path.glob(".*")) == []


def test_wrong_use_is_code_2_and_harms_no_file(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text(USER_HEADER)
    out = tmp_path / "events.jsonl"
    for words in (
        ("--adapter", "nonsense", log, "--out", out),
        ("--adapter", "alpr-user-audit", log, "--out", log),
        ("--adapter", "alpr-organization-audit", log, "--out", out),
        ("--adapter", "alpr-user-audit", log, "--out", out, "--timezone", "Mars/Base"),
        ("--adapter", "alpr-user-audit", tmp_path / "missing", "--out", out),
    ):
        code, output, _ = run(*words)
        assert code == 2, output
    assert (
        run("--adapter", "alpr-user-audit", log, "--out", out, env={"PROBEWATCH_PSEUDONYM_KEY": "short"})[0]
        == 2
    )
    assert log.read_text() == USER_HEADER
    assert run("--adapter", "alpr-user-audit", log, "--out", out)[0] == 0
    assert out.read_bytes() == b""
