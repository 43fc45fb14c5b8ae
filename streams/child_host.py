"""A child process in which all stages of one kind live.

It knows no Kafka: what it is asked and what it answers goes through a pair of sockets. It writes
nowhere else, so it cannot outrun the worker's right to write; and it ends when the worker does,
however that ended.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import struct
import sys
import traceback
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Self

import msgspec
from msgspec import Struct

from models.stage import Message, Output, Record, Stage
from streams.children import die_with_parent
from streams.hosting import HostedStage, Snapshot, restore
from streams.partition import StageKind
from streams.state import Unreadable

#: Room in the sockets, bytes, as far as the kernel grants it: a batch should go through in few pieces.
ROOM = 4 * 1024 * 1024
#: Before each message: its length, what is asked (or whether it is an answer), and the partition.
_HEAD = struct.Struct("<QBI")
KILLED = "it was killed; is there too little memory?"
_ANSWER, _UNREADABLE, _ERROR = range(3)


class HostDied(Exception):
    """The child ended although it was needed."""


class _Given(Struct, array_like=True):
    messages: list[Message]
    counts: dict[tuple[str, str], int]


_encode = msgspec.msgpack.Encoder().encode
_records = msgspec.msgpack.Decoder(list[Record]).decode
_blocks = msgspec.msgpack.Decoder(dict[str, bytes]).decode
_given = msgspec.msgpack.Decoder(_Given).decode
_snapshot = msgspec.msgpack.Decoder(Snapshot).decode


class ChildHost:
    """The worker's end. Made by `fork`, which shares all that has been loaded: to be called while the
    process has one thread and no event loop."""

    def __init__(self, kind: StageKind) -> None:
        self.name = kind.name
        self.pid, self._socket = _fork(kind)
        self._socket.setblocking(False)
        self._sending = asyncio.Lock()
        self._asked: deque[asyncio.Future[bytearray]] = deque()
        self._reader: asyncio.Task[None] | None = None

    async def make(self, partition: int) -> HostedStage:
        """A new stage in the child."""
        await (await self.ask("make", partition))
        return ChildStage(self, partition)

    def close(self) -> None:
        """Let the child end, and wait until it has."""
        # Closing would not do: the children that were made later have copies of the socket.
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)

    async def ask(self, call: str, partition: int, content: bytes = b"") -> asyncio.Future[bytearray]:
        """Ask the child, and return what will be its answer. That raises Unreadable as `Stage.restore`
        would fail, RuntimeError for any other exception in the child, and HostDied.

        Who is cancelled meanwhile, by a rebalance while a partition is opened, is not told; but what was
        begun is asked to its end and the answer read, or the next to ask would take it for his."""
        return await asyncio.shield(self._put(call, partition, content))

    async def _put(self, call: str, partition: int, content: bytes) -> asyncio.Future[bytearray]:
        loop = asyncio.get_running_loop()
        if self._reader is None:
            self._reader = loop.create_task(self._read_answers(), name=f"answers of {self.name}")
        async with self._sending:
            answer: asyncio.Future[bytearray] = loop.create_future()
            self._asked.append(answer)
            try:
                head = _HEAD.pack(len(content), _CALLS.index(call), partition)
                await loop.sock_sendall(self._socket, head)
                await loop.sock_sendall(self._socket, content)
            except OSError as error:
                raise HostDied(f"the process of stage {self.name} ended: {error}") from None
        return answer

    async def _read_answers(self) -> None:
        """Answer what was asked, in order, for as long as the child lives."""
        try:
            while True:
                size, what, _ = _HEAD.unpack(await self._received(_HEAD.size))
                content = await self._received(size)
                answer = self._asked.popleft()
                if answer.cancelled():
                    continue
                try:
                    answer.set_result(_checked(self.name, what, content))
                except (Unreadable, RuntimeError) as error:
                    answer.set_exception(error)
        except OSError as error:
            for answer in self._asked:
                if not answer.done():
                    answer.set_exception(HostDied(f"the process of stage {self.name} ended: {error}"))

    async def _received(self, size: int) -> bytearray:
        loop, found = asyncio.get_running_loop(), bytearray(size)
        at, view = 0, memoryview(found)
        while at < size:
            came = await loop.sock_recv_into(self._socket, view[at:])
            if not came:
                raise ConnectionResetError(KILLED)
            at += came
        return found


class ChildStage:
    """A stage in the child."""

    def __init__(self, host: ChildHost, partition: int) -> None:
        self._host = host
        self._partition = partition

    async def restore(self, blocks: Mapping[str, bytes]) -> None:
        """As `Stage.restore`."""
        await (await self._host.ask("restore", self._partition, _encode(blocks)))

    async def absorb(self, records: Sequence[Record]) -> Awaitable[Output]:
        """As `Stage.absorb`."""
        return _output(await self._host.ask("absorb", self._partition, _encode(records)))

    async def snapshot(self) -> Snapshot:
        """What changed since the last call, and the stage's figures."""
        return _snapshot(await (await self._host.ask("snapshot", self._partition)))

    async def drop(self) -> None:
        """Let the child forget it."""
        await (await self._host.ask("drop", self._partition))


