"""A range of time of a topic, as a log.

Searches are taken by their time of arrival in Kafka, partitions put together by it. Ticks are left out:
when time passes is worked out from the searches, as for any file.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from pathlib import Path
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError, KafkaTimeoutError

from analysis.backtesting.logs import Log, made
from streams.connecting import knock
from streams.exits import Stop
from streams.settings import Settings
from streams.survey import is_tick
from streams.topics import kafka_name, nobody_answers

#: Seconds after which a partition that does not answer is taken for gone.
PATIENCE = 30.0
#: So far behind the span nothing of it is expected any more: clocks of producers differ, not by a day.
DISORDER_MS = 86_400_000


@dataclass(frozen=True)
class Span:
    """Records of a topic that arrived from `first` up to `last` (exclusive); None: from the begin, to the
    end that the topic has now."""

    topic: str
    first: datetime | None = None
    last: datetime | None = None

    def __str__(self) -> str:
        return f"{self.topic} {self.first} {self.last}"


def read_topic(span: Span, settings: Settings, folder: Path) -> Log:
    """Copy the searches of a span into a log.

    Raises:
        Stop: no broker answers, the topic is not there, or what it should hold does not come.
    """
    name = kafka_name(settings, span.topic)
    with _explained(settings, name):
        numbers = _partitions(settings.connection(), name)
        rows = (
            (numbers.index(place), offset, value)
            for _, place, offset, value in _merged(settings.connection(), name, numbers, span)
        )
        return made(folder, "topic", [f"{name}[{number}]" for number in numbers], rows)


def read_values(topic: str, settings: Settings) -> list[bytes]:
    """All that a topic holds, by time of arrival. Raises Stop as `read_topic` does."""
    name = kafka_name(settings, topic)
    with _explained(settings, name):
        numbers = _partitions(settings.connection(), name)
        return [row[-1] for row in _merged(settings.connection(), name, numbers, Span(topic))]


@contextmanager
def _explained(settings: Settings, name: str) -> Iterator[None]:
    """What Kafka says, as a sentence for the user."""
    knock(settings.connection())
    try:
        yield
    except KafkaTimeoutError:
        raise nobody_answers(settings) from None
    except KafkaError as error:
        raise Stop(f"Kafka does not let us read {name}: {error}") from None


def _partitions(connection: Mapping[str, Any], name: str) -> list[int]:
    with _consumer(connection) as consumer:
        numbers = sorted(consumer.partitions_for_topic(name) or ())
    if not numbers:
        raise Stop(f"the topic {name} is missing: see `./probewatch topics --check`")
    return numbers


def _merged(
    connection: Mapping[str, Any], name: str, numbers: Sequence[int], span: Span
) -> Iterator[tuple[int, int, int, bytes]]:
    streams = [_records(connection, TopicPartition(name, number), span) for number in numbers]
    return heapq.merge(*streams, key=itemgetter(0, 1, 2))


def _records(
    connection: Mapping[str, Any], place: TopicPartition, span: Span
) -> Iterator[tuple[int, int, int, bytes]]:
    """(time of arrival in ms, partition, offset, search in one line) of a partition."""
    first, last = _milliseconds(span.first), _milliseconds(span.last)
    with _consumer(connection) as consumer:
        consumer.assign([place])
        begin = consumer.beginning_offsets([place])[place]
        if first is not None:
            found = consumer.offsets_for_times({place: int(first)})[place]
            if found is None or found.offset < 0:
                return
            begin = found.offset
        consumer.seek(place, begin)
        since = time.monotonic()
        # The end is what a fetch says: asked for offsets, the embedded broker names its last batch.
        while (end := consumer.highwater(place)) is None or consumer.position(place) < end:
            got = consumer.poll(timeout_ms=500).get(place, [])
            if not got and time.monotonic() - since > PATIENCE:
                raise Stop(f"{place.topic}, partition {place.partition} does not answer")
            since = time.monotonic() if got else since
            for record in got:
                value = b" ".join((record.value or b"").split(b"\n"))
                early = first is not None and record.timestamp < first
                late = last is not None and record.timestamp >= last
                if value and not early and not late and not is_tick(value):
                    yield record.timestamp, place.partition, record.offset, value
            if last is not None and got and min(record.timestamp for record in got) > last + DISORDER_MS:
                return


def _milliseconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp() * 1000


def _consumer(connection: Mapping[str, Any]) -> closing[KafkaConsumer]:
    """A consumer of nobody's group."""
    return closing(
        KafkaConsumer(**connection, enable_auto_commit=False, auto_offset_reset="earliest", group_id=None)
    )
