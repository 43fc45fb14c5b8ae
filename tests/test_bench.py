"""The benchmarks run, and what they report adds up. No time is judged here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import pytest
import typer
import yaml
from typer.testing import CliRunner

from bench import peers as peer_programs
from bench import speed
from bench.copied_state import Copies
from bench.figures import Figure, Report, Target, markdown
from bench.in_process import apart, feed, stages
from bench.inputs import switch_off_all_but
from bench.live_search import live_search
from bench.national import National
from bench.processes import MIB, Others, PeakOf, cpu_seconds
from bench.speed import backtest, latency, peers, replay, throughput, workers
from models.alert import decode_alert
from models.decoding import read
from models.search import Search, encode_search
from streams.commands.bench import command
from streams.exits import Stop
from streams.topics import partition_of

ROOT = Path(__file__).resolve().parents[1]
TINY = National(searches=1_500, agencies=3, requesters=90, days=20, spread=0.5)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The configuration and the file of a small national log."""
    folder = tmp_path_factory.mktemp("national")
    TINY.configure(folder)
    TINY.write(folder / "events.jsonl")
    return folder, folder / "events.jsonl"


def test_every_file_is_a_benchmark_with_options_help_and_a_report() -> None:
    assert set(speed.ORDER) == set(speed.names())
    for name in speed.names():
        bench = speed.load(name)
        assert bench.__doc__ and bench.__annotations__["return"] == "Report"


def test_a_median_is_held_against_its_target() -> None:
    figure = Figure("ratio", "a ratio", [0.4, 0.9, 0.6], target=Target("at least", 0.5))
    missed = Figure("seconds", "a time", [30.0, 20.0], "s", Target("at most", 10))
    assert figure.row() == ("a ratio", "0.6", "0.4 to 0.9", "at least 0.5", "met")
    assert missed.row() == ("a time", "25 s", "20 to 30", "at most 10 s", "missed by a factor of 2.5")
    report = Report("one", [figure, missed], ["a note"], {"searches": 7})
    assert report.json()["ratio"] == 0.6
    assert report.json()["runs"]["ratio"] == [0.4, 0.9, 0.6]
    assert report.json()["targets"] == {
        "ratio": {"at least": 0.5, "met": True},
        "seconds": {"at most": 10, "met": False},
    }
    assert report.json()["searches"] == 7
    assert markdown([report]).splitlines()[2:] == [
        "| a ratio | 0.6 | 0.4 to 0.9 | at least 0.5 | met |",
        "| a time | 25 s | 20 to 30 | at most 10 s | missed by a factor of 2.5 |",
        "",
        "- a note",
    ]


