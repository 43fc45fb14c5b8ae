"""Many searches held by field: what is the same in many of them is held once.

A table of searches has its event ids, its times, and for each field that any of them fills in a
column: the distinct values, and for each search the place of its value among them. Detectors
compare and count places, which numpy does for thousands of searches in the time that one object
takes, and make a `Search` again only of what they tell about.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice, repeat
from operator import is_not
from typing import Any, NamedTuple, cast

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from models.search import Search

Ints = NDArray[np.int64]
Codes = NDArray[np.integer[Any]]
Floats = NDArray[np.float64]

#: The fields that are columns, in declared order; the other two are lists of their own.
FIELDS = tuple(name for name in Search.__struct_fields__ if name not in ("event_id", "event_time"))
_DEFAULTS = {field.name: field.default for field in msgspec.structs.fields(Search)}
#: Searches from which it is told whether a field takes ever new values.
SAMPLE = 64
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Column(NamedTuple):
    """One field of n searches: `values[codes[row]]` is that of one of them."""

    values: Sequence[Any]
    """The values that occur, nearly always each of them once; there may be others, too."""
    codes: Codes
    """Shape (n,), places in `values`."""

    def distinct(self) -> Column:
        """The same with each value once, for values that were made of others."""
        if len(set(self.values)) == len(self.values):
            return self
        places: dict[Any, int] = {}
        one_of = np.array([places.setdefault(value, len(places)) for value in self.values], np.int64)
        return Column(list(places), one_of[self.codes])

    def where(self, holds: Callable[[Any], bool], first: int = 0) -> NDArray[np.bool_]:
        """For which searches from `first` on something holds of the value; shape (n - first,). Asked once
        a value, or once a search when these are fewer."""
        codes = self.codes[first:]
        if len(codes) < len(self.values):
            return np.array([holds(self.values[code]) for code in codes.tolist()], np.bool_)
        return np.array([holds(value) for value in self.values], np.bool_)[codes]

    def given(self, first: int = 0) -> NDArray[np.bool_]:
        """Which searches from `first` on have a value; shape (n - first,). As `where`, without Python."""
        codes = self.codes[first:]
        if len(codes) < len(self.values):
            return np.array([self.values[code] is not None for code in codes.tolist()], np.bool_)
        return np.fromiter(map(is_not, self.values, repeat(None)), np.bool_, len(self.values))[codes]


class Table(ABC):
    """Searches by field. `event_ids` has n entries, `times` shape (n,) in epoch seconds."""

    event_ids: list[str]

    @property
    @abstractmethod
    def times(self) -> Floats:
        """`event_time` of each search, epoch seconds."""

    @property
    @abstractmethod
    def filled(self) -> Iterable[str]:
        """The fields that have a column; all others have their default in every search."""

    @abstractmethod
    def column(self, name: str) -> Column:
        """One field, also when nobody fills it in."""

    def __len__(self) -> int:
        """Number of searches."""
        return len(self.event_ids)

    def __iter__(self) -> Iterator[Search]:
        """The searches as objects; slow, for those to whom it does not matter."""
        return map(self.search, range(len(self)))

    def search(self, row: int) -> Search:
        """One of them as an object."""
        columns = [(name, self.column(name)) for name in self.filled]
        fields = {name: values[codes[row]] for name, (values, codes) in columns}
        at = _EPOCH + timedelta(microseconds=round(float(self.times[row]) * 1e6))
        return Search(event_id=self.event_ids[row], event_time=at, **fields)

    def value(self, name: str, row: int) -> Any:
        """One field of one search."""
        values, codes = self.column(name)
        return values[codes[row]]


class Columns(Table):
    """A table that does not change."""

    def __init__(self, event_ids: list[str], times: Floats, fields: Mapping[str, Column]) -> None:
        self.event_ids = event_ids
        self._times = times
        self._fields = fields

    @classmethod
    def of(cls, searches: Sequence[Search], times: Sequence[float] | None = None) -> Columns:
        """The columns of some searches; `times` are their event times when these are at hand."""
        if times is None:
            times = [search.event_time.timestamp() for search in searches]
        if not searches:
            return cls([], np.zeros(0, np.float64), {})
        event_ids, _, *columns = zip(*map(msgspec.structs.astuple, searches), strict=True)
        size, fields = len(event_ids), {}
        for name, column in zip(FIELDS, columns, strict=True):
            first = column[0]
            if first == column[-1] and column.count(first) == size:
                if first != _DEFAULTS[name]:
                    fields[name] = Column([first], np.zeros(size, np.uint8))
            elif size > SAMPLE and len(set(column[:SAMPLE])) > SAMPLE // 2:
                # Hardly ever the same twice: to look for the same costs more than it saves.
                fields[name] = Column(column, np.arange(size, dtype=_width(size)))
            else:
                places = numbering()
                codes = np.fromiter(map(places.__getitem__, column), np.uint32, size)
                fields[name] = Column(list(places), codes.astype(_width(len(places))))
        return cls(list(event_ids), np.array(times, np.float64), fields)

    @property
    def times(self) -> Floats:
        """`event_time` of each search, epoch seconds."""
        return self._times

    @property
    def filled(self) -> Iterable[str]:
        """The fields that have a column."""
        return self._fields

    def column(self, name: str) -> Column:
        """One field."""
        return self._fields.get(name) or _empty(name, len(self))


class Rows(Table):
    """Some rows of a table that does not change, in the order of `rows`.

    The values of its columns are those of the whole table, whether or not they occur here.
    """

    def __init__(self, whole: Table, rows: Ints) -> None:
        self._whole = whole
        self._rows = rows
        ids = whole.event_ids
        self.event_ids = [ids[row] for row in rows.tolist()]
        self._times = whole.times[rows]

    @property
    def times(self) -> Floats:
        """`event_time` of each search, epoch seconds."""
        return self._times

    @property
    def filled(self) -> Iterable[str]:
        """The fields that have a column."""
        return self._whole.filled

    def column(self, name: str) -> Column:
        """One field."""
        values, codes = self._whole.column(name)
        return Column(values, codes[self._rows])

    def search(self, row: int) -> Search:
        """One of them as an object."""
        return self._whole.search(int(self._rows[row]))


class Growing(Table):
    """A table to which searches are added at the end.

    Columns are put together when they are first asked for, and a value keeps its place in them.
    """

    def __init__(self) -> None:
        self.event_ids = []
        self._times = np.empty(64, np.float64)
        self._parts: list[Table] = []
        self._starts: list[int] = []
        self._fields: dict[str, _Joined] = {}

    @property
    def times(self) -> Floats:
        """`event_time` of each search, epoch seconds."""
        return self._times[: len(self)]

    @property
    def filled(self) -> Iterable[str]:
        """The fields that have a column."""
        return dict.fromkeys(name for part in self._parts for name in part.filled)

    def column(self, name: str) -> Column:
        """One field. The codes are a view that holds the searches of now."""
        joined = self._fields.get(name)
        if joined is None:
            joined = self._fields[name] = _Joined()
        for part in self._parts[joined.parts :]:
            joined.add(part.column(name), sparse=isinstance(part, Rows))
        return Column(joined.values, joined.codes[: len(self)])

    def search(self, row: int) -> Search:
        """One of them as an object."""
        place = bisect_right(self._starts, row) - 1
        return self._parts[place].search(row - self._starts[place])

    def add(self, part: Table) -> None:
        """Put the searches of a table that does not change behind those that are there."""
        size = len(self)
        if size + len(part) > len(self._times):
            self._times = _longer(self._times, 2 * (size + len(part)))
        self._times[size : size + len(part)] = part.times
        self._parts.append(part)
        self._starts.append(size)
        self.event_ids += part.event_ids


class _Joined:
    """One field of the parts of a growing table, as far as it has been put together."""

    __slots__ = ("codes", "parts", "places", "size", "values")

    def __init__(self) -> None:
        self.parts = self.size = 0
        self.places: defaultdict[Any, int] = numbering()
        self.values: list[Any] = []
        self.codes: NDArray[np.int32] = np.zeros(64, np.int32)

    def add(self, part: Column, *, sparse: bool) -> None:
        """Put a part's column behind; `sparse` when it may have values that do not occur."""
        end = self.size + len(part.codes)
        if end > len(self.codes):
            self.codes = _longer(self.codes, 2 * end)
        values, codes = part
        if sparse and len(values) > 1:
            used = np.flatnonzero(np.bincount(codes, minlength=len(values)))
            place_of = self._places_of([values[code] for code in used.tolist()])
            here = np.zeros(len(values), np.int32)
            here[used] = place_of
        else:
            here = self._places_of(values)
        self.codes[self.size : end] = here[codes]
        self.size = end
        self.parts += 1

    def _places_of(self, values: Sequence[Any]) -> NDArray[np.int32]:
        """The place of each value, new ones entered."""
        known = len(self.places)
        found = np.fromiter(map(self.places.__getitem__, values), np.int32, len(values))
        # From behind: there may be thousands in front of a few that are new.
        self.values += [*islice(reversed(self.places), len(self.places) - known)][::-1]
        return found


