"""Handing decisions over to Kafka: at least once, in order, for as long as it takes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from kafka import KafkaProducer
from kafka.errors import KafkaError
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from console.background import Background
from console.storage.engine import Store
from console.storage.tables import Outgoing
from streams.exits import log
from streams.settings import Settings
from streams.topics import kafka_name

#: Messages sent between two commits.
AT_ONCE = 100
#: Seconds between two looks at the outbox, and the longest pause after a failure.
EVERY, LONGEST = 0.5, 30.0

#: Sends one message to a logical topic and returns once it is confirmed; raises when it is not.
Send = Callable[[str, bytes, bytes], None]


def flush(store: Store, send: Send, now: Callable[[], datetime]) -> int:
    """Send what is waiting, oldest first; how many. What `send` raises goes through.

    What was sent before a failure is marked all the same; only one message at a time can be sent again.
    """
    sent = 0
    while True:
        with store.reading() as session:
            waiting = session.scalars(
                select(Outgoing).where(Outgoing.sent_at.is_(None)).order_by(Outgoing.number).limit(AT_ONCE)
            ).all()
        if not waiting:
            return sent
        done: list[int] = []
        try:
            for message in waiting:
                send(message.topic, message.key.encode(), message.value)
                done.append(message.number)
        finally:
            with store.writing() as session:
                for number in done:
                    session.get_one(Outgoing, number).sent_at = now()
        sent += len(done)


class Sender(Background):
    """Sends in a thread of its own, from `start` to `stop`."""

    def __init__(self, store: Store, settings: Settings, now: Callable[[], datetime]) -> None:
        super().__init__("decisions")
        self._store, self._settings, self._now = store, settings, now

    def _run(self) -> None:
        pause = EVERY
        producer: KafkaProducer | None = None
        while not self._stopping.wait(pause):
            try:
                if producer is None:
                    producer = KafkaProducer(acks="all", **self._settings.connection())
                flush(self._store, self._send(producer), self._now)
                pause = EVERY
            except (KafkaError, SQLAlchemyError) as error:
                pause = min(2 * pause, LONGEST)
                log.warning("decisions wait for Kafka or the store", reason=repr(error), seconds=pause)
        if producer is not None:
            producer.close()

    def _send(self, producer: KafkaProducer) -> Send:
        def send(topic: str, key: bytes, value: bytes) -> None:
            sending = producer.send(kafka_name(self._settings, topic), key=key, value=value)
            sending.get(timeout=self._settings.request_timeout)

        return send
