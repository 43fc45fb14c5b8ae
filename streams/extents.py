"""Where a partition begins and ends, and since when the next record waits, without joining a group."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import aiokafka
from aiokafka import TopicPartition

from streams.loading import STALLED_AFTER
from streams.state import StateError


class Waiting(NamedTuple):
    """A partition's first offset, the one after its last record, and when the record that is to be
    read next came (epoch seconds); None when nothing waits."""

    first: int
    end: int
    since: float | None


async def read_extent(connection: Mapping[str, Any], place: TopicPartition, following: int) -> Waiting:
    """The extent of a partition; `following` is the offset that is to be read next.

    `connection` are aiokafka's settings.

    Raises:
        StateError: the partition does not answer.
        KafkaError: Kafka does not let us read.
    """
    consumer = aiokafka.AIOKafkaConsumer(
        **connection,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=100,
    )
    try:
        await consumer.start()
        consumer.assign([place])
        first = (await consumer.beginning_offsets([place]))[place]
        consumer.seek(place, max(following, first))
        began = time.monotonic()
        while time.monotonic() - began < STALLED_AFTER:
            records = (await consumer.getmany(timeout_ms=100)).get(place, ())
            # The end is what a fetch says: asked for offsets, the embedded broker names its last batch.
            end = consumer.highwater(place)
            if end is not None and (records or following >= end):
                waits = following < end
                return Waiting(first, end, records[0].timestamp / 1000 if waits else None)
        raise StateError(f"{place.topic}-{place.partition} has not answered for {STALLED_AFTER:g} s")
    finally:
        await asyncio.shield(consumer.stop())
