"""Put files of events on `searches.raw`, with the ticks that make windows close, and prove arrival.

Every line goes out as it stands: one that cannot be read becomes a dead letter of ingest, where it
is kept with its reason; here it would only be lost.
"""

from __future__ import annotations

import heapq
import json
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import IO, Any, NamedTuple, Self

from kafka import KafkaAdminClient, KafkaProducer
from kafka.errors import (
    InvalidRecordError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)
from kafka.partitioner import murmur2

from models.ticking import Head, Ticker, encode_tick, head
from streams.connecting import knock
from streams.permissions import lacking, may_not
from streams.survey import lines, sorted_lines

#: Lines without a readable source share one key, so that they too keep their order.
UNREADABLE = b"unreadable"
#: Above this a broker with default settings refuses a message, bytes.
LARGE_BYTES = 1_000_000
#: Largest message this program tries to send, bytes.
MAX_REQUEST_BYTES = 64 * 1024 * 1024
#: How long a message may go unconfirmed before the broker is taken for gone, seconds.
CONFIRM_SECONDS = 120.0
#: How much may be on its way unconfirmed: messages and bytes.
WINDOW, WINDOW_BYTES = 20_000, 64 * 1024 * 1024
#: Faults of one message; anything else is a fault of the broker and ends the run.
OF_THE_MESSAGE = (MessageSizeTooLargeError, RecordListTooLargeError, InvalidRecordError)


class TopicMissing(RuntimeError):
    """The topic is not there; it is not made on the fly, with who knows how many partitions."""


class Outgoing(NamedTuple):
    """One message to write. `line` is its number in the file, or 0 for a tick."""

    key: bytes
    value: bytes
    line: int
    file: Path | None
    event_time: float | None


def outgoing(
    files: Iterable[Path], ticker: Ticker, *, ticks: bool = True, close: bool = True, in_order: bool = False
) -> Iterator[Outgoing]:
    """The messages of these files in the order in which they must be written.

    `ticker` knows all sources of all files. With `in_order` all are put in the order of event_time.
    Raises OSError when a file cannot be read.
    """
    for file, number, line, first in merged(files) if in_order else _as_they_stand(files):
        if first is None:
            yield Outgoing(_source_key(line), line, number, file, None)
            continue
        due = ticker.before(first.source_id, first.event_time)
        if ticks:
            for tick in due:
                yield _tick(tick.source_id, encode_tick(tick))
        yield Outgoing(first.source_id.encode(), line, number, file, first.event_time)
    if ticks and close:
        for tick in ticker.close():
            yield _tick(tick.source_id, encode_tick(tick))


#: A line with its file, its number from 1, and what is known of it.
Line = tuple[Path, int, bytes, Head | None]


def _as_they_stand(files: Iterable[Path]) -> Iterator[Line]:
    for file in files:
        for number, line in lines(file):
            yield file, number, line, head(line)


def merged(files: Iterable[Path]) -> Iterator[Line]:
    """The lines of all files by event_time; one without a usable time stays behind its neighbour."""

    def timed(file: Path, place: int) -> Iterator[tuple[float, int, Line]]:
        last = float("-inf")
        for number, line in sorted_lines(file):
            first = head(line)
            last = first.event_time if first else last
            yield last, place, (file, number, line, first)

    streams = [timed(file, place) for place, file in enumerate(files)]
    return (line for _, _, line in heapq.merge(*streams, key=itemgetter(0, 1)))


@dataclass(slots=True)
class Pace:
    """How fast to send: `rate` messages a second, or `speed` seconds of event time a second."""

    rate: float | None = None
    speed: float | None = None
    _began: float = 0.0
    _origin: float | None = None
    _sent: int = 0

    def due(self, file_time: float | None) -> float:
        """Seconds to wait before the next message. `file_time` is the ticker's, epoch seconds."""
        if self._sent == 0:
            self._began = time.monotonic()
        self._sent += 1
        passed = time.monotonic() - self._began
        wanted = self._sent / self.rate if self.rate else 0.0
        if self.speed and file_time is not None:
            self._origin = file_time if self._origin is None else self._origin
            wanted = max(wanted, (file_time - self._origin) / self.speed)
        return max(0.0, wanted - passed)


