"""One stage behind one partition: absorb, send, confirm, and now and then make it durable.

The order is the guarantee. Messages are confirmed before the state that implies them is written,
the state before the offset moves up, and Kafka is told the offset last. Whatever is killed in
between is done again from the last durable state, gives the same messages, and nothing is lost.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from models.stage import Message, Record, Stage
from streams import faults, metrics
from streams.batches import Batch
from streams.refusals import RefusalLimit
from streams.state import StateWriter

#: Seconds without a batch after which a large state is written like a small one.
QUIET = 0.2

#: Sends the messages in order and returns when Kafka has confirmed all of them.
SendAll = Callable[[Sequence[Message]], Awaitable[None]]


@dataclass(frozen=True)
class StageKind:
    """A kind of stage: the agent's name, the version of its state, its logical input topic, and
    how to make one for a partition."""

    name: str
    version: int
    topic: str
    make: Callable[[int], Stage]


class Runner(Protocol):
    """What stands behind a partition. `durable` is the offset of the next record to read after a
    restart: everything before it is done for good."""

    agent: str
    partition: int
    durable: int

    async def take(self, batch: Batch) -> None:
        """Do what the batch asks for."""

    async def checkpoint(self, *, force: bool = False) -> None:
        """Make durable what has been done, if it is time, or at once."""

    async def close(self) -> None:
        """Finish what is in hand, make it durable, and take no more."""


class OffsetHole(Exception):
    """A batch does not follow what was absorbed: a slice was lost inside this process."""


class PartitionRunner:
    """A stage, its partition, and its state.

    `next_offset` is where reading starts. `checkpoint_interval` in seconds; 0 means after each batch.
    """

    def __init__(
        self,
        agent: str,
        partition: int,
        stage: Stage,
        *,
        next_offset: int,
        send: SendAll,
        state: StateWriter,
        refusals: RefusalLimit,
        checkpoint_interval: float,
    ) -> None:
        self.agent = agent
        self.partition = partition
        self.durable = next_offset
        self._stage = stage
        self._next = next_offset
        self._send = send
        self._state = state
        self._refusals = refusals
        self._interval = self._pause = checkpoint_interval
        self._written_at = self._absorbed_at = time.monotonic()
        self._closed = False
        # A checkpoint must see the stage between two batches, never inside one.
        self._turn = asyncio.Lock()

    async def take(self, batch: Batch) -> None:
        """Absorb what is new in the batch and send what comes of it.

        Raises:
            OffsetHole: the batch does not follow the one before.
            Stop: too many messages were refused; nothing of the batch was sent.
        """
        async with self._turn:
            if self._closed:
                return
            if batch.follows >= self._next:
                raise OffsetHole(
                    f"{self.agent}-{self.partition}: {self._next} to {batch.follows} are missing"
                )
            records = [
                Record(raw.offset, raw.value or b"", raw.timestamp / 1000.0 if raw.timestamp >= 0 else None)
                for raw in batch.records
                if raw.offset >= self._next
            ]
            metrics.SKIPPED.labels(self.agent).inc(len(batch.records) - len(records))
            if records:
                await self._absorb(records)
        await self.checkpoint()

    async def _absorb(self, records: list[Record]) -> None:
        started = time.perf_counter()
        output = self._stage.absorb(records)
        faults.reach("after-decode")
        self._refusals.judge(output.counts, taken=len(records))
        await self._send(output.messages)
        faults.reach("after-messages")
        self._next = records[-1].offset + 1
        self._absorbed_at = time.monotonic()
        metrics.bump(self.agent, output.counts)
        metrics.CONSUMED.labels(self.agent).inc(len(records))
        metrics.BATCHES.labels(self.agent).inc()
        metrics.BATCH_SECONDS.labels(self.agent).observe(time.perf_counter() - started)

    async def checkpoint(self, *, force: bool = False) -> None:
        """Write the changed state if something was absorbed and the interval is over, or forced."""
        async with self._turn:
            now = time.monotonic()
            quiet = now - self._absorbed_at >= QUIET
            pause = self._interval if quiet else self._pause
            if not self._closed and self._next > self.durable and (force or now - self._written_at >= pause):
                await self._write()

    async def _write(self) -> None:
        started = time.perf_counter()
        await self._state.write(self._stage.snapshot(full=False), absorbed=self._next - 1)
        faults.reach("after-state")
        self.durable = self._next
        self._written_at = time.monotonic()
        manifest, place = self._state.manifest, (self.agent, str(self.partition))
        metrics.STATE_BYTES.labels(*place).set(manifest.size)
        metrics.STATE_BLOCKS.labels(*place).set(len(manifest.blocks))
        metrics.show_figures(self.agent, self.partition, self._stage.gauges(), now=time.time())
        took = time.perf_counter() - started
        # A large state is written less often while much comes in: at most a tenth of the time goes into it.
        self._pause = max(self._interval, 9 * took) if self._interval else 0.0
        metrics.CHECKPOINT_SECONDS.labels(self.agent).observe(took)

    async def close(self) -> None:
        """Wait for the batch in hand, write the state, and take no more."""
        async with self._turn:
            if not self._closed and self._next > self.durable:
                await self._write()
            self._closed = True
