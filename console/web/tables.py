"""Every table of the console: columns declared once; sorting, filters, pages and CSV come from here.

A table knows its columns. A source knows rows: a list in memory, or a query that the database sorts and
filters. What the reader asks for stands in the address (`NAME.sort`, `NAME.page`, `NAME.COLUMN`), so that a
link says it, the way back undoes it, and nothing needs JavaScript. What cannot be understood there is
passed over: an address that was typed wrong shows the whole table, not an error.
"""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Generic, Literal, Protocol, TypeVar
from urllib.parse import urlencode

from sqlalchemy import ColumnElement, Select, and_
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import SQLCoreOperations

Row = TypeVar("Row")
Cell = str | int | float | datetime | date | None
Kind = Literal["text", "number", "time", "day", "severity"]
Filter = Literal["contains", "exact", "choice", "least", "days"]

#: Rows of a page, and the last page that can be asked for; beyond it a filter is the way.
PAGE, LAST_PAGE = 50, 2000
#: Longest filter that is looked at, characters.
MOST_LETTERS = 200
#: What makes a spreadsheet read a cell as a formula (OWASP, CSV injection), also in full width.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001


@dataclass(frozen=True, kw_only=True)
class Column(Generic[Row]):
    """One column. `value` is what is shown, sorted and exported; `link` an address within the console.

    `filter` says how a reader's word is compared: contained (without case), the same, one of `choices`, a
    least number, or a span of days in UTC. `sql` is the database's side of it, needed where a query is
    the source; `order` stands for it when rows are sorted, as the rank of a severity does for its name.
    """

    name: str
    title: str
    value: Callable[[Row], Cell]
    kind: Kind = "text"
    link: Callable[[Row], str | None] | None = None
    filter: Filter | None = None
    choices: Sequence[str] = ()
    sort: bool = True
    sql: SQLCoreOperations[Any] | None = None
    order: SQLCoreOperations[Any] | Callable[[Row], Any] | None = None
    wide: bool = False

    def filters(self, table: str) -> Iterator[tuple[str, str]]:
        """The parameters that filter it, each with the words beside its field."""
        name = f"{table}.{self.name}"
        if self.filter == "days":
            yield f"{name}.from", f"{self.title} from"
            yield f"{name}.to", f"{self.title} to"
        elif self.filter is not None:
            yield name, f"{self.title}, at least" if self.filter == "least" else self.title


@dataclass(frozen=True)
class Wanted:
    """What a reader asked of one table."""

    sort: str | None = None
    descending: bool = False
    page: int = 1
    filters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Table(Generic[Row]):
    """A table: its name in addresses, its caption, its columns, and how it is sorted to begin with."""

    name: str
    caption: str
    columns: Sequence[Column[Row]]
    sort: str | None = None
    descending: bool = False
    empty: str = "Nothing here yet."
    row_id: Callable[[Row], str] | None = None

    def column(self, name: str | None) -> Column[Row] | None:
        """A column by name, None when there is none."""
        return next((one for one in self.columns if one.name == name), None)

    def wanted(self, params: Mapping[str, str]) -> Wanted:
        """What an address asks of this table."""
        asked = params.get(f"{self.name}.sort", "")
        descending, name = asked.startswith("-"), asked.removeprefix("-")
        column = self.column(name)
        if column is None or not column.sort:
            descending, name = self.descending, self.sort or ""
        page = params.get(f"{self.name}.page", "1")
        filters = {
            key: value.strip()[:MOST_LETTERS].replace("\0", "")
            for column in self.columns
            for key, _ in column.filters(self.name)
            if (value := params.get(key, "")).strip()
        }
        return Wanted(
            sort=name or None,
            descending=descending,
            page=min(max(int(page), 1), LAST_PAGE) if page.isascii() and page.isdecimal() else 1,
            filters=filters,
        )


class Source(Protocol[Row]):
    """Where rows come from."""

    def read(self, table: Table[Row], wanted: Wanted, first: int, number: int | None) -> Iterator[Row]:
        """Rows as wanted from place `first` on, at most `number` of them (None: all)."""