async def _output(answer: Awaitable[bytearray]) -> Output:
    given = _given(await answer)
    return Output(given.messages, given.counts)


class LoneChild:
    """One stage in a child of a program without an event loop, which is asked first and heard later.

    To be used as a context manager. What is handed over must be answered before more is.
    """

    def __init__(self, kind: StageKind) -> None:
        self.name = kind.name
        self.pid, self._socket = _fork(kind)
        self._ask("make", b"")
        self._hear()

    def hand_over(self, records: Sequence[Record]) -> None:
        """Let the stage absorb records; returns before it has."""
        self._ask("absorb", _encode(records))

    def output(self) -> Output:
        """What became of the records handed over. Raises HostDied."""
        given = _given(self._hear())
        return Output(given.messages, given.counts)

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """As `Stage.restore`. Raises Unreadable and HostDied."""
        self._ask("restore", _encode(blocks))
        self._hear()

    def whole(self) -> dict[str, bytes]:
        """A full snapshot. Raises HostDied."""
        self._ask("whole", b"")
        return _blocks(self._hear())

    def _ask(self, call: str, content: bytes) -> None:
        try:
            self._socket.sendall(_HEAD.pack(len(content), _CALLS.index(call), 0))
            self._socket.sendall(content)
        except OSError as error:
            raise HostDied(f"the process of stage {self.name} ended: {error}") from None

    def _hear(self) -> bytearray:
        try:
            size, what, _ = _HEAD.unpack(_read(self._socket, _HEAD.size))
            answer = _read(self._socket, size)
        except (OSError, struct.error):
            raise HostDied(f"the process of stage {self.name} ended: {KILLED}") from None
        return _checked(self.name, what, answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def _fork(kind: StageKind) -> tuple[int, socket.socket]:
    """A new child: its process id, and where to talk to it."""
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ROOM)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM)
    promise = die_with_parent(signal.SIGKILL)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    pid = os.fork()
    if pid == 0:
        ours.close()
        _live(kind, theirs, promise)
    theirs.close()
    return pid, ours


def _checked(name: str, what: int, answer: bytearray) -> bytearray:
    if what == _UNREADABLE:
        raise Unreadable(answer.decode())
    if what == _ERROR:
        raise RuntimeError(f"in the process of stage {name}: {answer.decode()}")
    return answer


class _Stages:
    """The child's end: its methods are what may be asked."""

    def __init__(self, kind: StageKind) -> None:
        self._kind = kind
        self._stages: dict[int, Stage] = {}

    def make(self, partition: int, content: bytes) -> bytes:
        self._stages[partition] = self._kind.make(partition)
        return b""

    def restore(self, partition: int, content: bytes) -> bytes:
        restore(self._stages[partition], _blocks(content))
        return b""

    def absorb(self, partition: int, content: bytes) -> bytes:
        output = self._stages[partition].absorb(_records(content))
        return _encode(_Given(output.messages, output.counts))

    def snapshot(self, partition: int, content: bytes) -> bytes:
        stage = self._stages[partition]
        return _encode(Snapshot(stage.snapshot(full=False), stage.gauges()))

    def whole(self, partition: int, content: bytes) -> bytes:
        return _encode(self._stages[partition].snapshot(full=True))

    def drop(self, partition: int, content: bytes) -> bytes:
        del self._stages[partition]
        return b""


_CALLS = ("make", "restore", "absorb", "snapshot", "whole", "drop")


def _live(kind: StageKind, ours: socket.socket, promise: Callable[[], None] | None) -> None:
    """The life of a child: answer until the worker is gone. Does not return."""
    try:
        # Signals are for the worker, which finishes in good order and needs its child for that.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        if promise is not None:
            promise()
        os.nice(kind.niceness)
        stages = _Stages(kind)
        while head := _read(ours, _HEAD.size):
            size, call, partition = _HEAD.unpack(head)
            content = _read(ours, size)
            try:
                what, answer = _ANSWER, getattr(stages, _CALLS[call])(partition, content)
            except Unreadable as error:
                what, answer = _UNREADABLE, str(error).encode()
            except Exception:
                what, answer = _ERROR, traceback.format_exc().encode()
            ours.sendall(_HEAD.pack(len(answer), what, partition))
            ours.sendall(answer)
    except OSError:
        pass  # the worker is gone
    finally:
        os._exit(0)


def _read(ours: socket.socket, size: int) -> bytearray:
    """So many bytes, or none when the worker is gone."""
    found = bytearray(size)
    at, view = 0, memoryview(found)
    while at < size:
        came = ours.recv_into(view[at:])
        if not came:
            return bytearray()
        at += came
    return found
