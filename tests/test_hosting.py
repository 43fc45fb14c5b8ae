"""Stages in child processes: they answer as stages here do, and end with the worker."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.panel import Panel
from models.pipeline import Pipeline
from models.stage import Output, Record
from models.ticking import Ticker
from models.watch import WatchStage
from streams.child_host import ChildHost, HostDied, LoneChild
from streams.hosting import LocalHost, Snapshot, StageHost
from streams.partition import StageKind
from streams.replay import Replay, replay
from streams.state import Unreadable
from streams.survey import survey
from tests.delivery.toy import Toy
from tests.live import eventually, log_lines
from tests.logs import reference, sensitive

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="stages get processes on Linux only")

TOY = StageKind("watch", 1, "searches", lambda partition: Toy())
SLOW = StageKind("watch", 1, "searches", lambda partition: Toy(0.5))
Batches = list[list[str]]
T = TypeVar("T")


def records(keys: list[str], first: int = 0) -> list[Record]:
    return [Record(first + place, key.encode(), None) for place, key in enumerate(keys)]


def kept(kind: StageKind, work: Callable[[ChildHost], Coroutine[Any, Any, T]]) -> T:
    """Do something with a child and end it."""
    host = ChildHost(kind)
    try:
        return asyncio.run(work(host))
    finally:
        os.kill(host.pid, signal.SIGKILL)
        os.waitpid(host.pid, 0)


async def played(host: StageHost, batches: Batches) -> tuple[list[Output], list[Snapshot]]:
    """Two partitions fed in turn, with a snapshot after each batch; then both restored and fed again."""
    outputs: list[Output] = []
    snapshots: list[Snapshot] = []
    for _ in range(2):
        for partition in (0, 1):
            stage = await host.make(partition)
            blocks: dict[str, bytes] = {}
            for made in [shot for shot in snapshots if not partition]:
                blocks |= made.blocks
            await stage.restore(blocks)
            for batch in batches:
                outputs.append(await (await stage.absorb(records(batch))))
                snapshots.append(await stage.snapshot())
            await stage.drop()
    return outputs, snapshots


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(st.sampled_from(["a", "b", "refuse", "\u05d0\u0000"]), max_size=20), max_size=4))
def test_a_child_answers_as_a_stage_in_this_process_does(batches: Batches) -> None:
    here = asyncio.run(played(LocalHost(TOY), batches))
    assert kept(TOY, lambda host: played(host, batches)) == here


def test_what_fails_in_the_child_fails_here_and_says_where() -> None:
    async def work(host: ChildHost) -> None:
        stage = await host.make(0)
        with pytest.raises(RuntimeError, match=r"toy\.py(?s:.)*a stage that fails"):
            await (await stage.absorb(records(["poison"])))
        with pytest.raises(Unreadable, match="truncated"):
            await stage.restore({"counts/0": b""})

    kept(TOY, work)


def test_a_child_that_is_killed_is_missed_at_once() -> None:
    async def work(host: ChildHost) -> None:
        stage = await host.make(0)
        os.kill(host.pid, signal.SIGKILL)
        with pytest.raises(HostDied, match="process of stage watch ended"):
            await (await stage.absorb(records(["a"])))

    host = ChildHost(TOY)
    asyncio.run(work(host))
    os.waitpid(host.pid, 0)


def test_the_event_loop_goes_on_while_a_stage_works_and_signals_are_for_the_worker() -> None:
    async def work(host: ChildHost) -> int:
        stage = await host.make(0)
        busy = asyncio.ensure_future(await stage.absorb(records(["a"])))
        turns = 0
        while not busy.done():
            os.kill(host.pid, signal.SIGTERM if turns % 2 else signal.SIGINT)
            await asyncio.sleep(0.01)
            turns += 1
        assert (await busy).counts == {("accepted", ""): 1}
        return turns

    assert kept(SLOW, work) >= 10


def test_hosts_that_are_closed_have_ended() -> None:
    hosts = [ChildHost(SLOW), ChildHost(SLOW)]
    for host in hosts:
        host.close()
    for host in hosts:
        with pytest.raises(ProcessLookupError):
            os.kill(host.pid, 0)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_children_end_with_the_process_that_made_them(number: signal.Signals) -> None:
    program = (
        "import time; from streams.child_host import ChildHost; from tests.test_hosting import SLOW, TOY\n"
        "print(ChildHost(TOY).pid, ChildHost(SLOW).pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        children = [int(pid) for pid in parent.stdout.readline().split()]
        time.sleep(0.1)
        parent.send_signal(number)
    assert len(children) == 2
    eventually(lambda: not any(map(_lives, children)), f"{children} are gone", 5)


def test_a_replay_in_two_processes_is_the_same_in_all_that_it_says(tmp_path: Path) -> None:
    lines, _, _ = log_lines()
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join(lines * 2) + b"\n")
    chosen = [
        sensitive(name) for name in ("high_count", "policy_clause", "rare", "repeat_subject", "silence")
    ]
    known = reference(["feed", "mobile"])
    panel = Panel(chosen, known)
    watch = StageKind("watch", 1, "searches", lambda partition: WatchStage(known, panel.agency, "digest"))

    def run(child: LoneChild | None) -> tuple[Replay, Pipeline]:
        through = Pipeline(known, chosen, "digest")
        ticker = Ticker(sources=survey([file]).sources)
        (*_, last) = replay([file], through, ticker, watch=child)
        return last, through

    with LoneChild(watch) as child:
        apart, machine = run(child)
    whole, one = run(None)
    assert whole.stream and whole.refused and whole.late
    assert (apart.stream, apart.refused, apart.late) == (whole.stream, whole.refused, whole.late)
    assert apart.standing.lines() == whole.standing.lines()
    assert (machine.counts, machine.agencies) == (one.counts, one.agencies)
    assert not _lives(child.pid)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_answer_to_one_who_was_cancelled_is_not_given_to_the_next() -> None:
    async def work(host: ChildHost) -> Output:
        first = await host.make(0)
        loading = asyncio.create_task(first.restore({"counts/0": b"\x80"}))
        await asyncio.sleep(0)
        loading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await loading
        second = await host.make(1)
        return await (await second.absorb(records(["a"] * 3)))

    assert kept(TOY, work).counts[("accepted", "")] == 3
