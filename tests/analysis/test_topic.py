"""A range of time of a topic is back-tested like the file that it came from."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from kafka import KafkaProducer

from analysis.backtesting.session import BackTest, Options, Result
from analysis.backtesting.topic import Span, read_values
from analysis.labels import read_decisions
from analysis.opening import open_subject
from models.decisions import encode_decision
from models.search import encode_search
from streams.broker import EmbeddedBroker
from streams.exits import Stop
from streams.settings import load_settings
from streams.topics import ensure
from tests.analysis.logs import searches, write
from tests.analysis.test_comparison import alert
from tests.analysis.test_feedback import closing
from tests.ingesting import tick

ARRIVED = datetime(2024, 5, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        settings = load_settings(broker=running.url, partitions=3, topics_create=True)
        ensure(settings)
        producer = KafkaProducer(**settings.connection(), acks="all")
        # One search a second, each on the partition of its source.
        for number, one in enumerate(searches()):
            stamp = int((ARRIVED + timedelta(seconds=number)).timestamp() * 1000)
            partition = sum(one.source_id.encode()) % 3
            producer.send("searches.raw", encode_search(one), partition=partition, timestamp_ms=stamp)
            if number % 50 == 0:
                producer.send("searches.raw", tick(number), partition=0, timestamp_ms=stamp)
        producer.flush()
        producer.close()
        yield running


def tried(
    config: Path, broker: EmbeddedBroker, span: Span, work: Path, monkeypatch: pytest.MonkeyPatch
) -> Result:
    monkeypatch.setenv("PROBEWATCH_BROKER", broker.url)
    running = BackTest([open_subject(config)], [], work, Options(jobs=2), span)
    for _ in running:
        pass
    return running.result()


def filed(config: Path, first: int, last: int | None, folder: Path) -> bytes:
    file = folder / "same.jsonl"
    file.write_bytes(b"".join(encode_search(one) + b"\n" for one in searches()[first:last]))
    running = BackTest([open_subject(config)], [file], folder / "file", Options(jobs=1))
    for _ in running:
        pass
    return running.result().outcomes[0].standing.lines()


@pytest.mark.parametrize(("first", "last"), [(0, None), (200, 700)])
def test_a_span_gives_what_its_searches_give_in_a_file(
    broker: EmbeddedBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int, last: int | None
) -> None:
    config = write(tmp_path / "config")
    span = Span(
        "searches.raw",
        ARRIVED + timedelta(seconds=first) if first else None,
        ARRIVED + timedelta(seconds=last) if last else None,
    )
    result = tried(config, broker, span, tmp_path / "w", monkeypatch)
    assert result.lines == len(searches()[first:last])
    assert result.outcomes[0].standing.lines() == filed(config, first, last, tmp_path)


def test_a_topic_that_is_not_there_is_named(
    broker: EmbeddedBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Stop, match=r"no\.such is missing"):
        tried(write(tmp_path / "config"), broker, Span("no.such"), tmp_path / "w", monkeypatch)


def test_decisions_are_read_from_their_topic_in_order(
    broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROBEWATCH_BROKER", broker.url)
    told = [alert(name, 0) for name in "xyz"]
    taken = closing((one, "confirmed") for one in told)
    producer = KafkaProducer(**load_settings().connection(), acks="all")
    for number, one in enumerate(taken):
        producer.send("decisions", encode_decision(one), timestamp_ms=1_700_000_000_000 + number)
    producer.flush()
    producer.close()
    assert read_decisions(read_values("decisions", load_settings()), "decisions") == taken
