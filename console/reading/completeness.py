"""Which sources reported, and when last: a log that says nothing is no log without misuse."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from console.storage.tables import AlertRow, SearchRow
from models.reference import Reference

#: Days before an agency's newest search over which a source's daily number is told.
LATELY = 30


@dataclass(frozen=True)
class Reported:
    """One source: whom it reports for, its searches in all and lately, the first and the last of them.

    `quiet` says whether its agency's other logs went on for longer than its idle time without it; a
    source alone in its agency is measured by the newest search of all. `alerts` are open alerts about it.
    """

    source: str
    agency: str
    declared: bool
    searches: int
    lately: int
    first: datetime | None
    last: datetime | None
    idle_hours: float
    quiet: bool
    alerts: int

    @property
    def state(self) -> str:
        """In a word."""
        if self.last is None:
            return "never reported"
        return "silent" if self.quiet else "reports"


def reported(session: Session, reference: Reference) -> list[Reported]:
    """Every source that reported or is declared, by agency and name."""
    times = func.min(SearchRow.event_time), func.max(SearchRow.event_time)
    query = select(SearchRow.agency_id, SearchRow.source_id, func.count(), *times)
    told = {
        (agency, source): (count, first, last)
        for agency, source, count, first, last in session.execute(
            query.group_by(SearchRow.agency_id, SearchRow.source_id)
        )
    }
    newest: dict[str, datetime] = {}
    for (agency, _), (_, _, last) in told.items():
        newest[agency] = max(newest.get(agency, last), last)
    newest_of_all = max(newest.values(), default=None)
    alone = {agency for agency in newest if sum(one == agency for one, _ in told) == 1}
    open_alerts: dict[str, int] = {
        source: count
        for source, count in session.execute(
            select(AlertRow.entity, func.count())
            .where(AlertRow.entity_kind == "source", AlertRow.open)
            .group_by(AlertRow.entity)
        )
    }
    lately = _lately(session, newest)
    declared = {one.source_id: one for one in reference.sources.values() if one.source_id != "*"}
    names = {*told, *((one.agency_id, name) for name, one in declared.items() if one.agency_id != "*")}
    found = []
    for agency, source in sorted(names):
        count, first, last = told.get((agency, source), (0, None, None))
        idle = reference.source(source).idle_hours
        against = newest_of_all if agency in alone else newest.get(agency)
        silent = last is not None and against is not None and against - last > timedelta(hours=idle)
        found.append(
            Reported(
                source, agency, source in declared, count, lately.get((agency, source), 0), first, last,
                idle, silent, open_alerts.get(source, 0),
            )
        )  # fmt: skip
    return found


def _lately(session: Session, newest: dict[str, datetime]) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for agency, last in newest.items():
        rows = session.execute(
            select(SearchRow.source_id, func.count())
            .where(SearchRow.agency_id == agency, SearchRow.event_time > last - timedelta(days=LATELY))
            .group_by(SearchRow.source_id)
        )
        found.update({(agency, source): count for source, count in rows})
    return found
