"""One Faust event for a slice of a partition instead of one for each record.

Faust spends some 50 microseconds on an event, most of it on four asyncio tasks. The scheduler,
a class that Faust lets its users choose, hands out each fetched slice of a partition as a single
synthetic record; everything behind it is untouched Faust.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import faust
from faust.transport.utils import DefaultSchedulingStrategy
from faust.types import TP

from models.stage import Record


class Batch:
    """Consecutive records of one partition, shaped like the aiokafka record that Faust expects,
    as far as it looks at it.

    `offset` is that of the last record. `follows` is the offset before the first record, as far
    as this consumer handed records out: the receiver can tell that no slice was lost between.
    """

    __slots__ = (
        "checksum", "follows", "headers", "key", "offset", "partition", "records",
        "serialized_key_size", "serialized_value_size", "timestamp", "timestamp_type", "topic", "value",
    )  # fmt: skip

    def __init__(self, tp: TP, records: Sequence[Record], follows: int) -> None:
        self.topic, self.partition, self.offset = tp.topic, tp.partition, records[-1].offset
        self.records = records
        self.follows = follows
        self.value = self
        self.key = self.checksum = self.timestamp = self.timestamp_type = None
        self.headers: tuple[()] = ()
        self.serialized_key_size = self.serialized_value_size = 0


class BatchScheduler(DefaultSchedulingStrategy):
    """Slices of at most `most` records and about `most_bytes` bytes, the partitions taking turns.

    `next_offset` is where each partition goes on; whoever seeks must set it (`start_at`).
    """

    most = 5000
    #: A batch is absorbed in one go, which keeps everything else waiting.
    most_bytes = 3_000_000

    def __init__(self) -> None:
        self.next_offset: dict[TP, int] = {}

    def start_at(self, tp: TP, offset: int) -> None:
        """The partition is read from this offset on."""
        self.next_offset[tp] = offset

    def iterate(self, records: Mapping[TP, list[Record]]) -> Iterator[tuple[TP, Batch]]:
        """Batches in the order in which Faust delivers them."""
        slices = {tp: self._slices(found) for tp, found in records.items()}
        while slices:
            for tp in list(slices):
                part = next(slices[tp], None)
                if part is None:
                    del slices[tp]
                    continue
                follows = self.next_offset.get(tp, part[0].offset) - 1
                self.next_offset[tp] = part[-1].offset + 1
                yield tp, Batch(tp, part, follows)

    def _slices(self, records: list[Record]) -> Iterator[list[Record]]:
        first = size = 0
        for number, record in enumerate(records):
            size += len(record.value)
            if number > first and (number - first == self.most or size > self.most_bytes):
                yield records[first:number]
                first, size = number, len(record.value)
        if first < len(records):
            yield records[first:]


class BatchSchema(faust.Schema):  # type: ignore[type-arg]
    """Hands the batch through: the stages decode, many records at a time."""

    def loads_key(self, app: Any, message: Any, **options: Any) -> Any:
        """No key: a batch has many."""
        return None

    def loads_value(self, app: Any, message: Any, **options: Any) -> Any:
        """The batch itself."""
        return message.value
