"""Reading the topics `alerts` and `searches` from Kafka, in a thread beside the pages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError, OffsetOutOfRangeError
from sqlalchemy import delete, select
from sqlalchemy.exc import SQLAlchemyError

from console.background import Background
from console.intake.taking import TOPICS, Taken, take
from console.storage.engine import Store
from console.storage.tables import Offset
from streams.exits import log
from streams.settings import Settings
from streams.topics import kafka_name

#: Milliseconds for which a look at Kafka waits, and most records of one transaction.
WAIT_MS, AT_ONCE = 200, 500
#: Seconds after a failure, at first and at most.
FIRST, LONGEST = 0.5, 30.0


class Reader(Background):
    """Reads from `start` to `stop`. It belongs to no consumer group: where it is stands in the store."""

    def __init__(self, store: Store, settings: Settings, now: Callable[[], datetime]) -> None:
        super().__init__("intake")
        self._store, self._settings, self._now = store, settings, now
        self.problem: str | None = None
        """Why nothing comes at the moment, for the page that shows it."""

    def _run(self) -> None:
        pause = FIRST
        while not self._stopping.is_set():
            try:
                self._read()
            except (KafkaError, SQLAlchemyError, _NoTopics) as error:
                if self.problem is None:
                    pause = FIRST
                stored = isinstance(error, SQLAlchemyError)
                self.problem = "the console's database does not take them" if stored else str(error)
                log.warning("alerts cannot be read from Kafka", reason=repr(error), seconds=pause)
                self._stopping.wait(pause)
                pause = min(2 * pause, LONGEST)

    def _read(self) -> None:
        """Read until we are to stop. Raises KafkaError when Kafka cannot be reached."""
        consumer = KafkaConsumer(
            enable_auto_commit=False,
            auto_offset_reset="none",
            fetch_max_wait_ms=WAIT_MS,
            max_poll_records=AT_ONCE,
            **self._settings.connection(),
        )
        try:
            logical = self._assign(consumer)
            while not self._stopping.is_set():
                try:
                    found = consumer.poll(WAIT_MS)
                except OffsetOutOfRangeError as error:
                    self._from_the_beginning(consumer, logical, error)
                    continue
                self.problem = None
                records = [
                    Taken(logical[place.topic], place.partition, record.offset, record.value)
                    for place, many in found.items()
                    for record in many
                ]
                if records:
                    with self._store.writing() as session:
                        take(session, records, self._now())
        finally:
            consumer.close()

    def _assign(self, consumer: KafkaConsumer) -> dict[str, str]:
        """Go to where the store is in each partition; the logical name of each topic."""
        logical = {kafka_name(self._settings, name): name for name in TOPICS}
        places = []
        for topic in logical:
            partitions = consumer.partitions_for_topic(topic)
            if not partitions:
                raise _NoTopics(f"there is no topic {topic} yet: start a worker, or `topics --create`")
            places += [TopicPartition(topic, number) for number in sorted(partitions)]
        consumer.assign(places)
        with self._store.reading() as session:
            kept = {(one.topic, one.partition): one.next_offset for one in session.scalars(select(Offset))}
        for place in places:
            following = kept.get((logical[place.topic], place.partition))
            if following is None:
                consumer.seek_to_beginning(place)
            else:
                consumer.seek(place, following)
        return logical

    def _from_the_beginning(
        self, consumer: KafkaConsumer, logical: dict[str, str], error: OffsetOutOfRangeError
    ) -> None:
        """Kafka has nothing where we were: it deleted that, or the topic was made anew."""
        (places,) = error.args
        for place in places:
            log.warning("Kafka does not hold what follows; reading from its beginning", topic=place.topic,
                        partition=place.partition)  # fmt: skip
            with self._store.writing() as session:
                session.execute(
                    delete(Offset).where(
                        Offset.topic == logical[place.topic], Offset.partition == place.partition
                    )
                )
            consumer.seek_to_beginning(place)


class _NoTopics(Exception):
    """Nobody has made the topics."""
