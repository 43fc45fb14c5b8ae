"""What ingest hands to watch: many searches of one agency in one record.

A pack carries the place of each search in the raw log, so that a pack that is sent again after a
crash, cut at other points, is recognised search by search. Marks are watermarks of sources, each at
its place between the searches, so that cutting the log into packs elsewhere changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec
import numpy as np
from msgspec import Struct

from models.columns import Columns, Ints, Packed, Rows, Table, pack, unpack
from models.search import Search
from models.serving import Statement

#: Most bytes of a record, unless one search alone has more. Kafka's own limit is 1 MiB.
MOST_BYTES = 900_000

Mark = tuple[int, str, float]


@dataclass
class Pack:
    """Searches of one agency from one partition of `searches.raw`, in the order of the log."""

    agency_id: str
    origin: int
    """Partition of `searches.raw`."""
    offsets: Ints
    """Offset in that partition of each search, ascending."""
    searches: Table
    late: list[int]
    """Indexes of the searches that came too late to be counted."""
    marks: list[Mark]
    """(place, source_id, watermark in epoch seconds): known once so many searches have been taken."""
    statements: list[tuple[int, Statement]] = field(default_factory=list)
    """What serves, each before the mark of that index."""


@dataclass
class Packing:
    """A pack while it is being filled."""

    agency_id: str
    origin: int
    offsets: list[int] = field(default_factory=list)
    searches: list[Search] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    late: list[int] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    statements: list[tuple[int, Statement]] = field(default_factory=list)

    def finish(self) -> Pack:
        """What has been gathered, as columns."""
        return Pack(
            self.agency_id,
            self.origin,
            np.array(self.offsets, np.int64),
            Columns.of(self.searches, self.times),
            self.late,
            self.marks,
            self.statements,
        )


class _Wire(Struct, array_like=True):
    """One record on the `searches` topic, keyed by agency, in MessagePack."""

    agency_id: str
    origin: int
    offsets: bytes
    searches: Packed
    late: list[int]
    marks: list[Mark]
    statements: list[tuple[int, Statement]] = []


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Wire).decode


def encode_pack(whole: Pack) -> list[bytes]:
    """One record, or several where one would be too large for Kafka."""
    offsets = whole.offsets.astype("<i8").tobytes()
    searches = pack(whole.searches)
    value = _encode(
        _Wire(whole.agency_id, whole.origin, offsets, searches, whole.late, whole.marks, whole.statements)
    )
    if len(value) <= MOST_BYTES or len(whole.offsets) < 2:
        return [value]
    half = len(whole.offsets) // 2
    return [*encode_pack(_part(whole, 0, half)), *encode_pack(_part(whole, half, len(whole.offsets)))]


def _part(whole: Pack, first: int, end: int) -> Pack:
    """The searches from `first` up to `end`. A mark belongs behind the search that it follows."""
    kept = [
        index
        for index, (place, _, _) in enumerate(whole.marks)
        if first < place <= end or place == first == 0
    ]
    marks = [
        (place - first, source_id, watermark)
        for place, source_id, watermark in (whole.marks[index] for index in kept)
    ]
    return Pack(
        whole.agency_id,
        whole.origin,
        whole.offsets[first:end],
        Rows(whole.searches, np.arange(first, end)),
        [index - first for index in whole.late if first <= index < end],
        marks,
        [(kept.index(index), statement) for index, statement in whole.statements if index in kept],
    )


def decode_pack(value: bytes) -> Pack:
    """Read a pack. Raises ValueError when the record is not one."""
    try:
        wire = _decode(value)
        searches = unpack(wire.searches)
        offsets = np.frombuffer(wire.offsets, "<i8").astype(np.int64)
    except (msgspec.DecodeError, ValueError) as error:
        raise ValueError(f"not a pack of searches: {error}") from error
    if len(offsets) != len(searches):
        raise ValueError(f"not a pack of searches: {len(offsets)} offsets for {len(searches)} searches")
    return Pack(wire.agency_id, wire.origin, offsets, searches, wire.late, wire.marks, wire.statements)