@dataclass(slots=True)
class Delivery:
    """What became of the messages. `refused` by the broker or lost are both not `confirmed`."""

    lines: int = 0
    ticks: int = 0
    confirmed: int = 0
    refused: int = 0
    failed: int = 0
    unreadable: int = 0
    large: int = 0
    seconds: float = 0.0
    stopped: str | None = None
    faults: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether the broker confirmed every single message."""
        return self.stopped is None and self.confirmed == self.lines + self.ticks


class Sender:
    """Writes messages to one topic and waits for the broker's word on each.

    Used as a context manager; `delivery` is final afterwards. Lines that the broker refuses are
    written to the file `unsent` as they stand, so that they can be mended and produced again.
    """

    def __init__(self, producer: KafkaProducer, topic: str, unsent: Path) -> None:
        """Raises TopicMissing when the topic has no partitions."""
        self.delivery = Delivery()
        self.topic = topic
        self.unsent = unsent
        self._producer = producer
        self._partitions = sorted(producer.partitions_for(topic) or ())
        if not self._partitions:
            raise TopicMissing(f"the topic {topic} is missing: create it with `./probewatch topics --create`")
        self._of_key: dict[bytes, int] = {}
        self._waiting: deque[tuple[Outgoing, Any]] = deque()
        self._bytes = 0
        self._rejects: IO[bytes] | None = None
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._settle(0)
        self.delivery.seconds = time.monotonic() - self._began
        if self._rejects:
            self._rejects.close()

    def send(self, item: Outgoing) -> bool:
        """Write one message; False when the broker is gone and nothing more should be sent."""
        delivery = self.delivery
        if item.file is None:
            delivery.ticks += 1
        else:
            delivery.lines += 1
            delivery.unreadable += item.event_time is None
            delivery.large += len(item.value) > LARGE_BYTES
        partition = self._of_key.get(item.key)
        if partition is None:
            # The rule of all Kafka clients, remembered: asked anew for each message it costs more
            # than the rest of the sending.
            slot = (murmur2(item.key) & 0x7FFFFFFF) % len(self._partitions)
            partition = self._of_key[item.key] = self._partitions[slot]
        try:
            future = self._producer.send(self.topic, value=item.value, key=item.key, partition=partition)
        except KafkaError as error:
            self._fault(item, error)
        else:
            self._waiting.append((item, future))
            self._bytes += len(item.value)
            if len(self._waiting) >= WINDOW or self._bytes >= WINDOW_BYTES:
                self._settle(WINDOW // 2)
        return delivery.stopped is None

    def _settle(self, left: int) -> None:
        """Wait until at most `left` messages are unconfirmed."""
        while len(self._waiting) > left or self._bytes >= WINDOW_BYTES:
            item, future = self._waiting.popleft()
            self._bytes -= len(item.value)
            try:
                if not future.succeeded():
                    future.get()
                self.delivery.confirmed += 1
            except KafkaError as error:
                self._fault(item, error)

    def _fault(self, item: Outgoing, error: Exception) -> None:
        where = f"{item.file}, line {item.line}" if item.file else "a tick"
        said = f"{where} ({len(item.value):,} bytes): {type(error).__name__}: {str(error)[:200]}"
        if len(self.delivery.faults) < 20:
            self.delivery.faults.append(said)
        if item.file is not None:
            if self._rejects is None:
                self._rejects = self.unsent.open("wb")
            self._rejects.write(item.value + b"\n")
        if isinstance(error, OF_THE_MESSAGE):
            self.delivery.refused += 1
        else:
            self.delivery.failed += 1
            self.delivery.stopped = self.delivery.stopped or said


def connect(
    connection: Mapping[str, Any], topic: str, confirm_within: float = CONFIRM_SECONDS
) -> KafkaProducer:
    """A producer that waits for all replicas, keeps order through retries and does not compress.

    `connection` is where Kafka is and how to log in, as `Settings.connection` gives it. A message
    that is not confirmed within `confirm_within` seconds, retries included, has failed. Raises
    KafkaError when no broker answers, Stop when it does not let us in or not write, and TopicMissing
    when the topic has not been created.
    """
    knock(connection)
    options = {"client_id": "probewatch-produce", "bootstrap_timeout_ms": 10_000, **connection}
    # A producer's own question would make some brokers create the topic.
    admin = KafkaAdminClient(**options)
    try:
        (described,) = admin.describe_topics([topic])
    finally:
        admin.close()
    if may_not(described, ("WRITE",)):
        raise lacking(connection, [("WRITE", f"topic {topic}")])
    if described["error_code"]:
        raise TopicMissing(f"the topic {topic} is missing: create it with `./probewatch topics --create`")
    return KafkaProducer(
        **options,
        acks="all",
        delivery_timeout_ms=int(confirm_within * 1000),
        request_timeout_ms=int(confirm_within * 1000 / 4),
        linger_ms=20,
        batch_size=256 * 1024,
        max_request_size=MAX_REQUEST_BYTES,
        compression_type=None,
        metrics_enabled=False,
        allow_auto_create_topics=False,
    )


def pump(items: Iterable[Outgoing], sender: Sender, pace: Pace, ticker: Ticker) -> Iterator[Outgoing]:
    """Send the messages at the given pace and hand each on, for a progress bar; stops when told."""
    for item in items:
        wait = pace.due(ticker.now)
        if wait > 0.01:
            time.sleep(wait)
        if not sender.send(item):
            return
        yield item


def produce(
    files: Sequence[Path],
    sources: Iterable[str],
    *,
    connection: Mapping[str, Any],
    topic: str = "searches.raw",
    unsent: Path,
) -> Delivery:
    """Send whole files as fast as the broker takes them, ticks and closing ticks included."""
    ticker = Ticker(sources=sources)
    producer = connect(connection, topic)
    try:
        with Sender(producer, topic, unsent) as sender:
            deque(pump(outgoing(files, ticker), sender, Pace(), ticker), maxlen=0)
        return sender.delivery
    finally:
        producer.close(timeout=5)


def _tick(source_id: str | None, value: bytes) -> Outgoing:
    return Outgoing((source_id or "").encode(), value, 0, None, None)


def _source_key(line: bytes) -> bytes:
    """The key of a line that has no usable head: its source_id, if that much can be read."""
    try:
        found = json.loads(line)
        source = found["source_id"] if "source_id" in found else found["data"]["source_id"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return UNREADABLE
    return source.encode() if isinstance(source, str) and 0 < len(source) <= 128 else UNREADABLE
