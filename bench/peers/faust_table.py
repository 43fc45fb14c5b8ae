"""Stock Faust with a Table, whose changelog in Kafka is its durable state."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import faust
from aiokafka import AIOKafkaConsumer


def main() -> None:
    """Run the job; ends the process itself when it is done."""
    job = json.loads(sys.argv[1])
    approved, messages = frozenset(job["approved"]), job["messages"]
    app = faust.App(
        job["name"],
        broker=f"kafka://{job['bootstrap']}",
        topic_partitions=job["partitions"],
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        broker_session_timeout=6,
        broker_heartbeat_interval=2,
        web_enabled=False,
        datadir=job["folder"],
    )
    searches = app.topic(job["topic"], value_serializer="json", key_type=bytes)
    flagged = app.topic(job["flagged"], value_type=bytes, value_serializer="raw")
    counts: Any = app.Table("counts", default=int)
    began = 0.0
    done = 0

    @app.agent(searches)
    async def watch(stream: faust.StreamT[Any]) -> None:
        nonlocal began, done
        async for search in stream:
            began = began or time.perf_counter()
            counts[search["requester_id"]] += 1
            if search["tool"] not in approved:
                await flagged.send(value=search["event_id"].encode())
            done += 1
            if done == messages:
                await app.producer.flush()
                seconds = time.perf_counter() - began
                found = await _durable(job, counts.changelog_topic_name)
                result = json.dumps({"seconds": seconds, "counts": found})
                (Path(job["folder"]) / "result.json").write_text(result)
                os._exit(0)

    faust.Worker(app, loglevel="ERROR", quiet=True).execute_from_commandline()


async def _durable(job: dict[str, Any], changelog: str) -> dict[str, int]:
    """The last value of each key in the changelog."""
    consumer = AIOKafkaConsumer(
        changelog, bootstrap_servers=job["bootstrap"], group_id=None, auto_offset_reset="earliest"
    )
    await consumer.start()
    found: dict[str, int] = {}
    quiet = time.monotonic()
    while time.monotonic() - quiet < 2:
        for records in (await consumer.getmany(timeout_ms=200)).values():
            found.update((json.loads(record.key), json.loads(record.value)) for record in records)
            quiet = time.monotonic()
    await asyncio.wait_for(consumer.stop(), 10)
    return found


if __name__ == "__main__":
    main()
