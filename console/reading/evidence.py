"""What stands behind an alert: its searches, its peers, other alerts, what happened in the streets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from console.reading.entities import FIELDS
from console.storage.tables import AlertRow, SearchRow
from models.alert import Alert
from models.calendar import Event
from models.reference import Reference

#: The column of a search that tells peers of a kind apart. A subject has none: nobody is searched for as a
#: colleague of somebody else.
PEERS = {
    **{kind: field for kind, field in FIELDS.items() if kind != "subject"},
    "area": SearchRow.incident_area,
    "source": SearchRow.source_id,
}
#: How many are shown beside an alert.
MOST_PEERS, MOST_RELATED, MOST_EVENTS = 40, 50, 30
#: Days before and after the judged time in which demonstrations are near.
NEAR = 3


@dataclass(frozen=True)
class Peer:
    """One like the entity of an alert, in the same time: its searches and its cases."""

    name: str
    searches: int
    cases: int
    itself: bool


@dataclass(frozen=True)
class Nearby:
    """A demonstration near an alert: days from the judged time (0: within it), searches in its area."""

    event: Event
    day: date
    days_away: int
    searches_in_area: int


def evidence(session: Session, alert: Alert) -> list[SearchRow]:
    """The searches that an alert names and the store has, in order of time."""
    query = select(SearchRow).where(SearchRow.event_id.in_(alert.evidence))
    return list(session.scalars(query.order_by(SearchRow.event_time, SearchRow.event_id)))


def peers(session: Session, alert: Alert) -> list[Peer]:
    """Those of the same kind in the same time: a requester's unit, or the whole agency for others. None for
    kinds that are not in `PEERS`."""
    field = PEERS.get(alert.entity_kind)
    if field is None or alert.agency_id is None:
        return []
    searches = func.count()
    conditions = [
        SearchRow.agency_id == alert.agency_id,
        SearchRow.event_time >= alert.window_start,
        SearchRow.event_time < alert.window_end,
        field.is_not(None),
    ]
    if alert.entity_kind == "requester" and alert.unit_id is not None:
        conditions.append(SearchRow.unit_id == alert.unit_id)
    query = (
        select(field, searches, func.count(SearchRow.case_number.distinct()))
        .where(*conditions)
        .group_by(field)
        .order_by(searches.desc(), field)
        .limit(MOST_PEERS)
    )
    return [Peer(name, number, cases, name == alert.entity) for name, number, cases in session.execute(query)]


def related(session: Session, row: AlertRow) -> list[AlertRow]:
    """Other alerts of the same incident, or about the same entity, the newest first."""
    same = (
        (AlertRow.entity_kind == row.entity_kind)
        & (AlertRow.entity == row.entity)
        & (AlertRow.agency_id == row.agency_id)
    )
    query = (
        select(AlertRow)
        .where(or_(AlertRow.incident_id == row.incident_id, same), AlertRow.alert_id != row.alert_id)
        .order_by(AlertRow.decided_at.desc(), AlertRow.alert_id)
        .limit(MOST_RELATED)
    )
    return list(session.scalars(query))


def nearby(reference: Reference, alert: Alert, searches: Sequence[SearchRow]) -> list[Nearby]:
    """Demonstrations round the judged time that concern the agency, the weightiest first."""
    if alert.agency_id is None:
        return []
    zone = ZoneInfo(reference.agency(alert.agency_id).timezone)
    begin = alert.window_start.astimezone(zone).date()
    end = (alert.window_end - timedelta(seconds=1)).astimezone(zone).date()
    areas = [row.incident_area for row in searches if row.incident_area]
    found = []
    for number in range((end - begin).days + 1 + 2 * NEAR):
        day = begin + timedelta(days=number - NEAR)
        away = max((begin - day).days, (day - end).days, 0)
        for event in reference.calendar.on(alert.agency_id, day.toordinal()):
            inside = areas.count(event.area) if event.area else 0
            found.append(Nearby(event, day, away, inside))
    found.sort(key=lambda one: (-one.searches_in_area, -one.event.weight, one.days_away, one.day))
    return found[:MOST_EVENTS]


def missing(alert: Alert, searches: Iterable[SearchRow]) -> list[str]:
    """Ids of the evidence that the store does not have."""
    here = {row.event_id for row in searches}
    return [name for name in alert.evidence if name not in here]
