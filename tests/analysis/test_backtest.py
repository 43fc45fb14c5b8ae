"""What parts give side by side is what replay gives on the whole, whatever happens on the way."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import msgspec
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import analysis
from analysis.backtesting import survey
from analysis.backtesting.feeding import Feed
from analysis.backtesting.lanes import Subject
from analysis.backtesting.parts import partition
from analysis.backtesting.report import Told, html, terminal
from analysis.backtesting.running import read_done, run_part
from analysis.backtesting.session import BackTest, Options, Result
from analysis.backtesting.tables import csv_rows, parquet_rows
from analysis.opening import open_subject
from models.alert import decode_alert
from models.pipeline import Standing
from models.search import encode_search
from models.ticking import Ticker
from streams.exits import Stop
from streams.replay import Replay, replay
from streams.stages import pipeline
from streams.survey import survey as look_through
from tests.analysis.logs import AGENCIES, lines, searches, write
from tests.live import DETECTORS, command
from tests.logs import DAY, search
from tests.textfiles import left


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("backtest")
    (found / "events.jsonl").write_bytes(b"\n".join(lines()) + b"\n")
    write(found / "config")
    return found


@pytest.fixture(scope="module")
def subject(folder: Path) -> Subject:
    return open_subject(folder / "config")


def replayed(subject: Subject, files: Sequence[Path], *, in_order: bool = False) -> Replay:
    """What `replay` gives."""
    declared = {name for name in subject.configuration.reference.sources if name != "*"}
    ticker = Ticker(sources=declared | look_through(files).sources.keys())
    machine = pipeline(subject.settings, subject.configuration)
    *_, result = replay(files, machine, ticker, in_order=in_order)
    return result


def back_tested(subjects: Sequence[Subject], files: Sequence[Path], work: Path, options: Options) -> Result:
    running = BackTest(subjects, files, work, options)
    for _ in running:
        pass
    result = running.result()
    running.finish()
    return result


@pytest.fixture(scope="module")
def whole(folder: Path, subject: Subject) -> bytes:
    found = replayed(subject, [folder / "events.jsonl"]).standing.lines()
    assert len({decode_alert(line).agency_id for line in found.splitlines()}) > len(AGENCIES)
    return found


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_parts_side_by_side_give_what_replay_gives(
    folder: Path, subject: Subject, whole: bytes, tmp_path: Path, jobs: int
) -> None:
    result = back_tested([subject], [folder / "events.jsonl"], tmp_path / "w", Options(jobs=jobs))
    assert result.outcomes[0].standing.lines() == whole
    # lapd's two sources, east's, the shared one, and the one that never speaks.
    assert result.parts == (1 if jobs == 1 else 4)
    counts = [result.outcomes[0].count(name) for name in ("accepted", "refused", "late", "duplicate")]
    assert sum(counts) == result.lines and min(counts[:2]) > 0 and counts[3] > 0
    assert not (tmp_path / "w").exists()


@settings(max_examples=12, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("abcde"), st.sampled_from("vwxyz"), st.integers(0, 20 * 24)), max_size=60
    ),
    st.integers(1, 4),
    st.booleans(),
)
def test_any_ties_of_sources_and_agencies_give_what_replay_gives(
    rows: list[tuple[str, str, int]], jobs: int, ordered: bool
) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        where = Path(name)
        subject = open_subject(write(where / "config"))
        found = [
            search(hour * DAY / 24, f"{number}", source_id=source, agency_id=agency, tool="Clearview AI")
            for number, (source, agency, hour) in enumerate(sorted(rows, key=lambda row: row[2] * ordered))
        ]
        file = where / "events.jsonl"
        file.write_bytes(b"".join(encode_search(one) + b"\n" for one in found))
        assert _in_parts(subject, file, jobs, where) == replayed(subject, [file]).standing.lines()


def _in_parts(subject: Subject, file: Path, jobs: int, where: Path) -> bytes:
    """All parts one after the other in this process."""
    reference = subject.configuration.reference
    looked = survey.survey([file], {name for name in reference.sources if name != "*"}, 1)
    dealt = partition(looked, [reference], jobs)
    standing = Standing()
    for part, sources in enumerate(dealt.sources):
        feed = Feed([file], looked.sizes, dealt.of_line, part, sources, looked.ticks)
        run_part(feed, [subject], where, apart=False, every=0.0, progress=lambda read: None)
        standing.put(map(decode_alert, read_done(where, part).outcomes[0].alerts))
    return standing.lines()


def test_a_run_killed_at_any_time_goes_on_to_the_same_bytes(
    folder: Path, subject: Subject, whole: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So that there are states to go on from also in a small file.
    monkeypatch.setattr(survey, "BLOCK", 4096)
    asked, work = Options(jobs=2, resume=True, checkpoint=0.0), tmp_path / "w"

    def live() -> None:
        os.setsid()
        back_tested([subject], [folder / "events.jsonl"], work, asked)

    kills = 0
    for states in (1, 2):
        child = get_context("fork").Process(target=live)
        child.start()
        until = time.monotonic() + 60
        while child.is_alive() and len(_states(work)) < states and time.monotonic() < until:
            time.sleep(0.002)
        assert child.pid is not None
        if child.is_alive():
            os.kill(child.pid, signal.SIGKILL)
            kills += 1
        child.join()
    assert kills == 2 and _states(work)
    running = BackTest([subject], [folder / "events.jsonl"], work, asked)
    assert running.resumed
    for _ in running:
        pass
    assert running.result().outcomes[0].standing.lines() == whole


def _states(work: Path) -> list[Path]:
    return [*work.glob("part-*.state"), *work.glob("part-*.done")]


def test_work_of_another_run_is_refused(folder: Path, subject: Subject, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes((folder / "events.jsonl").read_bytes())
    running = BackTest([subject], [file], tmp_path / "w", Options(jobs=1))
    for _ in running:
        pass
    with file.open("ab") as more:
        more.write(b"\n")
    with pytest.raises(Stop, match="the input has changed"):
        BackTest([subject], [file], tmp_path / "w", Options(jobs=1, resume=True))
    assert BackTest([subject], [file], tmp_path / "w", Options(jobs=1)).resumed is False


def test_two_configurations_share_an_ingest_and_each_gives_what_it_gives_alone(
    folder: Path, subject: Subject, whole: bytes, tmp_path: Path
) -> None:
    other = open_subject(write(tmp_path / "other", DETECTORS.replace("alpha: 0.01", "alpha: 0.05")))
    assert other.ingest_digest == subject.ingest_digest
    files = [folder / "events.jsonl"]
    result = back_tested([subject, other], files, tmp_path / "w", Options(jobs=2))
    assert [one.standing.lines() for one in result.outcomes] == [
        whole,
        replayed(other, files).standing.lines(),
    ]


SHORT = "sources: [{source_id: east-feed, agency_id: east, lateness_hours: 1}]"
PATIENT = DETECTORS.replace("{function: sequence_gap}", "{function: sequence_gap, grace_days: 9}")


@pytest.mark.parametrize(("file", "content"), [("sources.yaml", SHORT), ("detectors.yaml", PATIENT)])
def test_configurations_that_read_the_log_in_another_way_share_nothing(
    folder: Path, subject: Subject, whole: bytes, tmp_path: Path, file: str, content: str
) -> None:
    config = write(tmp_path / "other")
    (config / file).write_text(content)
    other = open_subject(config)
    assert other.ingest_digest != subject.ingest_digest
    files = [folder / "events.jsonl"]
    result = back_tested([subject, other], files, tmp_path / "w", Options(jobs=2))
    assert result.outcomes[0].standing.lines() == whole
    assert result.outcomes[1].standing.lines() == replayed(other, files).standing.lines()


def test_sorted_input_gives_what_sorted_replay_gives(subject: Subject, tmp_path: Path) -> None:
    every = lines()
    halves = [tmp_path / "one.jsonl", tmp_path / "two.jsonl"]
    for place, half in enumerate(halves):
        half.write_bytes(b"\n".join(reversed(every[place::2])) + b"\n")
    result = back_tested([subject], halves, tmp_path / "w", Options(jobs=2, in_order=True))
    assert result.outcomes[0].standing.lines() == replayed(subject, halves, in_order=True).standing.lines()
    refused = result.refused[0].place
    wrong = Path(refused.file).read_bytes().splitlines()[refused.line - 1]
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(wrong, type=dict[str, str])


def _rows() -> Iterable[dict[str, object]]:
    return (msgspec.to_builtins(one) for one in searches())


def as_csv(path: Path) -> Path:
    import csv

    rows = list(_rows())
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="") as out:
        writer = csv.DictWriter(out, names)
        writer.writeheader()
        writer.writerows(rows)
    return path


def as_parquet(path: Path) -> Path:
    rows = [
        {name: getattr(one, name) for name in one.__struct_fields__ if getattr(one, name) is not None}
        for one in searches()
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)  # type: ignore[no-untyped-call]
    return path


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_tables_give_what_the_same_searches_in_json_give(subject: Subject, tmp_path: Path, kind: str) -> None:
    plain = tmp_path / "plain.jsonl"
    plain.write_bytes(b"".join(encode_search(one) + b"\n" for one in searches()))
    table = as_csv(tmp_path / "t.csv") if kind == "csv" else as_parquet(tmp_path / "t.parquet")
    result = back_tested([subject], [table], tmp_path / "w", Options(jobs=1))
    expected = replayed(subject, [plain]).standing
    assert result.outcomes[0].standing.lines() == expected.lines() and expected.alerts()


def test_whole_numbers_that_pandas_stored_as_fractions_are_whole_again(tmp_path: Path) -> None:
    one = {**msgspec.to_builtins(next(iter(searches()))), "candidates_requested": None}
    frame = pd.DataFrame([{**one, "source_sequence": 7}, {**one, "source_sequence": None}])
    assert frame["source_sequence"].dtype == float
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_csv(tmp_path / "t.csv", index=False)
    for rows in (parquet_rows(tmp_path / "t.parquet"), csv_rows(tmp_path / "t.csv")):
        found = [msgspec.json.decode(row).get("source_sequence") for _, row in rows]
        assert found == [7, None] and isinstance(found[0], int)


def test_a_row_that_is_no_search_is_named_by_file_row_and_field(subject: Subject, tmp_path: Path) -> None:
    table = as_csv(tmp_path / "t.csv")
    content = table.read_text().splitlines()
    header = content[0].split(",")
    cells = content[3].split(",")
    cells[header.index("source_sequence")] = "many"
    content[3] = ",".join(cells)
    table.write_text("\n".join(content) + "\n")
    (refused,) = back_tested([subject], [table], tmp_path / "w", Options(jobs=1)).refused
    assert refused.place == (str(table), 4)
    assert refused.field == "source_sequence" and "int" in refused.detail


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.csv", "event_id,event_tme\n", "did you mean event_time"),
        ("t.csv", "event_id,event_time\n", "columns source_id"),
        ("t.csv", "event_id,event_time\re1,now\r", "carriage return"),
        ("t.csv", "", "line 1"),
        ("t.parquet", "no such thing", "cannot be read as Parquet"),
        ("t.jsonl", "PAR1", "ends with .parquet"),
    ],
)
def test_files_that_are_no_tables_of_searches_are_named(
    subject: Subject, tmp_path: Path, name: str, content: str, said: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(Stop, match=said) as stopped:
        back_tested([subject], [tmp_path / name], tmp_path / "w", Options(jobs=1))
    assert str(tmp_path / name) in str(stopped.value)


def test_one_line_of_python_gives_frames(folder: Path, whole: bytes, tmp_path: Path) -> None:
    other = write(
        tmp_path / "other", DETECTORS.replace("high_count, alpha: 0.01", "high_count, alpha: 1.0e-10")
    )
    found = analysis.backtest(other, folder / "events.jsonl", folder / "config", jobs=1)
    first = found.alerts[found.alerts.configuration == "config"]
    assert list(first.alert_id) == [decode_alert(line).alert_id for line in whole.splitlines()]
    assert first.decided_at.dt.tz is not None
    assert found.weekly.groupby("configuration").alerts.sum()["config"] == len(first)
    assert set(found.weekly.week.dt.day_of_week) == {0}
    gone = found.difference[found.difference.change == "gone"]
    assert set(gone.detector) == {"volume"} and not (found.difference.change == "new").any()


def test_a_rate_a_week_is_of_the_weeks_of_the_log_however_few_alerts_there_are(
    folder: Path, subject: Subject, tmp_path: Path
) -> None:
    running = BackTest([subject], [folder / "events.jsonl"], tmp_path / "work", Options(jobs=1))
    for _ in running:
        pass
    result = running.result()
    (outcome,) = result.outcomes
    assert result.span is not None and len(outcome.alerts) > 1
    few = Standing()
    few.put(outcome.alerts[:1])
    fewer = replace(result, outcomes=(replace(outcome, standing=few),))
    sheets = [terminal(Told.of(one, ("a",))) for one in (result, fewer)]
    (weeks,) = {sheet_weeks(one) for one in (result, fewer)}
    assert weeks >= (result.span[1] - result.span[0]) / (7 * 86_400.0)
    assert sheets[1].row_count == 1


def sheet_weeks(result: Result) -> int:
    """Over how many weeks the page takes rates."""
    (said,) = set(re.findall(r"over (\d+) weeks", html(Told.of(result, ("a",)))))
    return int(said)


def test_an_empty_log_leaves_the_report_of_before_as_it_is(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_bytes(b"")
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.html").write_bytes(b"of before")
    words: list[str | Path] = ["--input", tmp_path / "empty.jsonl", "--out", out]
    done = command("backtest", "--config", folder / "config", *words)
    assert done.returncode == 1 and f"no line in {tmp_path / 'empty.jsonl'}" in done.stderr
    (tmp_path / "nothing").mkdir()
    done = command("backtest", "--config", tmp_path / "nothing", *words)
    assert done.returncode == 1 and "holds no configuration" in done.stderr
    assert (out / "report.html").read_bytes() == b"of before"


def test_the_command_compares_and_writes_a_page_without_scripts(
    folder: Path, whole: bytes, tmp_path: Path
) -> None:
    other = write(
        tmp_path / "strict", DETECTORS.replace("high_count, alpha: 0.01", "high_count, alpha: 1.0e-10")
    )
    out = tmp_path / "out"
    done = command(
        "backtest", "--config", folder / "config", "--config", other, "--input", folder / "events.jsonl",
        "--out", out, "--json", "--textfile", tmp_path / "backtest.prom",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    figures = left(tmp_path / "backtest.prom", "backtest")
    assert figures["lines", "accepted"] == said["accepted"]
    for one in said["configurations"]:
        alerts = [value for place, value in figures.items() if place[:2] == ("alerts", one["name"])]
        assert sum(alerts) == one["alerts"]
        assert figures["configuration_info", one["config_digest"], one["name"]] == 1
    assert said["difference"]["gone"] > 0 and [one["name"] for one in said["configurations"]] == [
        "config",
        "strict",
    ]
    assert (out / "alerts-a.jsonl").read_bytes() == whole
    refused = [json.loads(line) for line in (out / "refused.jsonl").read_text().splitlines()]
    assert len(refused) == said["refused"]
    assert all(one["file"] == str(folder / "events.jsonl") for one in refused)
    assert str(refused[0]["line"]) in done.stderr and refused[0]["detail"].split(";")[0] in done.stderr
    page = (out / "report.html").read_text()
    assert "<script" not in page and "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert '<th scope="col"></th>' not in page
    assert page.count("<svg") == page.count('role="img"') == page.count("<desc") > 0
