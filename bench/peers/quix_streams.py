"""Quix Streams with state: RocksDB on disk, a changelog in Kafka, commits as it has them by default."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer
from quixstreams import Application, State


def main() -> None:
    """Run the job."""
    job = json.loads(sys.argv[1])
    approved, messages = frozenset(job["approved"]), job["messages"]
    app = Application(
        broker_address=job["bootstrap"],
        consumer_group=job["name"],
        auto_offset_reset="earliest",
        state_dir=str(Path(job["folder"]) / "state"),
        loglevel="ERROR",
    )
    began = 0.0
    done = 0

    def count(search: dict[str, Any], state: State) -> None:
        nonlocal began, done
        began = began or time.perf_counter()
        state.set("count", state.get("count", 0) + 1)
        done += 1
        if done == messages:
            app.stop()

    searches = app.dataframe(app.topic(job["topic"], value_deserializer="json"))
    searches = searches.update(count, stateful=True)
    flagged = searches.filter(lambda search: search["tool"] not in approved)
    flagged.apply(lambda search: search["event_id"]).to_topic(
        app.topic(job["flagged"], value_serializer="string")
    )
    app.run()
    seconds = time.perf_counter() - began
    result = json.dumps({"seconds": seconds, "counts": _durable(job)})
    (Path(job["folder"]) / "result.json").write_text(result)


def _durable(job: dict[str, Any]) -> dict[str, int]:
    """The last value of each key in the changelog."""
    consumer = Consumer(
        {
            "bootstrap.servers": job["bootstrap"],
            "group.id": f"{job['name']}-check",
            "auto.offset.reset": "earliest",
        }
    )
    names = [name for name in consumer.list_topics().topics if name.startswith(f"changelog__{job['name']}")]
    consumer.subscribe(names)
    found: dict[str, int] = {}
    quiet = time.monotonic()
    while time.monotonic() - quiet < 5:
        for record in consumer.consume(10_000, 0.5):
            if record.error() is None and record.key() is not None and record.value() is not None:
                requester, _, name = bytes(record.key()).partition(b"|")
                if name == b'"count"':
                    found[requester.decode()] = json.loads(record.value())
            quiet = time.monotonic()
    consumer.close()
    return found


if __name__ == "__main__":
    main()