def distinct(numbers: Codes) -> Ints:
    """Each number once, ascending. As `np.unique`, which takes several times as long for large numbers."""
    ordered = np.sort(numbers)
    fresh = np.concatenate(([True], ordered[1:] != ordered[:-1])) if len(ordered) else slice(0)
    return cast(Ints, ordered[fresh])


def by_appearance(codes: Codes, size: int) -> tuple[Ints, Ints]:
    """The codes (below `size`) that occur, in the order in which they first do, and for each entry of
    `codes` its place in that order."""
    last = len(codes)
    first = np.full(size, last)
    first[codes[::-1]] = np.arange(last - 1, -1, -1)  # of several the one assigned last stays
    used = np.flatnonzero(first < last)
    order = used[np.argsort(first[used])]
    place = np.zeros(size, np.int64)
    place[order] = np.arange(len(order))
    return order, place[codes]


def numbering() -> defaultdict[Any, int]:
    """A dictionary that gives each new key the next number."""
    places: defaultdict[Any, int] = defaultdict()
    places.default_factory = places.__len__
    return places


def _longer(array: NDArray[Any], room: int) -> NDArray[Any]:
    longer = np.zeros(room, array.dtype)
    longer[: len(array)] = array
    return longer


def _empty(name: str, size: int) -> Column:
    default = _DEFAULTS[name]
    # A field that must be filled in is missing only where there is no search.
    return Column([] if default is msgspec.NODEFAULT else [default], np.zeros(size, np.uint8))


