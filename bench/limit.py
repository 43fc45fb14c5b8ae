"""The bare loop that bounds every worker: aiokafka reads, msgspec decodes, nothing else happens.

`python -m bench.limit BOOTSTRAP TOPIC MESSAGES` prints seconds from the first to the last message.
"""

from __future__ import annotations

import asyncio
import sys
import time

import msgspec
from aiokafka import AIOKafkaConsumer

from models.search import Search


async def read(bootstrap: str, topic: str, messages: int) -> float:
    """Read and decode `messages` records of all partitions; seconds from the first batch on."""
    decode = msgspec.json.Decoder(Search).decode
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=None,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )
    await consumer.start()
    try:
        left, began, searches = messages, 0.0, 0
        while left > 0:
            batches = await consumer.getmany(timeout_ms=1000, max_records=5000)
            began = began or time.perf_counter()
            for records in batches.values():
                left -= len(records)
                for record in records:
                    if record.value[:7] != b'{"tick"':
                        decode(record.value)
                        searches += 1
        return time.perf_counter() - began
    finally:
        await consumer.stop()


if __name__ == "__main__":
    _, bootstrap, topic, messages = sys.argv
    print(asyncio.run(read(bootstrap, topic, int(messages))))
