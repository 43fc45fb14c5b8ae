"""Rows of CSV and Parquet files as the JSON lines that ingest reads.

Columns are named like the fields in docs/events.md. A cell that does not fit its field is passed on as it
stands, so that ingest refuses the row and says which field, why, and what to do.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect as types

from models.search import Search
from models.spelling import did_you_mean
from streams.adapters.base import Problem, WrongFormat
from streams.adapters.table import check_line_ends, records
from streams.documentation.tables import fields
from streams.importing import text_lines

#: Rows that are made into JSON together.
AT_ONCE = 8192
#: A row of JSON: its line or number in the file, from 1, and the object.
Row = tuple[int, bytes]

_encode = msgspec.json.Encoder().encode
_FIELDS = {field.name: field for field in fields(Search)}
#: Fields that are whole numbers.
_WHOLE = frozenset(
    name
    for name, field in _FIELDS.items()
    if any(isinstance(one, types.IntType) for one in getattr(field.type, "types", (field.type,)))
)
_REQUIRED = [name for name, field in _FIELDS.items() if field.required]


def csv_rows(file: Path) -> Iterator[Row]:
    """The rows of a CSV file with a header; empty cells are left out.

    Raises OSError, and ValueError when a column is unknown or missing, a row is none, or the file is not
    UTF-8.
    """
    lines = text_lines(file)
    first = next(lines, "")
    readers = {name: _reader(field.type) for name, field in _FIELDS.items()}
    try:
        check_line_ends(first)
        _check(_names(first), file)
        for row in records(chain([first], lines), {name: () for name in _FIELDS}, _REQUIRED):
            if isinstance(row, Problem):
                raise ValueError(f"{file}, line {row.line}: {row.detail}")
            found = {name: readers[name](cell) for name, cell in row.cells.items() if cell}
            yield row.line, _encode(found)
    except WrongFormat as error:
        raise ValueError(f"{file}: {error}") from error


def parquet_rows(file: Path) -> Iterator[Row]:
    """The rows of a Parquet file, numbered from 1; nulls are left out.

    Raises OSError, and ValueError when a column is unknown or missing or the file is not Parquet.
    """
    import pyarrow as pa
    import pyarrow.parquet

    read: Any = pyarrow.parquet.ParquetFile

    try:
        table = read(file)
        names = table.schema_arrow.names
        _check(names, file)
        number = 0
        for batch in table.iter_batches(batch_size=AT_ONCE):
            columns = [
                _whole(name, _plain(column).to_pylist())
                for name, column in zip(names, batch.columns, strict=True)
            ]
            for cells in zip(*columns, strict=True):
                number += 1
                found = {name: cell for name, cell in zip(names, cells, strict=True) if cell is not None}
                yield number, _encode(found)
    except pa.ArrowException as error:
        raise ValueError(f"{file} cannot be read as Parquet: {error}") from error


def _plain(column: Any) -> Any:
    """A column as Python has it: times to the microsecond, words out of their dictionaries."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_timestamp(column.type) and column.type.unit != "us":
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    return column


def _whole(name: str, cells: list[Any]) -> list[Any]:
    """The cells of a column; whole numbers that were stored as fractions, as pandas stores those of a
    column with gaps, are whole again."""
    if name not in _WHOLE:
        return cells
    return [int(cell) if isinstance(cell, float) and cell.is_integer() else cell for cell in cells]


def _names(header: str) -> list[str]:
    """The cells of a header with the separator that gives most columns we know."""
    rows = [next(csv.reader([header], delimiter=separator), []) for separator in ",;\t|"]
    known = [[cell.strip() for cell in row] for row in rows]
    return max(known, key=lambda row: sum(_field(cell) in _FIELDS for cell in row))


def _check(names: Iterable[str], file: Path) -> None:
    """Raises ValueError for a column that no field has: a typo would silently leave the field empty."""
    found = list(names)
    for name in found:
        if _field(name) not in _FIELDS:
            hint = did_you_mean(name, _FIELDS) or "; the fields are in docs/events.md"
            raise ValueError(f"{file}, line 1: there is no field {name}{hint}; rename or drop the column")
    missing = [name for name in _REQUIRED if name not in map(_field, found)]
    if missing:
        raise ValueError(
            f"{file}, line 1: the columns {', '.join(missing)} are missing; "
            "`./probewatch import` reads logs with other columns"
        )


def _field(name: str) -> str:
    return name.strip().casefold().replace(" ", "_").replace("-", "_")


def _reader(kind: types.Type) -> Callable[[str], object]:
    """How the cells of a field are read."""
    match kind:
        case types.UnionType():
            return _reader(next(one for one in kind.types if not isinstance(one, types.NoneType)))
        case types.IntType():
            return lambda cell: _or_text(_number, cell)
        case types.FloatType():
            return lambda cell: _or_text(float, cell)
        case types.BoolType():
            return lambda cell: _TRUTH.get(cell.casefold(), cell)
        case types.DateTimeType():
            return lambda cell: _or_text(_moment, cell)
    return str


_TRUTH = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}


def _number(cell: str) -> int:
    """A whole number, also as 12.0."""
    return int(cell.removesuffix(".0"))


def _moment(cell: str) -> str:
    """A time as it stands, but with a T where spreadsheets put a blank."""
    datetime.fromisoformat(cell)
    return cell.replace(" ", "T", 1)


def _or_text(convert: Callable[[str], object], cell: str) -> object:
    try:
        return convert(cell)
    except ValueError:
        return cell
