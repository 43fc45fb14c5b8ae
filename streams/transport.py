"""Faust's Kafka transport with the parts replaced that would lose or double records.

Faust keeps lists of acknowledged offsets and commits what they allow; gaps, cancelled events and
rebalances make those lists wrong (and long). Here nothing of that is left: what is committed is
what the partitions say is durable, see `streams.assignment`. Any crash of a part ends the process.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import aiokafka
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import CommitFailedError, IllegalStateError
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, Message

from models.stage import Record
from streams import faults, metrics
from streams.batches import BatchScheduler
from streams.exits import die, log

if TYPE_CHECKING:
    from streams.app import ProbewatchApp

#: Seconds of a fetch while a full partition waits to be read on. Faust would sit out a whole
#: second in a fetch that excludes the partition, however soon its queue is empty again.
SHORT_POLL = 0.02
#: Milliseconds for which Kafka may hold a fetch back when it has nothing. aiokafka has one fetch at a
#: time in flight per node: one that waits for empty partitions keeps the others' records waiting, for
#: 1.5 s as Faust sets it. What is produced meanwhile ends the wait at once.
FETCH_WAIT_MS = 40


def _record(tp: Any, fetched: Any) -> Record:
    """What is wanted of a record. aiokafka makes an object of eleven fields, for several times the price."""
    arrived = fetched.timestamp
    return Record(fetched.offset, fetched.value or b"", arrived / 1000.0 if arrived >= 0 else None)


class _Fetched(OrderedDict[Any, Any]):
    """What aiokafka's fetcher has fetched, by partition; its records come as `models.stage.Record`."""

    def __setitem__(self, tp: Any, fetched: Any) -> None:
        if isinstance(fetched, FetchResult):  # else it is an error to be raised
            fetched._partition_records._consumer_record = _record
        super().__setitem__(tp, fetched)


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """The thread in which aiokafka's consumer lives, and its heartbeats."""

    @property
    def probewatch(self) -> ProbewatchApp:
        """The application, by its own type."""
        return cast("ProbewatchApp", self.app)

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        return consumer

    async def on_start(self) -> None:
        """Start, and from then on note each heartbeat that the coordinator confirms."""
        await super().on_start()
        self._ensure_consumer()._fetcher._records = _Fetched()
        coordinator = self._ensure_consumer()._coordinator
        beat = coordinator._do_heartbeat

        async def noted_heartbeat() -> bool:
            sent_at = time.monotonic()
            confirmed: bool = await beat()
            if confirmed:
                self.probewatch.lease.renew(sent_at)
            return confirmed

        coordinator._do_heartbeat = noted_heartbeat

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """The group has just taken us in, which is as good as a heartbeat."""
        self.probewatch.lease.renew(time.monotonic())
        await super().on_partitions_assigned(assigned, generation_id)

    async def commit_next(self, offsets: Mapping[TP, int]) -> None:
        """Commit the offset of the next record to read of each partition. Raises KafkaError."""
        wanted = {driver.ensure_aiokafka_TP(tp): OffsetAndMetadata(at, "") for tp, at in offsets.items()}
        await self.call_thread(self._ensure_consumer().commit, wanted)

    async def committed(self, tps: Sequence[TP]) -> dict[TP, int | None]:
        """The committed offset of the next record to read of each partition, or None."""
        return cast("dict[TP, int | None]", await self.call_thread(self._committed, tps))

    async def _committed(self, tps: Sequence[TP]) -> dict[TP, int | None]:
        consumer = self._ensure_consumer()
        found = await asyncio.gather(*(consumer.committed(driver.ensure_aiokafka_TP(tp)) for tp in tps))
        return dict(zip(tps, found, strict=True))

    async def crash(self, exc: BaseException) -> None:
        """End the process."""
        self.probewatch.end(exc, part="consumer thread")


