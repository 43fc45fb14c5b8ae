"""What ingest hands to watch: many searches of one agency in one record.

A pack carries the place of each search in the raw log, so that a pack that is sent again after a
crash, cut at other points, is recognised search by search. Marks are watermarks of sources, each at
its place between the searches, so that cutting the log into packs elsewhere changes nothing.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from models.search import Search


class Pack(Struct, array_like=True):
    """One record on the `searches` topic, keyed by agency, in MessagePack."""

    agency_id: str
    origin: int
    """Partition of `searches.raw`."""
    offsets: list[int]
    """Offset in that partition of each search, ascending."""
    searches: list[Search]
    late: list[int]
    """Indexes of the searches that came too late to be counted."""
    marks: list[tuple[int, str, float]]
    """(place, source_id, watermark in epoch seconds): known once so many searches have been taken."""


encode_pack = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Pack).decode


def decode_pack(value: bytes) -> Pack:
    """Read a pack. Raises ValueError when the record is not one."""
    try:
        return _decode(value)
    except msgspec.DecodeError as error:
        raise ValueError(f"not a pack of searches: {error}") from error
