"""Batches and what stands behind a partition: order, repeats, holes, checkpoints, refusals, leases."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Sequence
from datetime import datetime, timedelta

import pytest
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from models.alert import Alert
from models.stage import Message, Record
from streams.active import Active
from streams.batches import Batch, BatchScheduler
from streams.exits import Stop
from streams.hosting import LocalStage
from streams.lease import Lease
from streams.notify import AlertRunner
from streams.partition import IN_HAND, OffsetHole, PartitionRunner
from streams.refusals import RefusalLimit
from streams.state import Identity, StateWriter, assemble
from tests.delivery.toy import Toy, alert

ONE, TWO = TP("searches", 0), TP("searches", 1)


NOW = 1_590_900_000.0


def raws(*offsets: int, value: bytes = b"officer1") -> list[Record]:
    return [Record(offset, value, NOW) for offset in offsets]


def batch(*offsets: int, follows: int | None = None, value: bytes = b"officer1") -> Batch:
    return Batch(ONE, raws(*offsets, value=value), offsets[0] - 1 if follows is None else follows)


class Journal:
    """Everything that was confirmed, in order. `gate` holds confirmations of messages back."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.failure: Exception | None = None
        self.messages: list[Message] = []
        self.state: dict[bytes, bytes] = {}
        self.order: list[str] = []

    async def hand_over(self, messages: Sequence[Message], arrived: float | None) -> Awaitable[object]:
        self.messages += messages
        return self._confirm(["message"] * len(messages))

    async def _confirm(self, told: list[str]) -> None:
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        self.order += told

    async def send(self, key: bytes, value: bytes | None) -> Awaitable[object]:
        assert value is not None
        self.state[key] = value
        self.order.append("manifest" if key.startswith(b"manifest") else "chunk")
        confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        confirmed.set_result(None)
        return confirmed


def runner(
    journal: Journal, *, next_offset: int = 0, interval: float = 0.0, limit: RefusalLimit | None = None
) -> PartitionRunner:
    identity = Identity("watch", 1, 0, 2)
    return PartitionRunner(
        "watch", 0, LocalStage(Toy()), next_offset=next_offset, send=journal.hand_over,
        state=StateWriter(journal.send, identity, None, config_digest="", writer="me"),
        refusals=limit or RefusalLimit(1.0, 10**9), checkpoint_interval=interval,
    )  # fmt: skip


@given(
    st.dictionaries(st.sampled_from([ONE, TWO]), st.sets(st.integers(0, 60), min_size=1)),
    st.integers(1, 7),
    st.integers(1, 5),
)
def test_scheduler_hands_out_every_record_once_in_order_and_linked(
    offsets: dict[TP, set[int]], most: int, fetches: int
) -> None:
    scheduler = BatchScheduler()
    scheduler.most = most
    for tp in offsets:
        scheduler.start_at(tp, 0)
    seen: dict[TP, list[Batch]] = {tp: [] for tp in offsets}
    for fetch in range(fetches):
        cut = {tp: sorted(o for o in found if o % fetches == fetch) for tp, found in offsets.items()}
        cut = {tp: [o + 100 * fetch for o in found] for tp, found in cut.items()}
        for tp, made in scheduler.iterate({tp: raws(*found) for tp, found in cut.items() if found}):
            assert len(made.records) <= most
            seen[tp].append(made)
    for tp, batches in seen.items():
        handed = [record.offset for made in batches for record in made.records]
        assert handed == sorted(handed) and len(handed) == len(offsets[tp])
        assert [made.follows for made in batches] == [-1, *(made.offset for made in batches)][: len(batches)]


def test_partitions_take_turns() -> None:
    scheduler = BatchScheduler()
    scheduler.most = 2
    handed = [tp for tp, _ in scheduler.iterate({ONE: raws(0, 1, 2, 3, 4), TWO: raws(0)})]
    assert handed == [ONE, TWO, ONE, ONE]


def test_a_batch_is_bounded_in_bytes() -> None:
    scheduler = BatchScheduler()
    scheduler.most_bytes = 750_000
    large = [
        Record(offset, bytes(size), NOW)
        for offset, size in enumerate([400_000, 300_000, 100_000, 900_000, 1])
    ]
    sizes = [[len(record.value) for record in made.records] for _, made in scheduler.iterate({ONE: large})]
    assert sizes == [[400_000, 300_000], [100_000], [900_000], [1]]


@given(st.lists(st.integers(1, 39), max_size=6), st.lists(st.integers(0, 5), min_size=8, max_size=8))
def test_any_split_with_any_repeats_gives_the_same(cuts: list[int], backs: list[int]) -> None:
    def run(bounds: list[int], repeats: list[int]) -> Journal:
        journal = Journal()

        async def work() -> None:
            target = runner(journal)
            for (start, end), back in zip(itertools.pairwise(bounds), repeats, strict=False):
                await target.take(batch(*range(max(0, start - back), end)))
            assert target.durable == 40

        asyncio.run(work())
        return journal

    split, whole = run(sorted({0, *cuts, 40}), backs), run([0, 40], [0])
    assert split.messages == whole.messages
    identity = Identity("watch", 1, 0, 2)
    one, other = assemble(split.state, identity), assemble(whole.state, identity)
    assert one is not None and other is not None
    assert one.blocks == other.blocks and one.manifest.absorbed == other.manifest.absorbed == 39


async def test_messages_come_before_state_and_the_manifest_last() -> None:
    journal = Journal()
    await runner(journal).take(batch(*range(6)))
    assert journal.order == ["message", "message", "chunk", "manifest"]