class Consumer(driver.Consumer):
    """A consumer that leaves acknowledging to the partitions."""

    _thread: ConsumerThread
    scheduler: BatchScheduler

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._committing = asyncio.Lock()

    @property
    def probewatch(self) -> ProbewatchApp:
        """The application, by its own type."""
        return cast("ProbewatchApp", self.app)

    @property
    def thread(self) -> ConsumerThread:
        """Where the calls that need an answer from Kafka go."""
        return self._thread

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def ack(self, message: Message) -> bool:
        """Forget the message; it has no say in what is committed."""
        message.acked = True
        self._unacked_messages.discard(message)
        return True

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Gaps need no book-keeping: a batch may have any."""

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """Commit what has become durable since the last commit; False if the group moved on."""
        async with self._committing:
            offsets = self.probewatch.assignment.uncommitted()
            if not offsets:
                return False
            faults.reach("before-commit")
            try:
                await self._thread.commit_next(offsets)
            except (CommitFailedError, IllegalStateError) as error:
                # Not an error of ours: the partitions are being shared out anew, and whoever gets
                # them finds in the state how far it goes.
                metrics.COMMIT_FAILURES.inc()
                log.warning("commit refused, the group has moved on", reason=str(error))
                return False
            self.probewatch.assignment.note_committed(offsets)
            return True

    async def force_commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """The same as `commit`: there is only one kind."""
        return await self.commit()

    async def wait_empty(self) -> None:
        """Before partitions go and before the end: finish, write the state, commit, let go."""
        try:
            await self.probewatch.assignment.release()
        except Exception as error:
            # aiokafka would log it and go on, with partitions that are neither ours nor let go.
            self.probewatch.end(error, part="giving partitions back")

    async def perform_seek(self) -> None:
        """Faust asks for this when partitions may flow: open those that are now ours."""
        assigned = self.assignment()
        if assigned <= self._paused_partitions:
            return  # asked by a fetch that was overtaken by a rebalance; the real call follows
        self.probewatch.assignment.adopt(assigned)

    def read_on_at(self, tp: TP, offset: int) -> None:
        """Let batches of the partition flow, from this offset on. The position was set before."""
        self.scheduler.start_at(tp, offset)
        if tp in self.assignment():
            self.resume_partitions({tp})

    async def _wait_next_records(self, timeout: float) -> Any:
        # Faust would sleep a whole second when every partition is full or still loading.
        while self.flow_active and not self._get_active_partitions() and not self.should_stop:
            await asyncio.sleep(SHORT_POLL)
        return await super()._wait_next_records(timeout)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:
        if self._buffered_partitions or self._paused_partitions:
            timeout = SHORT_POLL
        return await super()._getmany(active_partitions, timeout)

    async def verify_all_partitions_active(self) -> None:
        """Faust's check for stuck partitions reads the lists that are gone; /readyz has ours."""

    async def on_task_error(self, exc: BaseException) -> None:
        """Faust would commit here."""
        self.probewatch.end(exc, part="consumer")

    async def crash(self, reason: BaseException) -> None:
        """End the process."""
        self.probewatch.end(reason, part="consumer")


class Producer(driver.Producer):
    """A producer that waits for all replicas, and asks before each request whether it may write."""

    @property
    def probewatch(self) -> ProbewatchApp:
        """The application, by its own type."""
        return cast("ProbewatchApp", self.app)

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": self.probewatch.idempotent}

    def _new_producer(self, transactional_id: str | None = None) -> aiokafka.AIOKafkaProducer:
        producer = super()._new_producer(transactional_id)
        send, lease = producer.client.send, self.probewatch.lease

        async def send_if_leased(node_id: Any, request: Any, **options: Any) -> Any:
            # Here, and not only where a batch is sent: aiokafka holds records back and repeats them.
            if isinstance(request, ProduceRequest) and (reason := lease.overdue()):
                die(reason)
            return await send(node_id, request, **options)

        producer.client.send = send_if_leased
        return producer

    async def flush(self) -> None:
        """Nothing is buffered by Faust: every send is awaited where it is made."""

    async def crash(self, reason: BaseException) -> None:
        """End the process."""
        self.probewatch.end(reason, part="producer")


class Transport(driver.Transport):
    """The two above."""

    Consumer = Consumer
    Producer = Producer
