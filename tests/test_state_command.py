"""`./probewatch state`: what it shows of a deployment, and what it says when something is wrong."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kafka import KafkaAdminClient
from typer.testing import CliRunner, Result

from models.days import LocalDays
from models.reference import Agency, Reference
from models.watch import VERSION
from streams.__main__ import app
from streams.broker import EmbeddedBroker
from streams.demo.worker import free_port, wait_until_ready
from streams.extents import Waiting
from streams.state import Block, Identity, Manifest, assemble, chunk_key, manifest_key
from streams.view import AGENTS, AgencyState, Look, Window, look, remarks, stall
from tests.copies import AGENTS as INPUTS
from tests.copies import Copy, Origin, Records, with_manifest
from tests.live import DETECTORS, Live, command, eventually, log_lines

INGEST, WATCH = AGENTS
NOW = 1_700_000_000.0


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Origin]:
    """A deployment whose worker has taken in some weeks of a log and has ended."""
    with EmbeddedBroker() as broker:
        live = Live(broker.url, "seen", tmp_path_factory.mktemp("seen"))
        live.ensure_topics()
        file = live.folder / "events.jsonl"
        file.write_bytes(b"\n".join(log_lines(20)[0]) + b"\n")
        with live.worker(free_port()) as worker:
            assert command("produce", file, "--no-close", environment=live.environment).returncode == 0
            wait_until_ready(worker, 40)
            eventually(lambda: len(live.read("alerts")) > 3, "alerts")
            lag = "probewatch_lag_records{"
            eventually(
                lambda: sum(v for name, v in worker.figures().items() if name.startswith(lag)) == 0,
                "everything absorbed",
            )
        yield Origin(live)


def show(copy: Copy, *words: str) -> tuple[Result, dict[str, Any]]:
    """The command's result, and its JSON object if there is one."""
    environment = {"COLUMNS": "200", **copy.environment}
    result = CliRunner().invoke(app, ["state", "--json", *words], env=environment)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    last = result.stdout.strip().splitlines()[-1:] or [""]
    return result, json.loads(last[0]) if last[0].startswith("{") else {}


def rows(told: dict[str, Any], agent: str) -> dict[int, dict[str, Any]]:
    return {row["partition"]: row for row in told["partitions"] if row["agent"] == agent}


def damaged(records: Records) -> Records:
    """One byte of one block is another."""
    key = next(key for key in sorted(records) if not key.startswith(b"manifest/"))
    return {**records, key: bytes([records[key][0] ^ 1]) + records[key][1:]}


def test_it_shows_what_the_manifests_and_the_stages_say(origin: Origin) -> None:
    result, told = show(origin)
    assert (result.exit_code, told["ok"], told["findings"]) == (0, True, []), result.output
    for agent in INPUTS:
        shown, manifests = rows(told, agent), origin.manifests(agent)
        assert len(shown) == 4 and manifests
        for partition, row in shown.items():
            assert row["end"] == origin.ends[agent, partition]
            manifest = manifests.get(partition)
            assert row["absorbed"] == (manifest.absorbed if manifest else None)
            assert (row["lag"], row["waiting_seconds"]) == (0, None)
            if manifest is not None:
                assert (row["blocks"], row["bytes"]) == (len(manifest.blocks), manifest.size)
                assert (row["writer"], row["written_at"]) == (manifest.writer, manifest.written_at)
    partition = origin.busy("watch")
    snapshot = assemble(origin.states["watch"][partition], Identity("watch", VERSION, partition, 4))
    assert snapshot is not None
    stage = origin.kind("watch").make(partition)
    stage.restore(snapshot.blocks)
    row = rows(told, "watch")[partition]
    assert row["watermark"] == stage.gauges()["watermark", ""]
    assert row["keys"] == stage.gauges()["agencies", ""] == 1
    assert rows(told, "ingest")[origin.busy("ingest")]["keys"] == 2
    partition = origin.busy("ingest")
    taken = assemble(origin.states["ingest"][partition], Identity("ingest", INGEST.version, partition, 4))
    assert taken is not None
    sources = origin.kind("ingest").make(partition)
    sources.restore(taken.blocks)
    marks = [value for (name, _), value in sources.gauges().items() if name == "watermark"]
    assert len(marks) == 2
    assert rows(told, "ingest")[partition]["watermark"] == min(marks)
    first = min(int(name.partition("\0open/")[2]) for name in snapshot.blocks if "\0open/" in name)
    window = row["oldest_window"]
    assert (window["key"], window["day"]) == ("lapd", date.fromordinal(first).isoformat())
    closed = msgspec.msgpack.decode(snapshot.blocks["agency/lapd\0state"], type=AgencyState).closed
    assert closed is not None and first > closed