async def test_the_next_batch_does_not_wait_for_confirmations_but_the_state_does() -> None:
    journal = Journal()
    target = runner(journal, interval=1000.0)
    journal.gate.clear()
    for first in range(0, 3 * IN_HAND, 3):
        await target.take(batch(first, first + 1, first + 2))
    await asyncio.sleep(0.01)
    assert len(journal.messages) == IN_HAND and journal.order == []
    one_more = asyncio.create_task(target.take(batch(3 * IN_HAND, follows=3 * IN_HAND - 1)))
    writing = asyncio.create_task(target.checkpoint(force=True))
    await asyncio.sleep(0.05)
    assert not one_more.done() and not writing.done() and (target.durable, journal.state) == (0, {})
    journal.gate.set()
    await writing
    await one_more
    assert journal.order[:IN_HAND] == ["message"] * IN_HAND
    assert journal.order[-1] == "manifest" and target.durable == 3 * IN_HAND + 1


async def test_batches_are_taken_while_the_state_is_written() -> None:
    journal = Journal()
    target = runner(journal, interval=1000.0)
    await target.take(batch(0, 1))
    journal.gate.clear()
    await target.take(batch(2))
    writing = asyncio.create_task(target.checkpoint(force=True))
    await asyncio.sleep(0.05)
    await target.take(batch(3, 4))
    journal.gate.set()
    await writing
    identity = Identity("watch", 1, 0, 2)
    found = assemble(journal.state, identity)
    assert found is not None and found.manifest.absorbed == 2 and target.durable == 3
    await target.close()
    found = assemble(journal.state, identity)
    assert found is not None and found.manifest.absorbed == 4 and target.durable == 5


async def test_messages_that_kafka_refuses_are_an_error_and_nothing_becomes_durable() -> None:
    journal = Journal()
    target = runner(journal, interval=1000.0)
    journal.failure = ConnectionError("no confirmation")
    await target.take(batch(0, 1, 2))
    await asyncio.sleep(0.01)
    with pytest.raises(ConnectionError, match="no confirmation"):
        await target.checkpoint()
    with pytest.raises(ConnectionError, match="no confirmation"):
        await target.close()
    assert (target.durable, journal.state) == (0, {})


async def test_nothing_is_durable_before_the_checkpoint_and_all_is_after_closing() -> None:
    journal = Journal()
    target = runner(journal, interval=1000.0)
    await target.take(batch(0, 1, 2))
    assert (target.durable, journal.state) == (0, {})
    await target.close()
    assert target.durable == 3
    await target.take(batch(3, 4, 5))
    assert target.durable == 3 and len(journal.messages) == 1, "a closed partition takes no more"


async def test_a_lost_slice_is_an_error_but_a_gap_in_the_log_is_not() -> None:
    target = runner(Journal())
    await target.take(batch(0, 1))
    await target.take(batch(7, 8, follows=1))
    assert target.durable == 9
    with pytest.raises(OffsetHole, match="9 to 11 are missing"):
        await target.take(batch(12, follows=11))


async def test_refusals_stop_before_the_dead_letters_are_written() -> None:
    journal = Journal()
    target = runner(journal, limit=RefusalLimit(0.5, 10))
    await target.take(batch(*range(9), value=b"refuse"))
    assert len(journal.messages) == 9, "too few to judge"
    with pytest.raises(Stop, match="10 of the last 10 messages were refused"):
        await target.take(batch(9, value=b"refuse"))
    assert len(journal.messages) == 9 and target.durable == 9


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 50)), max_size=30))
def test_refusals_are_judged_on_the_last_window(batches: list[tuple[int, int]]) -> None:
    limit, share, window = RefusalLimit(0.5, 60), 0.5, 60
    history: list[tuple[int, int]] = []
    for taken, refused in ((taken, min(taken, refused)) for taken, refused in batches):
        history.append((taken, refused))
        recent = list(history)
        while sum(t for t, _ in recent) - recent[0][0] >= window:
            recent.pop(0)
        total, bad = sum(t for t, _ in recent), sum(r for _, r in recent)
        if total >= window and bad > share * total:
            with pytest.raises(Stop):
                limit.judge({("refused", "wrong_type"): refused}, taken=taken)
            return
        limit.judge({("refused", "wrong_type"): refused, ("accepted", ""): taken - refused}, taken=taken)


async def test_alerts_are_done_once_posted_and_given_up_when_the_partition_goes() -> None:
    posted: list[Alert] = []
    gate = asyncio.Event()

    class Gated:
        async def post(self, alerts: Sequence[Alert]) -> None:
            await gate.wait()
            posted.extend(alerts)

        async def resend(self, posted: Sequence[tuple[Alert, datetime]]) -> None:
            await gate.wait()

    target = AlertRunner(0, 0, Gated(), Active(timedelta(days=7)))
    one = Batch(
        ONE,
        [Record(0, alert("officer1", 3, 0).value, NOW), Record(1, b"", NOW), Record(2, b"not an alert", NOW)],
        -1,
    )
    taking = asyncio.create_task(target.take(one))
    await asyncio.sleep(0.01)
    assert target.durable == 0
    gate.set()
    await taking
    assert target.durable == 3 and [found.alert_id for found in posted] == ["officer1-3"]
    gate.clear()
    taking = asyncio.create_task(target.take(Batch(ONE, [Record(3, alert("officer1", 6, 3).value, NOW)], 2)))
    await asyncio.sleep(0.01)
    await target.close()
    await asyncio.wait_for(taking, 1)
    assert target.durable == 3 and len(posted) == 1


def test_lease_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("streams.lease.time.monotonic", lambda: now[0])
    lease = Lease(10.0)
    assert "not yet a member" in (lease.overdue() or "")
    lease.renew(1000.0)
    now[0] = 1009.0
    assert lease.overdue() is None
    now[0] = 1009.1
    assert "no heartbeat confirmed for 9.1 s" in (lease.overdue() or "")
