"""Ticks, the first pass over a file, and real delivery to the embedded broker."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from kafka import KafkaAdminClient, KafkaConsumer
from kafka.admin import NewTopic
from typer.testing import CliRunner

from models.search import Tick
from models.ticking import Ticker, head
from streams.broker import BrokerError, EmbeddedBroker
from streams.commands.produce import register
from streams.produce import Outgoing, Pace, Sender, connect, outgoing, produce
from streams.security import Security, bootstrap_servers
from streams.survey import sorted_lines, survey

HOUR = 3600.0
ORIGIN = datetime(2020, 5, 30, tzinfo=UTC).timestamp()


def line(source: str, hours: float, number: int = 0) -> bytes:
    at = datetime.fromtimestamp(ORIGIN + hours * HOUR, UTC).isoformat()
    return json.dumps({"event_id": f"{source}-{number}", "source_id": source, "event_time": at}).encode()


def write(path: Path, *rows: bytes) -> Path:
    path.write_bytes(b"\n".join(rows) + b"\n")
    return path


# --- ticking: the file's time is the second latest event_time ---


def test_a_tick_is_due_for_every_source_when_the_second_latest_time_enters_a_new_slot() -> None:
    ticker = Ticker(6 * HOUR, sources=["b", "a", "silent"])
    assert ticker.before("a", ORIGIN) == []
    assert ticker.before("b", ORIGIN + 5 * HOUR) == []
    assert ticker.before("a", ORIGIN + 7 * HOUR) == []
    due = ticker.before("a", ORIGIN + 8 * HOUR)
    assert [tick.source_id for tick in due] == ["a", "b", "silent"]
    assert {tick.tick.timestamp() for tick in due} == {ORIGIN + 7 * HOUR}
    assert ticker.before("a", ORIGIN + 9 * HOUR) == []


def test_one_wrong_clock_moves_no_time_even_when_its_record_is_repeated() -> None:
    ticker = Ticker(6 * HOUR, sources=["a"])
    ticker.before("a", ORIGIN)
    assert ticker.before("a", ORIGIN + 5000 * HOUR) == []
    assert ticker.before("a", ORIGIN + 5000 * HOUR) == []
    assert ticker.before("a", ORIGIN + 1 * HOUR) == []
    assert ticker.now == ORIGIN + 1 * HOUR
    assert ticker.doubtful == ORIGIN + 5000 * HOUR
    assert ticker.close()[0].tick.timestamp() == ORIGIN + 1 * HOUR + 240 * HOUR


def test_closing_lies_after_the_last_event_and_an_empty_file_has_none() -> None:
    assert Ticker(sources=["a"]).close() == []
    ticker = Ticker(sources=["a"], close_after_seconds=HOUR)
    ticker.before("a", ORIGIN)
    assert ticker.close()[0].tick.timestamp() == ORIGIN + HOUR
    with pytest.raises(ValueError, match="every_seconds"):
        Ticker(0)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 400)), max_size=60))
def test_ticks_never_pass_the_latest_event_and_never_go_back(events: list[tuple[str, int]]) -> None:
    ticker = Ticker(6 * HOUR, sources="abc")
    latest, last = float("-inf"), float("-inf")
    for source, hours in events:
        at = ORIGIN + hours * HOUR
        latest = max(latest, at)
        for tick in ticker.before(source, at):
            assert last <= tick.tick.timestamp() <= latest
        last = ticker.now if ticker.now is not None else last
    closing = ticker.close()
    assert bool(closing) == bool(events)
    assert all(tick.tick.timestamp() >= last for tick in closing)


def test_a_head_is_read_from_plain_json_and_from_cloud_events_but_not_from_refused_times() -> None:
    plain = line("a", 1)
    envelope = b'{"specversion":"1.0","id":"1","source":"x","type":"t","data":' + plain + b"}"
    assert head(plain) == head(envelope)
    assert (head(plain) or ())[:2] == ("a", ORIGIN + HOUR)
    for bad in (b"{", b"[]", b'{"source_id":"a"}', b'{"source_id":"","event_time":"2020-01-01T00:00:00Z"}',
                b'{"source_id":"a","event_time":"2020-01-01T00:00:00"}',
                b'{"source_id":"a","event_time":"1970-01-01T00:00:00Z"}', b"\xff\xfe"):  # fmt: skip
        assert head(bad) is None


# --- the first pass ---


def test_disorder_is_counted_per_source_against_the_second_latest_time(tmp_path: Path) -> None:
    file = write(
        tmp_path / "e.jsonl",
        line("a", 0), line("a", 9000), line("a", 1),   # one wrong clock displaces nobody
        line("b", 0), line("b", 100), line("b", 101), line("b", 40), line("b", 60),
        line("c", 0),  # in order by itself, but the others are long past it
        b"not json", b"",
    )  # fmt: skip
    found = survey([file])
    assert (found.lines, found.unreadable) == (10, 1)
    assert found.displaced == 2
    assert found.displacement == 101 * HOUR
    assert found.warning and "--sort" in found.warning


@given(st.lists(st.integers(0, 50), max_size=30))
def test_sorting_keeps_every_line_and_orders_times(
    tmp_path_factory: pytest.TempPathFactory, hours: list[int]
) -> None:
    file = tmp_path_factory.mktemp("sorted") / "e.jsonl"
    rows = [line("a", hour, number) for number, hour in enumerate(hours)]
    file.write_bytes(b"\r\n".join(rows))
    came = list(sorted_lines(file))
    assert [row for _, row in came] == sorted(rows, key=lambda row: msgspec.json.decode(row)["event_time"])
    assert all(rows[number - 1] == row for number, row in came)


def test_unreadable_lines_are_sent_as_they_stand_under_a_stable_key(tmp_path: Path) -> None:
    file = write(tmp_path / "e.jsonl", b'{"source_id":"a"}', b"rubbish", b'["x"]', line("a", 0))
    sent = list(outgoing([file], Ticker(sources=["a"]), ticks=False))
    assert [item.key for item in sent] == [b"a", b"unreadable", b"unreadable", b"a"]
    assert [item.value for item in sent] == file.read_bytes().split()[:3] + [line("a", 0)]


def test_pace_spreads_by_rate_and_by_event_time() -> None:
    slow = Pace(rate=10)
    slow.due(None)
    assert 0.05 < slow.due(None) <= 0.2
    real = Pace(speed=100)
    assert real.due(ORIGIN) == 0
    assert 35 < real.due(ORIGIN + HOUR) <= 36


def test_addresses_and_security_are_refused_with_a_cure() -> None:
    assert bootstrap_servers("kafka://a:1;b:2, c:3") == ["a:1", "b:2", "c:3"]
    with pytest.raises(ValueError, match="HOST:PORT"):
        bootstrap_servers("kafka://localhost")
    with pytest.raises(ValueError, match="password readable"):
        Security("PLAIN", "u", "p")
    assert Security().protocol == "PLAINTEXT"
    assert Security("SCRAM-SHA-512", "u", "p").protocol == "SASL_PLAINTEXT"
    assert Security("PLAIN", "u", "p", ssl_cafile="system").options()["security_protocol"] == "SASL_SSL"
    assert "secret" not in repr(Security("SCRAM-SHA-512", "u", "secret"))


# --- the real thing ---


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        admin = KafkaAdminClient(bootstrap_servers=running.bootstrap)
        for topic in ("searches.raw", "other"):
            admin.create_topics([NewTopic(topic, 4, 1)])
        admin.close()
        yield running


def read(broker: EmbeddedBroker, topic: str, wanted: int) -> list[tuple[int, bytes, bytes]]:
    consumer = KafkaConsumer(
        topic, bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest", consumer_timeout_ms=15_000
    )
    came = []
    for record in consumer:
        came.append((record.partition, record.key, record.value))
        if len(came) == wanted:
            break
    consumer.close()
    return came


def test_everything_arrives_in_order_of_its_source(broker: EmbeddedBroker, tmp_path: Path) -> None:
    rows = [line(f"s{number % 3}", number, number) for number in range(60)]
    rows.insert(30, b'{"source_id":"s1","event_time":"yesterday"}')
    file = write(tmp_path / "e.jsonl", *rows)
    found = survey([file])
    delivery = produce(
        [file], found.sources, connection={"bootstrap_servers": broker.bootstrap}, unsent=tmp_path / "unsent"
    )
    assert delivery.complete
    assert (delivery.lines, delivery.unreadable, delivery.ticks) == (61, 1, 3 * 9 + 3)
    came = read(broker, "searches.raw", delivery.lines + delivery.ticks)
    for source in ("s0", "s1", "s2"):
        mine = [(partition, value) for partition, key, value in came if key == source.encode()]
        assert len({partition for partition, _ in mine}) == 1
        searches = [value for _, value in mine if not value.startswith(b'{"tick"')]
        assert searches == [row for row in rows if f'"{source}"'.encode() in row]
        ticks = [msgspec.json.decode(value, type=Tick) for _, value in mine if value.startswith(b'{"tick"')]
        assert [tick.tick for tick in ticks] == sorted(tick.tick for tick in ticks)
        assert {tick.source_id for tick in ticks} == {source}
    assert not (tmp_path / "unsent").exists()


def test_the_command_confirms_and_says_what_it_did(broker: EmbeddedBroker, tmp_path: Path) -> None:
    app = typer.Typer()
    register(app)
    app.callback()(lambda: None)
    file = write(tmp_path / "e.jsonl", line("a", 0), line("a", 100), line("a", 101), line("a", 1))
    run = CliRunner().invoke(
        app, ["produce", str(file), "--broker", broker.url, "--topic", "other", "--no-close", "--json"]
    )
    assert run.exit_code == 0, run.output
    assert "--sort" in run.output
    said = json.loads(run.stdout.splitlines()[-1])
    assert (said["lines"], said["confirmed"], said["displaced"], said["complete"]) == (4, 5, 1, True)
    missing = CliRunner().invoke(app, ["produce", str(file), "--broker", broker.url, "--topic", "no.such"])
    assert missing.exit_code == 1
    assert "topics --create" in missing.output
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))  # and does not listen
        nobody = f"127.0.0.1:{holder.getsockname()[1]}"
        down = CliRunner().invoke(app, ["produce", str(file), "--broker", nobody])
    assert down.exit_code == 1
    assert (
        " ".join(down.output.split())
        == f"no Kafka broker answers at {nobody}; start it or set PROBEWATCH_BROKER"
    )
    itself = CliRunner().invoke(app, ["produce", str(file), "--broker", broker.url, "--unsent", str(file)])
    assert itself.exit_code == 2
    assert len(file.read_bytes().splitlines()) == 4


def test_a_line_that_cannot_be_sent_is_kept_and_the_rest_goes_on(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    huge = b"x" * (65 * 1024 * 1024)
    producer = connect({"bootstrap_servers": broker.bootstrap}, "other")
    with Sender(producer, "other", tmp_path / "unsent") as sender:
        assert sender.send(Outgoing(b"a", huge, 1, Path("f"), None))
        assert sender.send(Outgoing(b"a", line("a", 0), 2, Path("f"), ORIGIN))
    producer.close()
    assert (sender.delivery.refused, sender.delivery.confirmed, sender.delivery.complete) == (1, 1, False)
    assert "f, line 1" in sender.delivery.faults[0]
    assert (tmp_path / "unsent").read_bytes() == huge + b"\n"


def test_a_broker_that_goes_away_stops_the_run_and_what_was_lost_is_kept(tmp_path: Path) -> None:
    with EmbeddedBroker() as doomed:
        connection = {"bootstrap_servers": doomed.bootstrap}
        admin = KafkaAdminClient(**connection)
        admin.create_topics([NewTopic("searches.raw", 2, 1)])
        admin.close()
        producer = connect(connection, "searches.raw", confirm_within=2.0)
        with Sender(producer, "searches.raw", tmp_path / "unsent") as sender:
            sender.send(Outgoing(b"a", b"first", 1, Path("f"), ORIGIN))
            producer.flush()
            doomed.stop()
            sender.send(Outgoing(b"a", b"second", 2, Path("f"), ORIGIN))
        producer.close(timeout=0.1)
    delivery = sender.delivery
    assert (delivery.confirmed, delivery.failed, delivery.complete) == (1, 1, False)
    assert "f, line 2" in (delivery.stopped or "")
    assert (tmp_path / "unsent").read_bytes() == b"second\n"


def test_a_taken_port_is_told_and_a_lost_race_takes_another(
    broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BrokerError, match=f"port {broker.port} .*0 takes any free one"):
        EmbeddedBroker(broker.port).start()
    first = [broker.port]
    real = sys.modules["streams.broker"]._claim
    monkeypatch.setattr("streams.broker._claim", lambda port: first.pop() if first else real(port))
    with EmbeddedBroker() as other:
        assert other.port != broker.port


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux promises to kill the child of a killed parent"
)
@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_broker_dies_with_its_parent(blow: signal.Signals) -> None:
    program = (
        "import time; from streams.broker import EmbeddedBroker; "
        "broker = EmbeddedBroker().start(); print(broker.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=Path(__file__).parent.parent,
    )  # fmt: skip
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert alive(child)
    parent.send_signal(blow)
    parent.wait(10)
    parent.stdout.close()
    deadline = time.monotonic() + 5
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(child)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z" and os.path.exists(f"/proc/{pid}")
