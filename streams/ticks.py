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
from streams.serving import Pointer


async def send_ticks(
    assignment: Assignment, outbox: Outbox, topic: str, interval: float, pointer: Pointer
) -> None:
    """Send a tick to every owned partition of the Kafka topic, each `interval` seconds, for ever. It says
    which trained models serve, so that all who read the log know it from the same place on."""
    while True:
        await asyncio.sleep(interval)
        # Loading a model takes a second, and must not keep everything else waiting.
        models = await asyncio.to_thread(pointer.look)
        value = msgspec.json.encode(Tick(tick=datetime.now(UTC), models=models))
        for partition in assignment.owned(topic):
            await outbox.confirmed(topic, [(None, value)], partition)
