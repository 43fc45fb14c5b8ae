"""A year of an agency, day by day: searches, alerts, demonstrations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from console.reading.quarters import days_of
from console.storage.tables import AlertRow, SearchRow
from models.days import LocalDays, instant
from models.reference import Reference


@dataclass(frozen=True)
class HeatDay:
    """What a day holds: searches, alerts first seen on it, and the weight of its demonstrations, 0 to 1."""

    searches: int = 0
    alerts: int = 0
    demonstrations: int = 0
    weight: float = 0.0


def year_of(
    session: Session, reference: Reference, agency: str, first: date, last: date
) -> Mapping[date, HeatDay]:
    """What each local day of an agency holds, from `first` to `last`."""
    zone = reference.agency(agency).timezone
    days = LocalDays.of(zone)
    begin, end = instant(days.start(first.toordinal())), instant(days.end(last.toordinal()))
    searches = days_of(
        session,
        [SearchRow.agency_id == agency, SearchRow.event_time >= begin, SearchRow.event_time < end],
        zone,
    )
    alerts: dict[date, int] = {}
    query = select(AlertRow.decided_at).where(
        AlertRow.agency_id == agency,
        AlertRow.status != "withdrawn",
        AlertRow.decided_at > begin,
        AlertRow.decided_at <= end,
    )
    for when in session.scalars(query):
        # What is decided at midnight is about the day that ended.
        day = (when - timedelta(microseconds=1)).astimezone(ZoneInfo(zone)).date()
        alerts[day] = alerts.get(day, 0) + 1
    found = {}
    for number in range(first.toordinal(), last.toordinal() + 1):
        day = date.fromordinal(number)
        held = reference.calendar.on(agency, number)
        found[day] = HeatDay(
            searches.get(day, 0),
            alerts.get(day, 0),
            sum(event.count for event in held),
            max((event.weight for event in held), default=0.0),
        )
    return found
