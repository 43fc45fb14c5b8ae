"""From a file of searches to standing alerts, through the commands and workers that users run."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from base64 import b64decode
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streams.__main__ import app
from streams.broker import EmbeddedBroker
from streams.demo.worker import ROOT, Worker, wait_until_ready
from tests.collector import Collector, collecting
from tests.live import Live, command, eventually, log_lines
from tests.textfiles import left, total

LINES, REASONS, REPEATS = log_lines()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get(address: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running


class Replayed:
    """The file, and what `replay` makes of it."""

    def __init__(self, live: Live) -> None:
        self.file = live.folder / "events.jsonl"
        self.file.write_bytes(b"\n".join(LINES) + b"\n")
        self.out = live.folder / "alerts.jsonl"
        done = command(
            "replay", "--config", live.config, "--input", self.file, "--out", self.out, "--json"
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        self.summary = json.loads(done.stdout.splitlines()[-1])
        self.alerts = self.out.read_bytes()
        refused = self.out.with_name(self.out.name + ".refused").read_text().splitlines()
        self.refused = [json.loads(line) for line in refused]


@pytest.fixture(scope="module")
def replayed(broker: EmbeddedBroker, tmp_path_factory: pytest.TempPathFactory) -> Replayed:
    return Replayed(Live(broker.url, "replay", tmp_path_factory.mktemp("replay")))


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as server:
        yield server


@pytest.fixture(scope="module")
def through(
    broker: EmbeddedBroker, replayed: Replayed, collector: Collector, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Live, Worker]]:
    """The file gone through Kafka and one worker, which still runs."""
    live = Live(broker.url, "through", tmp_path_factory.mktemp("through"))
    live.environment["PROBEWATCH_TRACES_URL"] = collector.url
    live.ensure_topics()
    with live.worker(free_port()) as worker:
        sent = command("produce", replayed.file, "--json", environment=live.environment)
        assert sent.returncode == 0, sent.stderr
        assert json.loads(sent.stdout.splitlines()[-1])["lines"] == len(LINES)
        live.await_alerts(replayed.alerts)
        yield live, worker


def test_replay_accounts_for_every_line(replayed: Replayed) -> None:
    told = replayed.summary
    assert told["lines"] == len(LINES)
    assert told["duplicate"] == REPEATS and told["late"] == 0
    assert told["accepted"] + told["refused"] + told["duplicate"] == len(LINES)
    assert Counter(letter["reason"] for letter in replayed.refused) == REASONS
    detectors = {json.loads(line)["detector"] for line in replayed.alerts.splitlines()}
    assert detectors >= {"policy_clause", "repeat_subject", "sequence_gap", "volume"}
    assert len(replayed.alerts.splitlines()) == told["alerts"]


def test_replay_leaves_its_figures_for_node_exporter(replayed: Replayed, tmp_path: Path) -> None:
    began = time.time()
    done = command(
        "replay", "--config", replayed.file.parent / "config", "--input", replayed.file,
        "--out", tmp_path / "alerts.jsonl", "--textfile", tmp_path / "replay.prom",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = left(tmp_path / "replay.prom", "replay")
    for outcome in ("accepted", "refused", "late", "duplicate"):
        assert found["lines", outcome] == replayed.summary[outcome]
    assert total(found, "alerts") == replayed.summary["alerts"]
    assert found["configuration_info", replayed.summary["config_digest"], "config"] == 1
    assert began <= found["completed_timestamp_seconds",] <= time.time()
    assert [path.name for path in tmp_path.iterdir() if "prom" in path.name] == ["replay.prom"]


def test_a_file_that_the_collector_would_not_read_is_refused_at_once(
    replayed: Replayed, tmp_path: Path
) -> None:
    for name, said in (("replay.txt", "end in .prom"), ("nowhere/replay.prom", "there is no folder")):
        asked = ("--input", replayed.file, "--out", tmp_path / "alerts.jsonl", "--textfile", tmp_path / name)
        done = CliRunner().invoke(app, ["replay", *map(str, asked)])
        assert done.exit_code == 2 and said in done.stderr
    assert not (tmp_path / "alerts.jsonl").exists()


def test_alerts_through_kafka_equal_replay_byte_for_byte(
    through: tuple[Live, Worker], replayed: Replayed
) -> None:
    assert through[0].standing().lines() == replayed.alerts


def test_dead_letters_are_the_bad_lines_with_their_offsets(
    through: tuple[Live, Worker], replayed: Replayed
) -> None:
    live, _ = through
    raw = live.read("searches.raw")
    letters = [json.loads(value) for value in live.read("searches.refused").values()]
    assert Counter(letter["reason"] for letter in letters) == REASONS
    for letter in letters:
        value = raw[letter["source_partition"], letter["source_offset"]]
        payload = b64decode(letter["payload_base64"])
        assert letter["size"] == len(value)
        assert payload == (value if letter["payload_complete"] else value[: len(payload)])
        assert value in LINES
    kept = sorted(letter["payload_base64"] for letter in letters)
    assert kept == sorted(letter["payload_base64"] for letter in replayed.refused)


def test_counts_add_up_and_name_nobody(through: tuple[Live, Worker], replayed: Replayed) -> None:
    _, worker = through
    eventually(lambda: bool(worker.figures()), "figures")
    figures = worker.figures()

    def total(name: str) -> int:
        return int(sum(value for series, value in figures.items() if series.split("{")[0] == name))

    for name in ("accepted", "refused", "late", "duplicate"):
        assert total(f"probewatch_searches_{name}_total") == replayed.summary[name]
    lag = [series for series in figures if series.startswith("probewatch_lag_records{")]
    assert lag
    eventually(
        lambda: sum(worker.figures().get(series, 1) for series in lag) == 0, "all committed", seconds=10
    )
    _, page = get(f"{worker.address}/metrics")
    assert not any(name in page for name in ('"r0"', '"r1"', '"pet"', '"s1"', '"c1"'))


def test_traces_have_a_span_for_each_batch_and_name_nobody(
    through: tuple[Live, Worker], collector: Collector
) -> None:
    wanted = {"ingest batch", "watch batch", "ingest state", "watch state"}
    eventually(lambda: wanted <= set(collector.spans()), "spans of both stages")
    values = [value for attributes in collector.spans().values() for value in attributes.values()]
    assert values and all(value.isdecimal() for value in values)


def test_the_pages_answer(through: tuple[Live, Worker]) -> None:
    _, worker = through
    assert get(f"{worker.address}/healthz")[0] == 200
    status, body = get(f"{worker.address}/readyz")
    assert (status, json.loads(body)["ready"]) == (200, True)
    assert get(f"{worker.address}/metrics")[1].count("# HELP probewatch_") > 10
    assert get(f"{worker.address}/")[0] == 404


def test_the_file_a_second_time_raises_no_anomaly_again(
    through: tuple[Live, Worker], replayed: Replayed
) -> None:
    live, worker = through
    before = len(live.read("searches.refused"))
    sent = command("produce", replayed.file, "--no-close", environment=live.environment)
    assert sent.returncode == 0, sent.stderr
    eventually(lambda: len(live.read("searches.refused")) >= before + REASONS.total() - 1, "read again")
    worker.check()
    before_ids = {json.loads(line)["alert_id"] for line in replayed.alerts.splitlines()}
    standing = {alert.alert_id: alert for alert in live.standing().alerts()}
    assert before_ids <= standing.keys()
    # Months later the file is late. Its breaches are judged again one by one; nothing else is.
    assert {alert.kind for name, alert in standing.items() if name not in before_ids} <= {"policy"}


def test_a_worker_killed_in_the_middle_and_another_give_the_same_alerts(
    broker: EmbeddedBroker, replayed: Replayed, tmp_path: Path
) -> None:
    live = Live(broker.url, "killed", tmp_path)
    live.ensure_topics()
    with ExitStack() as stack:
        first = stack.enter_context(live.worker(free_port()))
        second = stack.enter_context(live.worker(free_port()))
        wait_until_ready(first, 30)
        wait_until_ready(second, 30)

        def shared() -> bool:
            owned = [
                sum(v for k, v in one.figures().items() if k.startswith("probewatch_partitions{"))
                for one in (first, second)
            ]
            return min(owned) > 0 and sum(owned) == 3 * 4

        eventually(shared, "both workers of the group have partitions")
        producing = subprocess.Popen(
            [sys.executable, "-m", "streams", "produce", str(replayed.file), "--rate", "150"],
            cwd=ROOT,
            env={**os.environ, **live.environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        stack.callback(producing.kill)
        eventually(lambda: len(live.read("alerts")) > 3, "first alerts")
        assert producing.poll() is None, "killed too late to prove anything"
        first.process.kill()
        assert first.process.wait(5) == -signal.SIGKILL
        third = stack.enter_context(live.worker(free_port()))
        assert producing.wait(30) == 0
        live.await_alerts(replayed.alerts)
        wait_until_ready(third, 20)
    assert second.process.returncode == third.process.returncode == 0, "SIGTERM ends a worker in order"


def test_a_worker_waits_for_its_broker_and_says_so(tmp_path: Path) -> None:
    port = free_port()
    live = Live(f"kafka://127.0.0.1:{port}", "waits", tmp_path)
    with live.worker(free_port()) as worker:
        eventually(lambda: "no Kafka broker answers" in worker.log.read_text(), "a word on the broker")
        assert get(f"{worker.address}/healthz")[0] == 200
        status, body = get(f"{worker.address}/readyz")
        assert status == 503 and "Kafka" in json.loads(body)["why_not"]
        with EmbeddedBroker(port):
            wait_until_ready(worker, 40)
            worker.process.terminate()
            assert worker.process.wait(10) == 0
