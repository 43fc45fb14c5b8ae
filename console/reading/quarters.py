"""Counting searches by local day without reading them: the database counts by quarter hours, in which the
local time of no zone changes, and the days are put together from these."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, func, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from console.storage.tables import SearchRow
from models.days import QUARTER, LocalDays


class QuarterOf(FunctionElement[int]):
    """Number of the quarter hour since 1970 in which an instant lies."""

    type = BigInteger()
    name = "quarter_of"
    inherit_cache = True


@compiles(QuarterOf, "sqlite")
def _sqlite(element: QuarterOf, compiler: SQLCompiler, **options: Any) -> str:
    return f"cast(strftime('%s', {compiler.process(element.clauses, **options)}) as integer) / {QUARTER}"


@compiles(QuarterOf, "postgresql")
def _postgresql(element: QuarterOf, compiler: SQLCompiler, **options: Any) -> str:
    seconds = f"extract(epoch from {compiler.process(element.clauses, **options)})"
    return f"cast(floor({seconds} / {QUARTER}) as bigint)"


def days_of(session: Session, where: Iterable[ColumnElement[bool]], zone: str) -> dict[date, int]:
    """Searches by local day of a zone; days without any are left out."""
    quarter = QuarterOf(SearchRow.event_time)
    query: Select[Any] = select(quarter, func.count()).where(*where).group_by(quarter)
    days = LocalDays.of(zone)
    found: dict[date, int] = {}
    for number, count in session.execute(query):
        day = date.fromordinal(days.at(number * QUARTER).day)
        found[day] = found.get(day, 0) + count
    return dict(sorted(found.items()))
