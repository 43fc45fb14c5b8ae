"""The watch stage of one configuration: in this process, or in one of its own where a core is free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Protocol

from models.stage import Output, Record, Stage
from streams.child_host import LoneChild
from streams.hosting import restore
from streams.partition import StageKind


class Watch(Protocol):
    """What is handed over must be answered before more is."""

    def hand_over(self, records: Sequence[Record]) -> None:
        """Let the stage absorb records."""

    def output(self) -> Output:
        """What became of them."""

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """As `models.stage.Stage.restore`. Raises Unreadable."""

    def whole(self) -> dict[str, bytes]:
        """A full snapshot."""


class NearWatch:
    """A stage in this process."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._output = Output()

    def hand_over(self, records: Sequence[Record]) -> None:
        """See `Watch`."""
        self._output = self._stage.absorb(records)

    def output(self) -> Output:
        """See `Watch`."""
        return self._output

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """See `Watch`."""
        restore(self._stage, blocks)

    def whole(self) -> dict[str, bytes]:
        """See `Watch`."""
        return self._stage.snapshot(full=True)


def watching(kind: StageKind, stack: ExitStack, *, apart: bool) -> Watch:
    """A new watch stage; one that lives `apart` ends with the stack."""
    return stack.enter_context(LoneChild(kind)) if apart else NearWatch(kind.make(0))
