"""The clock's way into the log: whoever owns a partition of searches.raw sends it the time.

Windows must close and silence be noticed when nothing arrives. The stages have no clock; they
read ticks like any other message, so that a replay sees the same ones.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import msgspec

from models.search import Tick
from streams.assignment import Assignment
from streams.outbox import Outbox


async def send_ticks(assignment: Assignment, outbox: Outbox, topic: str, interval: float) -> None:
    """Send a tick to every owned partition of the Kafka topic, each `interval` seconds, for ever."""
    while True:
        await asyncio.sleep(interval)
        value = msgspec.json.encode(Tick(tick=datetime.now(UTC)))
        for partition in assignment.owned(topic):
            await outbox.confirmed(topic, [(None, value)], partition)