def test_it_writes_nothing_and_joins_no_group(origin: Origin) -> None:
    copy = origin.copy("untouched")
    admin = KafkaAdminClient(bootstrap_servers=copy.settings.brokers)
    before = [copy.read(topic) for topic in ("searches.raw", "state.ingest", "state.watch")]
    groups = sorted(map(str, admin.list_groups()))
    assert show(copy)[0].exit_code == 0
    assert [copy.read(topic) for topic in ("searches.raw", "state.ingest", "state.watch")] == before
    assert sorted(map(str, admin.list_groups())) == groups
    admin.close()


def test_no_state_yet_is_fine_and_says_so(origin: Origin, tmp_path: Path) -> None:
    (tmp_path / "fresh").mkdir()
    fresh = Live(origin.environment["PROBEWATCH_BROKER"], "fresh", tmp_path / "fresh")
    result, told = show(Copy(fresh.environment))
    assert result.exit_code == 1 and "topics --create" in result.stderr and told == {}
    fresh.ensure_topics()
    result, told = show(Copy(fresh.environment))
    assert (result.exit_code, told["ok"]) == (0, True)
    assert "8 partitions have no state and nothing to read" in result.stdout


@pytest.mark.parametrize(("name", "edit", "told"), [
    ("damaged", damaged, "is damaged"),
    ("version", with_manifest(stage_version=VERSION + 1), f"version {VERSION + 1}"),
    ("format", with_manifest(format=9), "format 9"),
    ("ahead", with_manifest(absorbed=99_999), "has absorbed offset 99999, but the topic ends at"),
    ("unread", lambda records: {**records, manifest_key(0): b"\xc1"}, "manifest cannot be read"),
])  # fmt: skip
def test_state_that_a_worker_would_refuse_is_a_finding_in_the_workers_words(
    origin: Origin, name: str, edit: Any, told: str
) -> None:
    copy = origin.copy(f"finding-{name}", edit=edit)
    result, found = show(copy)
    assert (result.exit_code, found["ok"]) == (1, False)
    assert "Traceback" not in result.output
    (sentence,) = found["findings"]
    partition = origin.busy("watch")
    assert told in sentence
    assert sentence == copy.refused("watch", partition, origin.ends["watch", partition])
    assert sentence in result.stdout
    assert rows(found, "ingest")[origin.busy("ingest")]["absorbed"] is not None, "the others are shown"


def test_lost_state_is_told_from_state_that_was_never_written(origin: Origin) -> None:
    copy = origin.copy("lost", edit=lambda records: {})
    result, found = show(copy)
    assert result.exit_code == 0, "nothing was committed: a worker would begin at the beginning"
    assert rows(found, "watch")[origin.busy("watch")]["lag"] == origin.ends["watch", origin.busy("watch")]
    copy.commit("searches", origin.busy("watch"), 1)
    result, found = show(copy)
    assert result.exit_code == 1
    assert "offset 1 was committed, but there is no state for it" in found["findings"][0]


def test_a_changed_setting_is_found_before_the_worker_starts_with_it(origin: Origin, tmp_path: Path) -> None:
    new = DETECTORS.replace("minimum_count: 2", "windows: [1, 7]")
    copy = origin.with_detectors(new, tmp_path / "config")
    result, found = show(origin, "--config", copy.environment["PROBEWATCH_CONFIG_DIR"])
    assert result.exit_code == 1
    assert "detector volume was written with windows: [1, 7, 28, 90], now" in found["findings"][0]


def test_a_broken_configuration_is_a_finding_and_hides_nothing(origin: Origin, tmp_path: Path) -> None:
    copy = origin.with_detectors("detectors: {volume: {function: hihg_count}}", tmp_path / "config")
    result, found = show(copy)
    assert result.exit_code == 1
    assert "did you mean high_count?" in found["findings"][0]
    assert rows(found, "watch")[origin.busy("watch")]["absorbed"] is not None


