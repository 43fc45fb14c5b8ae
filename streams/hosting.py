"""Where stages live: in the worker's own process, or each kind in a child of its own.

Judging takes more time than anything else a worker does. In a process of its own it keeps neither
heartbeats nor health checks waiting, nor one agent the other, and a second core has something to do.
See `streams.child_host`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from models.stage import Output, Record, Stage
from streams.partition import StageKind
from streams.state import Unreadable


class Snapshot(Struct, array_like=True):
    """Changed blocks by name, empty where one is gone, and `Stage.gauges`."""

    blocks: dict[str, bytes]
    gauges: dict[tuple[str, str], float]


class HostedStage(Protocol):
    """A stage that may live elsewhere. Calls are answered one after the other, in the order in which they
    were made; the next may be made before the last is answered."""

    async def restore(self, blocks: Mapping[str, bytes]) -> None:
        """As `Stage.restore`. Raises Unreadable when the stage cannot take the blocks."""

    async def absorb(self, records: Sequence[Record]) -> Awaitable[Output]:
        """As `Stage.absorb`: returns once the records are handed over, and awaiting that gives the output."""

    async def snapshot(self) -> Snapshot:
        """What changed since the last call, all records handed over before included, and the stage's
        figures."""

    async def drop(self) -> None:
        """Let it go; it is not used again."""


class StageHost(Protocol):
    """Makes stages of one kind."""

    async def make(self, partition: int) -> HostedStage:
        """A new stage for a partition, instead of one that was there before."""

    def close(self) -> None:
        """No stage is needed any more."""


class LocalHost:
    """Stages in this process."""

    def __init__(self, kind: StageKind) -> None:
        self._kind = kind

    async def make(self, partition: int) -> HostedStage:
        """A new stage."""
        return LocalStage(self._kind.make(partition))

    def close(self) -> None:
        """There is nothing to end."""


class LocalStage:
    """A stage in this process."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    async def restore(self, blocks: Mapping[str, bytes]) -> None:
        """As `Stage.restore`."""
        restore(self._stage, blocks)

    async def absorb(self, records: Sequence[Record]) -> Awaitable[Output]:
        """As `Stage.absorb`."""
        done: asyncio.Future[Output] = asyncio.get_running_loop().create_future()
        done.set_result(self._stage.absorb(records))
        return done

    async def snapshot(self) -> Snapshot:
        """What changed since the last call, and the stage's figures."""
        return Snapshot(self._stage.snapshot(full=False), self._stage.gauges())

    async def drop(self) -> None:
        """Nothing else holds it."""


def restore(stage: Stage, blocks: Mapping[str, bytes]) -> None:
    """Give a stage its blocks back. Raises Unreadable."""
    try:
        stage.restore(blocks)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        # The blocks are as they were written, so what fails now fails at every start.
        raise Unreadable(str(error) if isinstance(error, ValueError) else repr(error)) from error
