"""The partitions that are ours: opening them, feeding them, and giving them back in good order.

The only place that knows which offsets may be committed: those that the partitions call durable.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from aiokafka.errors import IllegalStateError
from faust.types import TP

from streams import metrics
from streams.batches import Batch
from streams.counting import forget_partition
from streams.exits import log
from streams.health import NO_COMMIT_AFTER
from streams.loading import Extent
from streams.partition import Runner

if TYPE_CHECKING:
    from streams.transport import Consumer

#: State topics read at once; each takes memory for a partition's state.
LOADS_AT_ONCE = 4
#: Seconds longer than any fetch may take, so that what was fetched before a seek back is gone.
FETCH_OVER = 1.5


#: Seconds between looks whether a first fetch has been answered.
FETCH_LOOK = 0.02


class Opener(Protocol):
    """Makes what stands behind a partition of one input topic, its state loaded."""

    agent: str

    async def open(self, partition: int, extent: Extent) -> Runner:
        """Load and make it. Raises Stop when the state must not be used."""


class Assignment:
    """Partitions by what Kafka assigned. `openers` by Kafka topic name."""

    def __init__(self, openers: Mapping[str, Opener]) -> None:
        self._openers = openers
        self._runners: dict[TP, Runner] = {}
        self._opening: dict[TP, asyncio.Task[None]] = {}
        self._committed: dict[TP, int] = {}
        self._loads = asyncio.Semaphore(LOADS_AT_ONCE)
        self._releasing = asyncio.Lock()
        self._committed_at = time.monotonic()
        self.consumer: Consumer

    def adopt(self, assigned: Iterable[TP]) -> None:
        """These are ours now: load each, and let its input flow when it is ready."""
        metrics.REBALANCES.inc()
        known = (*self._runners, *self._opening)
        new = [tp for tp in sorted(assigned) if tp.topic in self._openers and tp not in known]
        if new:
            self.consumer.pause_partitions(new)
            begun = asyncio.create_task(self._begun(new), name="ask where partitions begin")
            for tp in new:
                self._opening[tp] = asyncio.create_task(
                    self._open(tp, begun), name=f"open {tp.topic}-{tp.partition}"
                )
        self._count_partitions()

    async def _begun(self, new: Sequence[TP]) -> dict[TP, tuple[int, int | None]]:
        """The first offset and the committed one of each.

        Asked for all at once: Kafka answers the questions on a connection one after the other, and
        each would wait for a fetch, half a second when there is nothing to read.
        """
        first = await self.consumer.earliest_offsets(*new)
        committed = await self.consumer.thread.committed(new)
        return {tp: (first[tp], committed[tp]) for tp in new}

    async def _open(self, tp: TP, begun: asyncio.Task[dict[TP, tuple[int, int | None]]]) -> None:
        opener = self._openers[tp.topic]
        try:
            first, committed = (await asyncio.shield(begun))[tp]
            end = await self._end(tp)
            extent = Extent(first, end, committed)
            async with self._loads:
                runner = await opener.open(tp.partition, extent)
            offset = runner.durable
            await self.consumer.seek_wait({tp: offset})
            if extent.committed is not None and extent.committed > offset:
                await asyncio.sleep(FETCH_OVER)
        except asyncio.CancelledError:
            raise
        except IllegalStateError:
            # The partition went away while it was being opened; the rebalance cancels this task.
            log.info("partition went away while opening", topic=tp.topic, partition=tp.partition)
            return
        except Exception as error:
            self.consumer.probewatch.end(error, topic=tp.topic, partition=tp.partition)
        # Without a commit what the state holds is still to be committed.
        self._committed[tp] = first if extent.committed is None else extent.committed
        self._runners[tp] = runner
        self.consumer.read_on_at(tp, offset)
        del self._opening[tp]
        metrics.LAG.labels(runner.agent, str(tp.partition)).set(end - offset)
        log.info(
            "partition open", agent=runner.agent, partition=tp.partition, offset=offset, lag=end - offset
        )

    async def _end(self, tp: TP) -> int:
        """The offset after the partition's last record, from the consumer's own first fetch.

        Not by asking for offsets: the embedded broker answers that with the start of its last batch.
        """
        while (end := self.consumer.highwater(tp)) is None:
            await asyncio.sleep(FETCH_LOOK)
        return end

    async def take(self, tp: TP, batch: Batch) -> None:
        """Feed a batch to its partition. Batches for partitions that are not open are read again."""
        runner = self._runners.get(tp)
        if runner is not None:
            await runner.take(batch)

    async def checkpoint(self) -> None:
        """Write the state of every partition for which it is time."""
        await asyncio.gather(*(runner.checkpoint() for runner in self._runners.values()))

    async def release(self) -> None:
        """Finish the batches in hand, write all state, commit, and let the partitions go."""
        async with self._releasing:
            opening, self._opening = list(self._opening.values()), {}
            for task in opening:
                task.cancel()
            await asyncio.gather(*opening, return_exceptions=True)
            await asyncio.gather(*(runner.close() for runner in self._runners.values()))
            await self.consumer.commit()
            for runner in self._runners.values():
                forget_partition(runner.agent, runner.partition)
            self._runners.clear()
            self._committed.clear()
            self._count_partitions()

    def owned(self, topic: str) -> list[int]:
        """The open partitions of a topic."""
        return sorted(tp.partition for tp in self._runners if tp.topic == topic)

    def uncommitted(self) -> dict[TP, int]:
        """Next offsets that are durable but that Kafka was not told."""
        return {
            tp: runner.durable
            for tp, runner in self._runners.items()
            if runner.durable != self._committed[tp]
        }

    def note_committed(self, offsets: Mapping[TP, int]) -> None:
        """Kafka has been told."""
        self._committed_at = time.monotonic()
        self._committed.update({tp: at for tp, at in offsets.items() if tp in self._runners})

    def show_lag(self) -> None:
        """Bring the lag by committed offset up to date."""
        for tp, lag in self._lags().items():
            metrics.LAG.labels(self._runners[tp].agent, str(tp.partition)).set(lag)

    def why_not_ready(self) -> str | None:
        """Why this worker is not doing its work, or None."""
        if self._opening:
            tp = min(self._opening)
            return f"loading the state of {len(self._opening)} partitions, first {tp.topic}-{tp.partition}"
        silent = time.monotonic() - self._committed_at
        if silent < NO_COMMIT_AFTER:
            return None
        behind = {tp: lag for tp, lag in self._lags().items() if lag > 0}
        if not behind:
            self._committed_at = time.monotonic()
            return None
        worst = max(behind, key=lambda tp: behind[tp])
        place = f"{worst.topic}-{worst.partition}"
        return f"no commit for {silent:.0f} s while {behind[worst]} records wait in {place}"

    def _lags(self) -> dict[TP, int]:
        ends = {tp: self.consumer.highwater(tp) for tp in self._runners}
        return {
            tp: max(0, end - self._committed.get(tp, 0))
            for tp, end in ends.items()
            if end is not None  # nothing fetched yet
        }

    def _count_partitions(self) -> None:
        for topic, opener in self._openers.items():
            count = sum(tp.topic == topic for tp in (*self._runners, *self._opening))
            metrics.PARTITIONS.labels(opener.agent).set(count)