def test_another_number_of_partitions_than_configured_is_said_with_the_cure(origin: Origin) -> None:
    result, found = show(Copy(origin.environment | {"PROBEWATCH_PARTITIONS": "24"}))
    assert result.exit_code == 1
    assert any("has 4 partitions, not 24: set PROBEWATCH_PARTITIONS=4" in one for one in found["findings"])
    assert rows(found, "watch")[origin.busy("watch")]["absorbed"] is not None


def test_a_broker_that_is_down_is_one_clear_line(origin: Origin) -> None:
    address = f"127.0.0.1:{free_port()}"
    result, _ = show(origin, "--broker", address)
    assert result.exit_code == 1
    (line,) = result.stderr.strip().splitlines()
    assert f"no Kafka broker answers at {address}" in line and "PROBEWATCH_BROKER" in line


# --- without Kafka: what time tells ---


def records(blocks: dict[str, bytes], absorbed: int = 9, written_at: float | None = NOW - 5) -> Records:
    """The latest records of a partition with these blocks."""
    places = {
        name: Block("A", len(content), hashlib.blake2b(content, digest_size=16).digest(), 1)
        for name, content in blocks.items()
    }
    manifest = Manifest(
        stage="watch", stage_version=VERSION, partition=0, partitions=1, absorbed=absorbed, blocks=places,
        config_digest="d", writer="host:1", epoch=0, sequence=1, written_at=written_at,
    )  # fmt: skip
    return {
        manifest_key(0): msgspec.msgpack.encode(manifest),
        **{chunk_key(name, "A", 0): content for name, content in blocks.items()},
    }


def looked(found: Records, waiting: Waiting, reference: Reference | None = None) -> Look:
    return look(WATCH, 0, 1, found, waiting, None, reference, NOW)


@pytest.mark.parametrize(("since", "written", "stalled"), [
    (NOW - 3600, NOW - 3600, True),
    (NOW - 3600, NOW - 5, False),
    (NOW - 5, NOW - 3600, False),
    (NOW - 3600, None, True),
])  # fmt: skip
def test_records_that_nobody_takes_are_a_finding(since: float, written: float | None, stalled: bool) -> None:
    """A worker that catches up writes state; a quiet topic has written none for long: both are well."""
    found = looked(records({}, written_at=written), Waiting(0, 12, since))
    assert (found.view.lag, found.view.stalled, found.problem) == (2, stalled, None)
    if stalled:
        assert "2 records of searches, partition 0, waited for 1 hour" in stall(found.view, "searches")


def test_what_retention_took_is_counted() -> None:
    found = looked(records({}), Waiting(15, 20, NOW))
    assert (found.lost, found.view.lag) == (5, 5)


def test_a_window_that_waits_for_a_source_names_it() -> None:
    """Day       |--- open ---|
    fast                          ^ 3 days past its end
    slow            ^
    """  # noqa: D205, D400, D415
    number = 738_000
    days = LocalDays("America/Los_Angeles")
    marks = {"fast": days.end(number) + 3 * 86400, "slow": days.start(number) + 3600}
    block = msgspec.msgpack.encode([number - 1, marks, {"0": 5}])
    reference = Reference(agencies={"lapd": Agency(agency_id="lapd", timezone="America/Los_Angeles")})
    blocks = {"agency/lapd\0state": block, f"agency/lapd\0open/{number}": b"x"}
    found = looked(records(blocks), Waiting(0, 10, None), reference)
    assert found.view.oldest_window == Window(
        "lapd",
        date.fromordinal(number).isoformat(),
        age_seconds=NOW - days.start(number),
        held_by="slow",
        held_seconds=3 * 86400,
    )
    assert found.view.watermark == marks["slow"]
    (said,) = remarks(found.view)
    assert "waits for the source slow" in said and "3 days past its end" in said
    marks["fast"] = days.end(number) - 1
    blocks["agency/lapd\0state"] = msgspec.msgpack.encode([number - 1, marks, {"0": 5}])
    assert list(remarks(looked(records(blocks), Waiting(0, 10, None), reference).view)) == []


def test_topics_shows_how_many_partitions_there_are(origin: Origin) -> None:
    environment = {"COLUMNS": "200", **origin.environment, "PROBEWATCH_PARTITIONS": "24"}
    result = CliRunner().invoke(app, ["topics"], env=environment)
    assert result.exit_code == 1
    line = next(line for line in result.stdout.splitlines() if "seen.searches.raw " in line)
    assert [cell.strip() for cell in line.split("│")[2:4]] == ["4", "24"] and "wrong" in line
