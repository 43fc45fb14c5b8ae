"""Plain aiokafka and msgspec: the limit. A dictionary counts, and nothing makes it durable."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer


class Search(msgspec.Struct):
    """What the job needs of a search; the rest is skipped while decoding."""

    event_id: str
    requester_id: str
    tool: str


async def run(job: dict[str, Any]) -> tuple[float, dict[str, int]]:
    """Seconds, and the counts."""
    approved, left = frozenset(job["approved"]), job["messages"]
    decode = msgspec.json.Decoder(Search).decode
    consumer = AIOKafkaConsumer(
        job["topic"],
        bootstrap_servers=job["bootstrap"],
        group_id=None,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )
    producer = AIOKafkaProducer(bootstrap_servers=job["bootstrap"], acks="all", linger_ms=5)
    await consumer.start()
    await producer.start()
    counts: dict[str, int] = {}
    began = 0.0
    while left > 0:
        batches = await consumer.getmany(timeout_ms=1000, max_records=5000)
        began = began or time.perf_counter()
        for records in batches.values():
            left -= len(records)
            for record in records:
                search = decode(record.value)
                counts[search.requester_id] = counts.get(search.requester_id, 0) + 1
                if search.tool not in approved:
                    await producer.send(job["flagged"], search.event_id.encode())
    await producer.flush()
    seconds = time.perf_counter() - began
    await consumer.stop()
    await producer.stop()
    return seconds, counts


if __name__ == "__main__":
    job = json.loads(sys.argv[1])
    seconds, counts = asyncio.run(run(job))
    result = json.dumps({"seconds": seconds, "counts": counts})
    (Path(job["folder"]) / "result.json").write_text(result)