class Listed(Generic[Row]):
    """Rows that are in memory."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = list(rows)

    def read(self, table: Table[Row], wanted: Wanted, first: int, number: int | None) -> Iterator[Row]:
        """See `Source`."""
        tests = [test for column in table.columns for test in _tests(table.name, column, wanted.filters)]
        rows = [row for row in self.rows if all(test(row) for test in tests)]
        column = table.column(wanted.sort)
        if column is not None:
            key = column.order if callable(column.order) else column.value
            known = [row for row in rows if key(row) is not None]
            known.sort(key=lambda row: _rank(key(row)), reverse=wanted.descending)
            # What is not known comes last, whichever way.
            rows = known + [row for row in rows if key(row) is None]
        return itertools.islice(rows, first, None if number is None else first + number)


class Selected(Generic[Row]):
    """Rows of a query. `key` tells rows of equal rank apart, so that pages do not overlap."""

    def __init__(
        self, session: Session, query: Select[Any], key: SQLCoreOperations[Any], *, entity: bool = True
    ) -> None:
        self._session, self._query, self._key, self._entity = session, query, key, entity

    def read(self, table: Table[Row], wanted: Wanted, first: int, number: int | None) -> Iterator[Row]:
        """See `Source`."""
        conditions = [
            condition
            for column in table.columns
            for condition in _conditions(table.name, column, wanted.filters)
        ]
        query = self._query.where(and_(*conditions)) if conditions else self._query
        column = table.column(wanted.sort)
        order = None if column is None else column.sql if column.order is None else column.order
        key = self._key.desc() if wanted.descending else self._key.asc()
        if order is None or callable(order) or order is self._key:
            query = query.order_by(key)
        else:
            query = query.order_by(order.desc() if wanted.descending else order.asc(), key)
        query = query.offset(first).limit(number)
        if number is None:
            query = query.execution_options(yield_per=1000)
        found = self._session.execute(query)
        return iter(found.scalars() if self._entity else found)


def _rank(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value


def _tests(table: str, column: Column[Row], filters: Mapping[str, str]) -> Iterator[Callable[[Row], bool]]:
    """What a row must pass to be shown."""

    def compare(key: str, text: str) -> Callable[[Row], bool] | None:
        match column.filter:
            case "contains":
                return lambda row: text.casefold() in str(column.value(row) or "").casefold()
            case "exact" | "choice":
                return lambda row: str(column.value(row)) == text
            case "least" if (least := _number(text)) is not None:
                return lambda row: isinstance(value := column.value(row), int | float) and value >= least
            case "days" if (day := _day(text)) is not None:
                if key.endswith(".from"):
                    return lambda row: (value := column.value(row)) is not None and _date(value) >= day
                return lambda row: (value := column.value(row)) is not None and _date(value) <= day
        return None

    for key, _ in column.filters(table):
        if key in filters and (test := compare(key, filters[key])) is not None:
            yield test


def _conditions(table: str, column: Column[Row], filters: Mapping[str, str]) -> Iterator[ColumnElement[bool]]:
    """The same for the database. A reader's words are parameters, never part of the statement."""
    for key, _ in column.filters(table):
        text, sql = filters.get(key), column.sql
        if text is None or sql is None:
            continue
        match column.filter:
            case "contains":
                yield sql.icontains(text, autoescape=True)
            case "exact" | "choice":
                yield sql == text
            case "least" if (least := _number(text)) is not None:
                yield sql >= least
            case "days" if (day := _day(text)) is not None:
                begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
                yield sql >= begin if key.endswith(".from") else sql < begin + timedelta(days=1)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < 1e15 else None


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if day.year < 9999 else None


def _date(value: Cell) -> date:
    if isinstance(value, datetime):
        return value.astimezone(UTC).date()
    assert isinstance(value, date)
    return value


@dataclass(frozen=True)
class Field:
    """One field of a filter's form."""

    key: str
    title: str
    kind: Filter
    value: str
    choices: Sequence[str] = ()