def _width(values: int) -> type[np.unsignedinteger[Any]]:
    if values <= 1 << 8:
        return np.uint8
    return np.uint16 if values <= 1 << 16 else np.uint32


class Packed(Struct, array_like=True):
    """A table in MessagePack: little-endian arrays; a column of one value needs no codes."""

    event_ids: list[str]
    times: bytes
    fields: dict[str, tuple[list[Any], bytes]]


def pack(table: Table) -> Packed:
    """The form in which a table is sent."""
    fields = {name: _packed(*table.column(name)) for name in table.filled}
    return Packed(table.event_ids, table.times.astype("<f8").tobytes(), fields)


def pack_exactly(table: Table) -> Packed:
    """The form in which a table is kept: equal searches give equal bytes, however it came about."""
    fields = {}
    for name in sorted(table.filled):
        values, codes = table.column(name)
        order, rank = by_appearance(codes, len(values))
        found = [values[code] for code in order.tolist()]
        if found not in ([], [_DEFAULTS[name]]):
            fields[name] = _packed(found, rank)
    return Packed(table.event_ids, table.times.astype("<f8").tobytes(), fields)


def _packed(values: Sequence[Any], codes: Codes) -> tuple[list[Any], bytes]:
    wide = np.dtype(_width(len(values))).newbyteorder("<")
    return list(values), b"" if len(values) == 1 else codes.astype(wide).tobytes()


def unpack(packed: Packed) -> Columns:
    """The table again. Raises ValueError when the parts do not fit together."""
    size = len(packed.event_ids)
    times = np.frombuffer(packed.times, "<f8").astype(np.float64)
    fields = {}
    for name, (values, raw) in packed.fields.items():
        wide = np.dtype(_width(len(values))).newbyteorder("<")
        codes = np.frombuffer(raw, wide) if len(values) > 1 else np.zeros(size, np.uint8)
        if len(codes) != size or (size and int(codes.max()) >= len(values)):
            raise ValueError(f"column {name} does not fit {size} searches")
        fields[name] = Column(values, codes)
    if len(times) != size:
        raise ValueError(f"{len(times)} times for {size} searches")
    return Columns(packed.event_ids, times, fields)
