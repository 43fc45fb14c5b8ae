"""Requesters, units, tools and subjects: their searches, their history, what was told of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import InstrumentedAttribute

from console.reading.quarters import days_of
from console.storage.tables import AlertRow, SearchRow
from models.reference import Reference

EntityPage = Literal["requester", "unit", "tool", "subject"]
#: The column of a search that says which one it is.
FIELDS: dict[str, InstrumentedAttribute[Any]] = {
    "requester": SearchRow.requester_id,
    "unit": SearchRow.unit_id,
    "tool": SearchRow.tool,
    "subject": SearchRow.subject_ref,
}
#: Fields of a search by which those of another kind are broken down.
BESIDE = {
    "requester": ("unit", "tool", "subject"),
    "unit": ("requester", "tool"),
    "tool": ("unit", "requester"),
    "subject": ("requester", "unit"),
}
#: Lines of such a breakdown.
MOST = 200


@dataclass(frozen=True)
class Share:
    """How many searches of one entity name another one, and the first and last of them."""

    kind: str
    name: str
    searches: int
    first: datetime
    last: datetime


@dataclass(frozen=True)
class Entity:
    """One requester, unit, tool or subject of an agency; without an agency, of all of them."""

    kind: EntityPage
    name: str
    agency: str | None
    reference: Reference

    @property
    def zone(self) -> str:
        """The zone in which its days begin."""
        return self.reference.agency(self.agency).timezone if self.agency else "UTC"

    @property
    def where(self) -> list[ColumnElement[bool]]:
        """The condition that its searches fulfil."""
        field = FIELDS[self.kind]
        if self.kind == "tool":
            conditions = [field.in_(spellings(self.reference, self.name))]
        else:
            conditions = [field == self.name]
        if self.agency is not None:
            conditions.append(SearchRow.agency_id == self.agency)
        return conditions

    def searches(self) -> Select[Any]:
        """Its searches."""
        return select(SearchRow).where(*self.where)

    def alerts(self) -> Select[Any]:
        """The alerts about it, withdrawn ones too."""
        query = select(AlertRow).where(AlertRow.entity_kind == self.kind, AlertRow.entity == self.name)
        return query if self.agency is None else query.where(AlertRow.agency_id == self.agency)

    def days(self, session: Session) -> dict[date, int]:
        """Its searches by local day."""
        return days_of(session, self.where, self.zone)

    def alert_days(self, session: Session) -> list[date]:
        """The local days on which alerts about it were decided that still stand."""
        found = session.scalars(
            self.alerts().where(AlertRow.status != "withdrawn").with_only_columns(AlertRow.decided_at)
        )
        return [when.astimezone(ZoneInfo(self.zone)).date() for when in found]

    def beside(self, session: Session) -> dict[str, list[Share]]:
        """Its searches by what else they name, the most first."""
        return {kind: self._shares(session, kind) for kind in BESIDE[self.kind]}

    def _shares(self, session: Session, kind: str) -> list[Share]:
        field, count = FIELDS[kind], func.count()
        times = func.min(SearchRow.event_time), func.max(SearchRow.event_time)
        query = (
            select(field, count, *times)
            .where(*self.where, field.is_not(None))
            .group_by(field)
            .order_by(count.desc(), field)
            .limit(MOST)
        )
        return [Share(kind, *row) for row in session.execute(query)]


def spellings(reference: Reference, tool: str) -> Sequence[str]:
    """The names under which a log may have a tool."""
    register = reference.tools
    canonical = register.canonical(tool)
    known = [one for one in register.tools if one.tool == canonical]
    names = {tool, canonical, *(name for one in known for name in (one.name, *one.aliases) if name)}
    return sorted(names)


def find(session: Session, kind: EntityPage, words: str, most: int = 50) -> list[tuple[str, str]]:
    """Those of a kind whose name begins with some words, as (agency, name)."""
    field = FIELDS[kind]
    query = (
        select(SearchRow.agency_id, field)
        .where(field.is_not(None), field.startswith(words, autoescape=True))
        .distinct()
        .order_by(field, SearchRow.agency_id)
        .limit(most)
    )
    return [(agency, name) for agency, name in session.execute(query)]