def test_a_command_has_the_options_of_the_benchmark_and_ends_with_json() -> None:
    def bench(searches: Annotated[int, typer.Option(min=1)] = 5) -> Report:
        """Say how many."""
        if searches == 13:
            raise Stop("not today")
        return Report("one", [Figure("twice", "twice as many", [2.0 * searches])])

    app = typer.Typer()
    app.command()(command(bench))
    result = CliRunner().invoke(app, ["--searches", "4", "--json", "--markdown"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout.splitlines()[-1])["twice"] == 8
    assert "| twice as many | 8 |  |  |  |" in result.stdout
    assert CliRunner().invoke(app, ["--searches", "13"]).exit_code == 1
    assert CliRunner().invoke(app, ["--searches", "0"]).exit_code == 2


def test_a_national_log_is_the_same_each_time_and_whole(tiny: tuple[Path, Path]) -> None:
    content = tiny[1].read_bytes()
    assert b"".join(TINY.chunks()) == content
    searches = [read(line) for line in content.splitlines()]
    assert len(searches) == TINY.searches
    numbers: dict[str, list[int]] = {}
    times = []
    for search in searches:
        assert isinstance(search, Search), search
        assert search.source_sequence is not None
        numbers.setdefault(search.source_id, []).append(search.source_sequence)
        times.append(search.event_time)
    assert times == sorted(times)
    assert len(numbers) == TINY.agencies
    assert all(own == list(range(1, len(own) + 1)) for own in numbers.values())
    requesters = {search.requester_id for search in searches if isinstance(search, Search)}
    assert len(requesters) == TINY.requesters
    cases = Counter(search.case_number for search in searches if isinstance(search, Search))
    assert 1 < len(cases) < TINY.searches


def test_a_cut_of_the_national_log_keeps_its_proportions() -> None:
    tenth, whole = National.cut(1_250_000), National.cut(12_500_000)
    assert (tenth.agencies, tenth.requesters) == (390, 100_000)
    assert (whole.agencies, whole.requesters) == (3_900, 1_000_000)
    assert tenth.days == whole.days


def test_stanzas_can_be_switched_off_for_a_measurement(tmp_path: Path) -> None:
    switch_off_all_but(["policy_clause", "rare_tool"], tmp_path)
    stanzas = yaml.safe_load((tmp_path / "detectors.yaml").read_text())["detectors"]
    assert {name for name, stanza in stanzas.items() if stanza["enabled"]} == {"policy_clause", "rare_tool"}
    with pytest.raises(Stop, match=r"no stanza rare_toll .*rare_tool"):
        switch_off_all_but(["rare_toll"], tmp_path)


def test_throughput_counts_every_search(tiny: tuple[Path, Path]) -> None:
    notes: list[str] = []
    limit, run = throughput.measure(*tiny, "embedded", notes)
    assert not notes
    assert run.searches == TINY.searches
    assert run.shares == (1.0,)
    assert limit > 0
    assert 0 < run.seconds <= run.durable
    assert run.worker_cpu > 0
    assert run.per_second == pytest.approx(TINY.searches / run.seconds)


def test_replay_is_run_to_its_end_and_must_accept_all(tiny: tuple[Path, Path]) -> None:
    run = replay.run(*tiny, TINY.searches)
    assert run.peak > 30 * MIB
    assert run.processes >= 1
    assert run.decoding < run.seconds
    with pytest.raises(Stop, match="not 1,501 accepted"):
        replay.run(*tiny, TINY.searches + 1)


def test_the_stages_run_apart_and_their_memory_is_told() -> None:
    run = apart(TINY)
    assert run.accepted == TINY.searches
    assert 0 < run.empty < run.held <= run.peak
    assert run.seconds > 0


def test_copied_state_is_the_state_that_the_copies_would_have(
    tiny: tuple[Path, Path], tmp_path: Path
) -> None:
    machine, again = stages(tiny[0]), stages(tiny[0])
    feed(machine, TINY, tiny[0])
    copies = Copies(machine)
    same = [(name, name) for name in TINY.names]
    again.watch.restore(copies.watch(same))
    again.ingest.restore(copies.ingest(same))
    before, after = (one.ingest.snapshot(full=True) for one in (machine, again))
    registries = [msgspec.msgpack.decode(blocks.pop("registry")) for blocks in (before, after)]
    assert after == before
    assert registries[0] == registries[1]
    kept = {name: block for name, block in machine.watch.snapshot(full=True).items() if "\0state" not in name}
    assert kept.items() <= again.watch.snapshot(full=True).items()
    # A search under a copied name does what it does under its own.
    others = [(f"agency-90{number:02d}", name) for number, name in enumerate(TINY.names)]
    replace(TINY, called=[name for name, _ in others]).configure(tmp_path)
    copied = stages(tmp_path)
    copied.watch.restore(copies.watch(others))
    copied.ingest.restore(copies.ingest(others))
    at = datetime(2024, 1, 22, 12, tzinfo=UTC)
    said = []
    for pipeline, name in ((again, TINY.names[0]), (copied, others[0][0])):
        search = encode_search(live_search(name, 7, at, breach=True))
        messages = pipeline.feed([search])
        alerts = [decode_alert(message.value) for message in messages if message.topic == "alerts"]
        said.append([(alert.detector, alert.entity, alert.observed, alert.evidence) for alert in alerts])
        assert {alert.agency_id for alert in alerts} == {name}
    assert said[0] == said[1]
    assert ("policy_clause", "breach-7") in {alert[:2] for alert in said[0]}


def test_a_peer_that_does_not_do_the_job_has_no_speed() -> None:
    truth = peers.Truth({"a": 2, "b": 1}, flagged=1)
    assert truth.searches == 3
    peers.verify("one", truth, {"a": 2, "b": 1}, 1)
    with pytest.raises(Stop, match="1 of 2 counts are wrong"):
        peers.verify("one", truth, {"a": 2, "b": 2}, 1)
    with pytest.raises(Stop, match="2 counts are wrong"):
        peers.verify("one", truth, {}, 1)
    with pytest.raises(Stop, match="0 flags instead of 1"):
        peers.verify("one", truth, {"a": 2, "b": 1}, 0)


def test_every_peer_has_its_program_and_its_requirements() -> None:
    folder = Path(peer_programs.__path__[0])
    for peer in peers.PEERS:
        assert (folder / f"{peer.file}.py").is_file()
        if peer.environment:
            rows = (folder / f"requirements-{peer.environment}.txt").read_text().splitlines()
            assert rows and all("==" in row for row in rows)


def test_an_alert_that_never_came_is_no_latency() -> None:
    exchange = latency.Exchange(sent={"early": 1.0, "late": 5.0}, read={"late": 5.02})
    assert exchange.latencies(since=2.0) == pytest.approx([20.0])
    with pytest.raises(Stop, match="1 of 2 alerts did not come"):
        exchange.latencies(since=0.0)


def test_two_workers_get_equal_shares() -> None:
    names = workers.evenly_shared()
    assert len(names) == workers.AGENCIES
    for ending in ("", "-log"):
        places = Counter(partition_of(f"{name}{ending}".encode(), 2) for name in names)
        assert places[0] == places[1]


def test_what_others_do_meanwhile_is_told_apart_from_our_own_work() -> None:
    busy = "import time\nwhile time.process_time() < 0.6: pass"
    with Others() as quiet:
        subprocess.run([sys.executable, "-c", busy], check=True)
    apart_from_us = subprocess.Popen([sys.executable, "-c", busy + "\ntime.sleep(60)"])
    try:
        with Others() as disturbed:
            while cpu_seconds(apart_from_us.pid) < 0.5:
                time.sleep(0.02)
    finally:
        apart_from_us.kill()
        apart_from_us.wait()
    assert disturbed.cores > 0.0  # it had not ended, so its work is not ours yet
    assert quiet.cores >= 0.0
    report = Report("one")
    report.disturbed(1.24)
    assert report.facts == {"others_cores": 1.24}
    assert "other programs kept 1.2 cores busy" in report.notes[0]
    report = Report("one")
    report.disturbed(0.01)
    assert not report.notes


def test_memory_and_cpu_of_a_process_and_its_child_are_seen() -> None:
    child = "import time; x = bytearray(60_000_000); x[::4096] = b'x' * len(x[::4096]); time.sleep(0.5)"
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    process = subprocess.Popen([sys.executable, "-c", program])
    with PeakOf(process.pid) as peak:
        process.wait()
    assert peak.processes == 2
    assert peak.bytes > 60_000_000
    before = cpu_seconds(os.getpid())
    until = time.process_time() + 0.05
    while time.process_time() < until:
        pass
    assert cpu_seconds(os.getpid()) > before


def test_a_back_test_and_the_group_by_beside_it_must_count_every_search(tiny: tuple[Path, Path]) -> None:
    config, file = tiny
    words = ["-m", "streams", "backtest", "--json", "--config", str(config), "--input", str(file)]
    words += ["--out", str(config / "out")]
    ours = backtest.run(words, f'"accepted": {TINY.searches},')
    theirs = backtest.run(["-c", backtest.GROUP_BY, str(file)], f"{TINY.searches}\n")
    assert min(ours.seconds, theirs.seconds) > 0 and min(ours.peak, theirs.peak) > 30 * MIB
    with pytest.raises(Stop, match="code 0"):
        backtest.run(["-c", backtest.GROUP_BY, str(file)], f"{TINY.searches + 1}\n")
