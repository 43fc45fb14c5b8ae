"""What ingest hands to watch: many searches of one agency in one record.

A pack carries the place of each search in the raw log, so that a pack that is sent again after a
crash, cut at other points, is recognised search by search. Marks are watermarks of sources, each at
its place between the searches, so that cutting the log into packs elsewhere changes nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Union, cast

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


def _unchecked() -> type[Search]:
    """A search whose limits are not checked again: ingest did, and only ingest writes packs."""
    described = msgspec.inspect.type_info(Search)
    assert isinstance(described, msgspec.inspect.StructType)
    bare = {
        msgspec.inspect.StrType: str,
        msgspec.inspect.IntType: int,
        msgspec.inspect.FloatType: float,
        msgspec.inspect.BoolType: bool,
        msgspec.inspect.DateTimeType: datetime,
        msgspec.inspect.LiteralType: str,
        msgspec.inspect.NoneType: None,
    }

    def plain(kind: msgspec.inspect.Type) -> Any:
        if isinstance(kind, msgspec.inspect.UnionType):
            return Union[tuple(bare[type(one)] for one in kind.types)]  # noqa: UP007 - built at run time
        return bare[type(kind)]

    fields: list[Any] = [
        (one.name, plain(one.type)) if one.required else (one.name, plain(one.type), one.default)
        for one in described.fields
    ]
    made: Any = msgspec.defstruct(
        "UncheckedSearch", fields, bases=(Search,), kw_only=True, omit_defaults=True, gc=False
    )
    return cast("type[Search]", made)


class _Sealed(Struct, array_like=True):
    """A pack whose searches are not yet decoded."""

    agency_id: str
    origin: int
    offsets: list[int]
    searches: msgspec.Raw
    late: list[int]
    marks: list[tuple[int, str, float]]


encode_pack = msgspec.msgpack.Encoder().encode
_open = msgspec.msgpack.Decoder(_Sealed).decode
_searches = msgspec.msgpack.Decoder(list[_unchecked()]).decode  # type: ignore[misc]


def decode_pack(value: bytes) -> Pack:
    """Read a pack. Raises ValueError when the record is not one."""
    try:
        pack = _open(value)
        searches = _searches(pack.searches)
    except msgspec.DecodeError as error:
        raise ValueError(f"not a pack of searches: {error}") from error
    return Pack(pack.agency_id, pack.origin, pack.offsets, searches, pack.late, pack.marks)
