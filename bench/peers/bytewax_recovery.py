"""Bytewax with recovery on: the state of each key goes to SQLite at the end of each epoch."""

from __future__ import annotations

import json
import pickle
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import bytewax.operators as op
import msgspec
from bytewax.connectors.kafka import KafkaSinkMessage, KafkaSource, KafkaSourceMessage
from bytewax.connectors.kafka import operators as kop
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main


class Search(msgspec.Struct):
    """What the job needs of a search; the rest is skipped while decoding."""

    event_id: str
    requester_id: str
    tool: str


def main() -> None:
    """Run the job."""
    job = json.loads(sys.argv[1])
    approved = frozenset(job["approved"])
    decode = msgspec.json.Decoder(Search).decode
    began = 0.0

    def keyed(message: KafkaSourceMessage[Any, Any]) -> tuple[str, Search]:
        nonlocal began
        began = began or time.perf_counter()
        search = decode(message.value)
        return search.requester_id, search

    def count(state: int | None, search: Search) -> tuple[int, list[str]]:
        return (state or 0) + 1, [] if search.tool in approved else [search.event_id]

    brokers = [job["bootstrap"]]
    flow = Dataflow("peer")
    messages = op.input("searches", flow, KafkaSource(brokers, [job["topic"]], tail=False))
    counted = op.stateful_flat_map("count", op.map("decode", messages, keyed), count)
    flagged = op.map("flagged", counted, lambda pair: KafkaSinkMessage(None, pair[1].encode()))
    kop.output("out", flagged, brokers=brokers, topic=job["flagged"])
    store = Path(job["folder"]) / "recovery"
    store.mkdir()
    init_db_dir(store, 1)
    cli_main(flow, recovery_config=RecoveryConfig(str(store)))
    seconds = time.perf_counter() - began
    result = json.dumps({"seconds": seconds, "counts": _durable(store)})
    (Path(job["folder"]) / "result.json").write_text(result)


def _durable(store: Path) -> dict[str, int]:
    """The last snapshot of each key."""
    found: dict[str, int] = {}
    for part in sorted(store.glob("*.sqlite3")):
        with closing(sqlite3.connect(part)) as base:
            rows = base.execute(
                "SELECT state_key, ser_change FROM snaps WHERE step_id LIKE 'peer.count%' ORDER BY snap_epoch"
            )
            found.update((key, pickle.loads(change)) for key, change in rows if change is not None)
    return found


if __name__ == "__main__":
    main()
