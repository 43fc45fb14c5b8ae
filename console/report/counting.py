"""What the store holds of a period, counted by what the public report tells apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from console.storage.tables import AlertRow, Entry, SearchRow
from models.days import LocalDays, instant
from models.wording import day_text

#: Names of what `searches` tells apart, in the order of its keys.
SEARCHED = ("purpose", "tool", "unit", "image_source", "lead", "corroborated", "arrest")
#: And of `alerts`.
ALERTED = ("detector", "severity", "outcome", "acknowledged")
Records = Mapping[tuple[str, ...], int]


@dataclass(frozen=True)
class Period:
    """Local days of an agency, `first` and `last` among them.

    Raises:
        ValueError: it ends before it begins.
    """

    first: date
    last: date
    zone: str

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ValueError(f"the period ends on {self.last}, before it begins on {self.first}")

    def __str__(self) -> str:
        first, last = (day_text(day.toordinal()) for day in (self.first, self.last))
        return f"{first} to {last}, local days ({self.zone})"

    @property
    def begin(self) -> datetime:
        """The first moment."""
        return instant(LocalDays.of(self.zone).start(self.first.toordinal()))

    @property
    def end(self) -> datetime:
        """The first moment after it."""
        return instant(LocalDays.of(self.zone).end(self.last.toordinal()))

    def holds(self, column: InstrumentedAttribute[datetime]) -> tuple[ColumnElement[bool], ...]:
        """Conditions that a time lies in it."""
        return column >= self.begin, column < self.end


def agencies(session: Session) -> list[str]:
    """Every agency that the store has a search or an alert of."""
    found: set[str] = set()
    for column in (SearchRow.agency_id, AlertRow.agency_id):
        after = session.scalar(select(func.min(column)))
        # From one to the next through the index, not through all rows.
        while after is not None:
            found.add(after)
            after = session.scalar(select(func.min(column)).where(column > after))
    return sorted(found)


def known(session: Session, agency: str, zone: str) -> Period | None:
    """From the first local day of an agency's searches to the last; None without any."""
    first, last = session.execute(
        select(func.min(SearchRow.event_time), func.max(SearchRow.event_time)).where(
            SearchRow.agency_id == agency
        )
    ).one()
    if first is None:
        return None
    days = LocalDays.of(zone)
    begin, end = (date.fromordinal(days.at(one.timestamp()).day) for one in (first, last))
    return Period(begin, end, zone)


def searches(session: Session, agency: str, period: Period) -> Records:
    """How many searches there are of each kind; keys are as in `SEARCHED`, as the log spells them."""
    columns = (
        SearchRow.purpose, SearchRow.tool, SearchRow.unit_id, SearchRow.image_source, SearchRow.lead_issued,
        SearchRow.corroborated, SearchRow.arrest_made,
    )  # fmt: skip
    rows = session.execute(
        select(*columns, func.count())
        .where(SearchRow.agency_id == agency, *period.holds(SearchRow.event_time))
        .group_by(*columns)
    )
    return {
        (purpose, tool, unit, image, *map(_told, outcomes)): number
        for purpose, tool, unit, image, *outcomes, number in rows
    }


def requesters(session: Session, agency: str, period: Period) -> dict[str, set[str]]:
    """Who searched in each unit."""
    found: dict[str, set[str]] = {}
    rows = session.execute(
        select(SearchRow.unit_id, SearchRow.requester_id)
        .where(SearchRow.agency_id == agency, *period.holds(SearchRow.event_time))
        .distinct()
    )
    for unit, requester in rows:
        found.setdefault(unit, set()).add(requester)
    return found


def alerts(session: Session, agency: str, period: Period) -> Records:
    """How many alerts there are of each kind; keys are as in `ALERTED`. Provisional ones are left out."""
    found: Counter[tuple[str, ...]] = Counter()
    rows = session.execute(
        select(
            AlertRow.detector,
            AlertRow.severity,
            AlertRow.status,
            AlertRow.work_state,
            AlertRow.disposition,
            AlertRow.arrived_at,
            AlertRow.acknowledged_at,
        )
        .where(
            AlertRow.agency_id == agency,
            AlertRow.status != "provisional",
            *period.holds(AlertRow.decided_at),
        )
        .execution_options(yield_per=1000)
    )
    for detector, severity, status, state, disposition, arrived, acknowledged in rows:
        outcome = disposition if state == "closed" and disposition is not None else "open"
        if status == "withdrawn":
            outcome = "withdrawn"
        found[detector, severity, outcome, _wait(arrived, acknowledged)] += 1
    return found


def ledger_head(session: Session) -> tuple[int, str] | None:
    """Number and digest of the last entry of the ledger."""
    row = session.execute(select(Entry.seq, Entry.digest).order_by(Entry.seq.desc()).limit(1)).first()
    return None if row is None else (row[0], row[1])


def _told(value: bool | None) -> str:
    return "unknown" if value is None else "yes" if value else "no"


def _wait(arrived: datetime, acknowledged: datetime | None) -> str:
    if acknowledged is None:
        return "never"
    waited = acknowledged - arrived
    return "day" if waited <= timedelta(days=1) else "week" if waited <= timedelta(days=7) else "later"
