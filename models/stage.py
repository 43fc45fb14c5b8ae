"""A stage of the pipeline as a pure machine: records in, messages out, state as blocks of bytes.

Live, a stage runs behind one partition of a Kafka topic (`streams/`); in replay two stages are
chained in memory. Both see the same records in the same order, so both give the same messages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from msgspec import Struct

#: Logical topics; the shell maps them to Kafka names.
Topic = Literal["searches", "searches.refused", "searches.late", "alerts"]


class Record(Struct, frozen=True, gc=False, array_like=True):
    """One record read from the stage's input partition. `timestamp` is its arrival in epoch
    seconds, or None when unknown (a file). A record without a value has an empty one."""

    offset: int
    value: bytes
    timestamp: float | None


class Message(NamedTuple):
    """One record to write. The key decides the partition."""

    topic: Topic
    key: bytes
    value: bytes


@dataclass(slots=True)
class Output:
    """What a batch gave: messages in the order in which they must be written, and plain counts
    (name, label value) -> number for the metrics, added up once a batch."""

    messages: list[Message] = field(default_factory=list)
    counts: dict[tuple[str, str], int] = field(default_factory=dict)

    def count(self, name: str, label: str = "", by: int = 1) -> None:
        """Add to a counter."""
        key = (name, label)
        self.counts[key] = self.counts.get(key, 0) + by


class Stage(Protocol):
    """One partition's worth of a stage."""

    def absorb(self, records: Sequence[Record]) -> Output:
        """Take records in offset order. Any split into calls gives the same messages."""

    def snapshot(self, *, full: bool) -> dict[str, bytes]:
        """State blocks by name: all of them, or only those changed since the last call, where an
        empty value means that the block is gone."""

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Start from a full snapshot. Raises ValueError naming a block that cannot be read."""

    def gauges(self) -> dict[tuple[str, str], float]:
        """Figures to show, (metric, label value) -> number: keys, open windows, watermark."""
