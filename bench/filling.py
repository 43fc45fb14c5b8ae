"""Messages put on a topic fast, for benchmarks that measure the reading.

`./probewatch produce` sends one message at a time and waits for the word on each; here whole batches
are written as they will lie in Kafka. Keys, partitions, ticks and order are the same.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

from models.ticking import Ticker
from streams.produce import outgoing
from streams.survey import survey
from streams.topics import partition_of

#: Bytes of a batch; brokers take a megabyte.
BATCH = 900_000
#: Batches on their way unconfirmed.
IN_FLIGHT = 8


def fill(bootstrap: str, topic: str, partitions: int, files: Iterable[Path], *, ticks: bool = True) -> int:
    """Write the messages that `produce` would write, in the same order; how many."""
    files = list(files)
    ticker = Ticker(sources=survey(files).sources)
    pairs = ((item.key, item.value) for item in outgoing(files, ticker, ticks=ticks))
    return asyncio.run(_fill(bootstrap, topic, partitions, pairs))


def fill_pairs(bootstrap: str, topic: str, partitions: int, pairs: Iterable[tuple[bytes, bytes]]) -> int:
    """Write messages given as key and value; how many."""
    return asyncio.run(_fill(bootstrap, topic, partitions, pairs))


async def _fill(bootstrap: str, topic: str, partitions: int, pairs: Iterable[tuple[bytes, bytes]]) -> int:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", max_batch_size=BATCH)
    await producer.start()
    try:
        places: dict[bytes, int] = {}
        building: dict[int, BatchBuilder] = {}
        sent: deque[asyncio.Future[Any]] = deque()
        number = 0

        async def send(batch: BatchBuilder, place: int) -> None:
            sent.append(await producer.send_batch(batch, topic, partition=place))
            if len(sent) > IN_FLIGHT:
                await sent.popleft()

        for key, value in pairs:
            place = places.get(key)
            if place is None:
                place = places[key] = partition_of(key, partitions)
            batch = building.get(place)
            while batch is None or batch.append(key=key, value=value, timestamp=None) is None:
                if batch is not None:
                    await send(batch, place)
                batch = building[place] = producer.create_batch()
            number += 1
        for place, batch in building.items():
            await send(batch, place)
        for future in sent:
            await future
        return number
    finally:
        await producer.stop()
