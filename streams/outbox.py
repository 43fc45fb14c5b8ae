"""Writing to Kafka such that a return means: confirmed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

from faust.types import ProducerT

from models.stage import Message
from streams.settings import Settings
from streams.topics import kafka_name


class Outbox:
    """Sends through Faust's producer. It raises what the producer raises: the caller must not go on."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.producer: ProducerT

    async def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        *,
        partition: int | None = None,
        timestamp: float | None = None,
    ) -> Awaitable[object]:
        """Hand one record over to be sent to a Kafka topic; awaiting the result waits for Kafka."""
        return await self.producer.send(topic, key, value, partition, timestamp, None)

    async def hand_over(self, messages: Sequence[Message], arrived: float | None) -> Awaitable[object]:
        """Hand messages over in order, to their logical topics; awaiting the result waits for Kafka.

        Packs of searches bear the time at which the first of these arrived (epoch seconds), so that the
        next stage knows how long they have been on their way.
        """
        return asyncio.gather(
            *[
                await self.send(
                    kafka_name(self._settings, topic),
                    key,
                    value,
                    timestamp=arrived if topic == "searches" else None,
                )
                for topic, key, value in messages
            ]
        )

    async def confirmed(
        self, topic: str, records: Sequence[tuple[bytes | None, bytes | None]], partition: int
    ) -> None:
        """Send records to one partition of a Kafka topic, and wait until all are confirmed."""
        await asyncio.gather(
            *[await self.send(topic, key, value, partition=partition) for key, value in records]
        )
