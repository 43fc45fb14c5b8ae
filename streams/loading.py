"""Reading a partition's state back, and deciding where its input goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import aiokafka
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from streams import faults
from streams.state import StateError

#: Seconds without a single record or progress after which a state topic counts as unreadable.
STALLED_AFTER = 30.0


async def read_latest(connection: dict[str, Any], topic: str, partition: int) -> dict[bytes, bytes]:
    """The latest value of every key of one partition, as far as it goes at the time of the call.

    Raises:
        StateError: the partition cannot be read to its end.
    """
    latest: dict[bytes, bytes] = {}
    async for record in read_all(connection, topic, partition):
        if record.value is None:
            latest.pop(record.key, None)
        else:
            latest[record.key] = record.value
    return latest


async def read_all(connection: dict[str, Any], topic: str, partition: int) -> AsyncIterator[Any]:
    """Aiokafka's records of one partition, from its beginning to where it ends at the time of the call.

    `connection` are aiokafka's settings. Belongs to no group, so it disturbs no assignment.

    Raises:
        StateError: the partition cannot be read to its end.
    """
    place = TopicPartition(topic, partition)
    consumer = aiokafka.AIOKafkaConsumer(
        **connection,
        group_id=None,
        enable_auto_commit=False,
        max_partition_fetch_bytes=4 * 1024 * 1024,
        fetch_max_wait_ms=100,
    )
    try:
        await consumer.start()
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        position, moved_at = await consumer.position(place), time.monotonic()
        # The end is what a fetch says. ListOffsets would do on Kafka, but the embedded broker answers
        # with where its last batch begins, and the last batch is the manifest.
        while (end := consumer.highwater(place)) is None or position < end:
            for records in (await consumer.getmany(place, timeout_ms=100)).values():
                faults.reach("while-loading")
                for record in records:
                    yield record
            before, position = position, await consumer.position(place)
            if position > before:
                moved_at = time.monotonic()
            elif time.monotonic() - moved_at > STALLED_AFTER:
                raise StateError(f"{topic}-{partition} stops at offset {position} of {end}")
    except KafkaError as error:
        raise StateError(f"{topic}-{partition} cannot be read: {error!r}") from error
    finally:
        await asyncio.shield(consumer.stop())


class Extent(NamedTuple):
    """What Kafka says of an input partition: its first offset, the one after its last record, and
    the committed offset of the next record to read."""

    first: int
    end: int
    committed: int | None


class Resumption(NamedTuple):
    """Where to read on, and what the reader of the log must be told."""

    offset: int
    lost: int
    warning: str | None


def resume(absorbed: int | None, extent: Extent) -> Resumption:
    """Where reading goes on after a state that has absorbed this offset; None: there is no state.

    `lost` counts offsets that Kafka deleted before they were read.

    Raises:
        StateError: the state is missing although work was committed, or it is ahead of the topic.
    """
    if absorbed is None:
        if extent.committed:
            raise StateError(f"offset {extent.committed} was committed, but there is no state for it")
        return Resumption(extent.first, 0, None)
    start = absorbed + 1
    if start > extent.end:
        raise StateError(f"the state has absorbed offset {absorbed}, but the topic ends at {extent.end}")
    lost = max(0, extent.first - start)
    warning = None
    if lost:
        warning = f"{lost} offsets after {absorbed} were deleted by retention before they were read"
    elif extent.committed is not None and extent.committed > start:
        warning = f"offset {extent.committed} was committed but the state ends at {absorbed}; reading again"
    return Resumption(max(start, extent.first), lost, warning)