@dataclass(frozen=True)
class View(Generic[Row]):
    """One page of a table, ready for the template. `path` and `params` are the address that was asked for."""

    table: Table[Row]
    rows: Sequence[Row]
    wanted: Wanted
    more: bool
    path: str
    params: Mapping[str, str]

    @property
    def name(self) -> str:
        """The table's name."""
        return self.table.name

    @property
    def filtered(self) -> bool:
        """Whether a filter is on."""
        return bool(self.wanted.filters)

    @property
    def asked(self) -> bool:
        """Whether the address says anything of this table, which then should not be folded away."""
        return any(key.startswith(f"{self.name}.") for key in self.params)

    def fields(self) -> list[Field]:
        """The fields of the filter's form."""
        return [
            Field(key, title, column.filter, self.wanted.filters.get(key, ""), column.choices)
            for column in self.table.columns
            for key, title in column.filters(self.name)
            if column.filter is not None
        ]

    @property
    def first(self) -> int:
        """Number of the first row on this page, from 1."""
        return (self.wanted.page - 1) * PAGE + 1

    def address(self, **changes: object) -> str:
        """The address with some parameters of this table changed, None leaves one out."""
        told = {f"{self.name}.{key}": None if value is None else str(value) for key, value in changes.items()}
        return self._address(told)

    def _address(self, changes: Mapping[str, str | None]) -> str:
        kept = {key: value for key, value in self.params.items() if key not in changes and key != "export"}
        kept |= {key: value for key, value in changes.items() if value is not None}
        return f"{self.path}?{urlencode(kept)}" if kept else self.path

    def sorted_by(self, column: Column[Row]) -> str:
        """Where a click on a column's head leads: sorted by it, or the other way round."""
        on = self.wanted.sort == column.name
        turned = not self.wanted.descending if on else column.kind in ("number", "time", "severity")
        return self.address(sort=f"{'-' if turned else ''}{column.name}", page=None)

    def direction(self, column: Column[Row]) -> str | None:
        """The value of aria-sort of a column's head, None where it is not sorted by."""
        if self.wanted.sort != column.name:
            return None
        return "descending" if self.wanted.descending else "ascending"

    def export(self) -> str:
        """The address of the whole table as CSV, filtered and sorted as it is shown."""
        address = self._address({f"{self.name}.page": None})
        return f"{address}{'&' if '?' in address else '?'}export={self.name}"

    def unfiltered(self) -> str:
        """The address without this table's filters."""
        return self._address(dict.fromkeys([*self.wanted.filters, f"{self.name}.page"]))

    def kept(self) -> list[tuple[str, str]]:
        """What a filter's form must carry along besides its own fields."""
        own = {key for column in self.table.columns for key, _ in column.filters(self.name)}
        own |= {f"{self.name}.page", "export"}
        return [(key, value) for key, value in self.params.items() if key not in own]


def view(table: Table[Row], source: Source[Row], path: str, params: Mapping[str, str]) -> View[Row]:
    """The page of a table that an address asks for."""
    wanted = table.wanted(params)
    rows = list(source.read(table, wanted, (wanted.page - 1) * PAGE, PAGE + 1))
    if not rows and wanted.page > 1:
        return view(table, source, path, {**params, f"{table.name}.page": "1"})
    return View(table, rows[:PAGE], wanted, len(rows) > PAGE, path, dict(params))


def safe_cell(value: Cell) -> str:
    """A cell of a CSV file; text that a spreadsheet would take for a formula gets an apostrophe before it.

    >>> safe_cell("=1+1"), safe_cell(-3.5), safe_cell(None)
    ("'=1+1", '-3.5', '')
    """
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int | float):
        return f"{value:.10g}" if isinstance(value, float) else str(value)
    text = value.replace("\0", "")
    return f"'{text}" if text.lstrip(" \xa0").startswith(FORMULA) else text


def csv_lines(table: Table[Row], source: Source[Row], params: Mapping[str, str]) -> Iterator[str]:
    """The whole table as CSV, a line each: every row that the filters leave, in the order that is shown."""
    wanted = replace(table.wanted(params), page=1)
    buffer = io.StringIO()
    writer = csv.writer(buffer)

    def line(cells: Iterable[Cell]) -> str:
        buffer.seek(0)
        buffer.truncate()
        writer.writerow([safe_cell(cell) for cell in cells])
        return buffer.getvalue()

    yield line(column.title for column in table.columns)
    for row in source.read(table, wanted, 0, None):
        yield line(column.value(row) for column in table.columns)
