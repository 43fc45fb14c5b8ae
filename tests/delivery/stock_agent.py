"""The same toy as an ordinary Faust agent with a table and `take`: what Probewatch is compared with.

It counts per key in a table and sends an alert for every third, as Faust's documentation would have it
written, and is killed at the same place: after its messages, before its commit.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import cast

import faust

from tests.delivery.toy import alert

TAKE = 100


def main() -> None:
    """Run a worker for `BROKER`, `PREFIX`, `PARTITIONS`; killed after `KILL` batches, if that is set."""
    prefix, partitions = os.environ["PREFIX"], int(os.environ["PARTITIONS"])
    left = int(os.environ.get("KILL", "0"))
    app = faust.App(
        prefix + "stock",
        broker=f"kafka://{os.environ['BROKER']}",
        topic_partitions=partitions,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        broker_session_timeout=4,
        broker_heartbeat_interval=1,
        web_enabled=False,
        datadir=os.environ["DATA_DIR"],
    )
    searches = app.topic(prefix + "searches", value_type=bytes, value_serializer="raw", partitions=partitions)
    alerts = app.topic(prefix + "alerts", value_type=bytes, value_serializer="raw", partitions=partitions)
    # Without use_partitioner Faust refuses to write to a table inside of take().
    counts = app.Table(prefix + "counts", default=int, partitions=partitions, use_partitioner=True)

    @app.agent(searches)
    async def watch(stream: faust.StreamT[bytes]) -> None:
        nonlocal left
        async for batch in cast(faust.Stream[bytes], stream).take_events(
            TAKE, within=0.2
        ):  # `take`, with the offsets
            for event in batch:
                key = event.value.decode()
                counts[key] += 1
                if counts[key] % 3 == 0:
                    told = alert(key, counts[key], event.message.offset)
                    await alerts.send(key=told.key, value=told.value)
            if left and (left := left - 1) == 0:
                await app.producer.flush()
                os.kill(os.getpid(), signal.SIGKILL)

    worker = faust.Worker(app, loglevel="ERROR", quiet=True)
    sys.exit(worker.execute_from_commandline())


if __name__ == "__main__":
    main()
