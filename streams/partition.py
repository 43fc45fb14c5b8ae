"""One stage behind one partition: absorb, send, confirm, and now and then make it durable.

The order is the guarantee. Messages are confirmed before the state that implies them is written,
the state before the offset moves up, and Kafka is told the offset last. Whatever is killed in
between is done again from the last durable state, gives the same messages, and nothing is lost.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from structlog.contextvars import bind_contextvars

from models.stage import Message, Output, Record, Stage
from streams import faults, metrics, tracing
from streams.batches import Batch
from streams.counting import count_batch, show_figures
from streams.exits import log
from streams.refusals import RefusalLimit
from streams.state import StateWriter

if TYPE_CHECKING:
    from streams.hosting import HostedStage

#: Seconds without a batch after which a large state is written like a small one.
QUIET = 0.2

#: Batches of a partition that may be with the stage, or their messages on the way to Kafka, at once.
IN_HAND = 4

#: Hands messages over in order; the number is when what they come of arrived, epoch seconds. Awaiting what
#: it returns waits until Kafka has confirmed all of them.
HandOver = Callable[[Sequence[Message], float | None], Awaitable[Awaitable[object]]]


@dataclass(frozen=True)
class StageKind:
    """A kind of stage: the agent's name, the version of its state, its logical input topic, and
    how to make one for a partition. `niceness` is how far its process gives way to others (see nice(2))."""

    name: str
    version: int
    topic: str
    make: Callable[[int], Stage]
    niceness: int = field(default=0, kw_only=True)


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

    Batches are handed to the stage without waiting for it, or for Kafka to confirm the messages of those
    before, or for the state that is being written; a checkpoint waits for the messages that it implies.

    `next_offset` is where reading starts. `checkpoint_interval` in seconds; 0 means after each batch.
    """

    def __init__(
        self,
        agent: str,
        partition: int,
        stage: HostedStage,
        *,
        next_offset: int,
        send: HandOver,
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
        self._in_hand: deque[asyncio.Task[None]] = deque()
        """Batches whose messages are not all confirmed, oldest first."""
        # Locks are given in the order in which they are asked for.
        self._in_order = asyncio.Lock()
        self._failed = False
        # A snapshot must see the stage between two batches, never inside one.
        self._turn = asyncio.Lock()
        self._writing = asyncio.Lock()

    async def take(self, batch: Batch) -> None:
        """Let the stage absorb what is new in the batch, and Kafka have what comes of it.

        Raises:
            OffsetHole: the batch does not follow the one before.
            Stop: too many messages of a batch were refused; nothing of it was sent. As all errors of a batch
                in hand it comes with one of the next calls, or with the next checkpoint.
        """
        async with self._turn:
            if self._closed:
                return
            if batch.follows >= self._next:
                raise OffsetHole(
                    f"{self.agent}-{self.partition}: {self._next} to {batch.follows} are missing"
                )
            records = batch.records
            if records[0].offset < self._next:
                records = [record for record in records if record.offset >= self._next]
                metrics.SKIPPED.labels(self.agent).inc(len(batch.records) - len(records))
            if records:
                await self._absorb(records)
        if not self._interval:
            await self.checkpoint()

    async def _absorb(self, records: Sequence[Record]) -> None:
        started = time.perf_counter()
        answer = await self._stage.absorb(records)
        self._next = records[-1].offset + 1
        self._absorbed_at = time.monotonic()
        self._in_hand.append(asyncio.create_task(self._traced(answer, records, started)))
        if len(self._in_hand) > IN_HAND:
            await asyncio.wait((self._in_hand[0],))
        self._raise_failures()

    async def _traced(self, answer: Awaitable[Output], records: Sequence[Record], started: float) -> None:
        place = {"messaging.destination.partition.id": str(self.partition)}
        first = {"messaging.kafka.offset": records[0].offset, "messaging.batch.message_count": len(records)}
        with tracing.span(f"{self.agent} batch", **place, **first):
            await self._finish(answer, records, started)

    async def _finish(self, answer: Awaitable[Output], records: Sequence[Record], started: float) -> None:
        """What is left to do of a batch: hand its messages over, after those before, and see them confirmed.

        Once one fails no later one sends anything.
        """
        # A task has a context of its own, so this marks what is logged for this batch only.
        bind_contextvars(batch=f"{self.agent}-{self.partition}-{records[0].offset}")
        async with self._in_order:
            if self._failed:
                return
            self._failed = True
            output = await answer
            faults.reach("after-decode")
            self._refusals.judge(output.counts, taken=len(records))
            # In the order of arrival, or so nearly that it makes no difference.
            arrived = records[0].timestamp
            metrics.OUTBOX.labels(self.agent).inc(len(output.messages))
            sent = await self._send(output.messages, arrived)
            self._failed = False
        await sent
        metrics.OUTBOX.labels(self.agent).dec(len(output.messages))
        faults.reach("after-messages")
        delay = None if arrived is None else time.time() - arrived
        seconds = time.perf_counter() - started
        count_batch(self.agent, output, len(records), seconds, delay)
        log.debug("batch", records=len(records), messages=len(output.messages), seconds=round(seconds, 4))

    def _raise_failures(self) -> None:
        """Forget what has been confirmed; raise, again and again, what keeps the rest from it."""
        while self._in_hand and self._in_hand[0].done():
            self._in_hand[0].result()
            self._in_hand.popleft()

    async def checkpoint(self, *, force: bool = False) -> None:
        """Write the changed state if something was absorbed and the interval is over, or forced."""
        self._raise_failures()
        if force or self._is_due():
            await self._write()

    def _is_due(self) -> bool:
        now = time.monotonic()
        pause = self._interval if now - self._absorbed_at >= QUIET else self._pause
        return not self._closed and self._next > self.durable and now - self._written_at >= pause

    async def _write(self) -> None:
        async with self._writing:
            async with self._turn:
                if self._next == self.durable:
                    return
                started = time.perf_counter()
                snapshot = await self._stage.snapshot()
                held_up = time.perf_counter() - started
                upto = self._next
                implied = list(self._in_hand)
            await asyncio.gather(*implied)
            with tracing.span(f"{self.agent} state", partition=self.partition, blocks=len(snapshot.blocks)):
                await self._state.write(snapshot.blocks, absorbed=upto - 1)
            faults.reach("after-state")
            self.durable = upto
            self._written_at = time.monotonic()
            manifest, place = self._state.manifest, (self.agent, str(self.partition))
            metrics.STATE_BYTES.labels(*place).set(manifest.size)
            metrics.STATE_BLOCKS.labels(*place).set(len(manifest.blocks))
            show_figures(self.agent, self.partition, snapshot.gauges, now=time.time())
            took = time.perf_counter() - started
            # A large state is written less often while much comes in: it holds up the stage for at most
            # a twentieth of the time, and Kafka for half of it.
            self._pause = max(self._interval, 19 * held_up, took) if self._interval else 0.0
            metrics.CHECKPOINT_SECONDS.labels(self.agent).observe(took)

    async def close(self) -> None:
        """Wait for the batch in hand, write the state, and take no more."""
        async with self._turn:
            already, self._closed = self._closed, True
        if not already:
            await self._write()
            await self._stage.drop()
