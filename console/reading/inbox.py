"""The inbox: what waits for somebody, the worst first, the alerts of one incident together.

A page is found from the alert that the one before ended with, never by counting rows: so it costs the
same however many alerts there are.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, and_, exists, func, or_, select, tuple_
from sqlalchemy.orm import Session, aliased

from console.storage import ledger
from console.storage.tables import AlertRow, Entry
from models.alert import SEVERITIES

#: Incidents of a page, and alerts of one that are listed with it.
PAGE, MOST_ALERTS = 30, 50
#: What an inbox can be asked to show, besides the states of work.
SHOWN = ("waiting", "new", "acknowledged", "asked", "proposed", "snoozed", "closed", "everything")


@dataclass(frozen=True)
class Wanted:
    """Filters; none is empty. `show` is one of `SHOWN`, days are UTC days of the decision."""

    show: str = "waiting"
    agency: str = ""
    unit: str = ""
    detector: str = ""
    severity: str = ""
    status: str = ""
    kind: str = ""
    entity: str = ""
    assignee: str = ""
    first: date | None = None
    last: date | None = None

    def params(self) -> dict[str, str]:
        """The filters that are on, as parameters of an address."""
        told = {one.name: getattr(self, one.name) for one in fields(self)}
        return {
            name: value.isoformat() if isinstance(value, date) else value
            for name, value in told.items()
            if value and (name, value) != ("show", "waiting")
        }


@dataclass(frozen=True)
class Incident:
    """The alerts of one incident that fit the filter, the worst first; `more` that are not listed."""

    incident_id: str
    alerts: Sequence[AlertRow]
    more: int

    @property
    def worst(self) -> AlertRow:
        """The one that it stands in the inbox for."""
        return self.alerts[0]

    @property
    def changed_at(self) -> datetime:
        """When the newest record arrived."""
        return max(alert.changed_at for alert in self.alerts)


class NoCursor(ValueError):
    """What was given is no place in the inbox."""


def change(session: Session, now: datetime) -> str:
    """A mark that differs when an inbox may: the ledger's end, and the minute, because snoozes end."""
    return f"{ledger.head(session).seq}-{int(now.timestamp() // 60)}"


def news(session: Session, seen: str) -> int:
    """How many records of alerts have arrived since a mark; 0 for what is no mark."""
    number = seen.partition("-")[0]
    if not (number.isascii() and number.isdecimal() and len(number) < 16):
        return 0
    query = select(func.count()).where(Entry.kind == "alert", Entry.seq > int(number))
    return session.scalar(query) or 0


def incidents(
    session: Session, wanted: Wanted, now: datetime, after: str = "", most: int = PAGE
) -> tuple[list[Incident], str | None]:
    """A page of incidents, and the cursor of the next one, None on the last.

    Raises:
        NoCursor: `after` is none.
    """
    worse = aliased(AlertRow)
    place = _place(AlertRow)
    query = select(AlertRow).where(
        *_conditions(AlertRow, wanted, now),
        ~exists().where(
            worse.incident_id == AlertRow.incident_id,
            _place(worse) > place,
            *_conditions(worse, wanted, now),
        ),
    )
    if after:
        query = query.where(place < _read(after))
    heads = list(session.scalars(query.order_by(*_worst_first(AlertRow)).limit(most + 1)))
    shown = heads[:most]
    together = _alerts_of(session, [head.incident_id for head in shown], wanted, now)
    found = [
        Incident(head.incident_id, alerts[:MOST_ALERTS], max(len(alerts) - MOST_ALERTS, 0))
        for head in shown
        if (alerts := together[head.incident_id])
    ]
    return found, _cursor(shown[-1]) if len(heads) > most else None


def alerts(
    session: Session, wanted: Wanted, now: datetime, after: str = "", most: int = PAGE
) -> tuple[list[AlertRow], str | None]:
    """The same alert by alert.

    Raises:
        NoCursor: `after` is none.
    """
    query = select(AlertRow).where(*_conditions(AlertRow, wanted, now))
    if after:
        query = query.where(_place(AlertRow) < _read(after))
    rows = list(session.scalars(query.order_by(*_worst_first(AlertRow)).limit(most + 1)))
    return rows[:most], _cursor(rows[most - 1]) if len(rows) > most else None


def incident(session: Session, incident_id: str, now: datetime) -> Incident | None:
    """All alerts of one incident."""
    found = _alerts_of(session, [incident_id], Wanted(show="everything"), now)[incident_id]
    return Incident(incident_id, found, 0) if found else None


def _alerts_of(
    session: Session, incident_ids: Sequence[str], wanted: Wanted, now: datetime
) -> dict[str, list[AlertRow]]:
    found: dict[str, list[AlertRow]] = {one: [] for one in incident_ids}
    query = select(AlertRow).where(
        AlertRow.incident_id.in_(incident_ids), *_conditions(AlertRow, wanted, now)
    )
    for row in session.scalars(query.order_by(*_worst_first(AlertRow))):
        found[row.incident_id].append(row)
    return found


def _place(row: type[AlertRow]) -> Any:
    return tuple_(row.severity_rank, row.score, row.decided_at, row.alert_id)


def _worst_first(row: type[AlertRow]) -> tuple[ColumnElement[Any], ...]:
    return row.severity_rank.desc(), row.score.desc(), row.decided_at.desc(), row.alert_id.desc()


def _conditions(row: type[AlertRow], wanted: Wanted, now: datetime) -> list[ColumnElement[bool]]:
    found = _shown(row, wanted.show, now)
    for column, value in (
        (row.agency_id, wanted.agency),
        (row.unit_id, wanted.unit),
        (row.detector, wanted.detector),
        (row.status, wanted.status),
        (row.entity_kind, wanted.kind),
        (row.entity, wanted.entity),
        (row.assignee, wanted.assignee),
    ):
        if value:
            found.append(column == value)
    if wanted.severity in SEVERITIES:
        found.append(row.severity_rank == SEVERITIES.index(wanted.severity))
    if wanted.first is not None:
        found.append(row.decided_at >= _begin(wanted.first))
    if wanted.last is not None:
        found.append(row.decided_at < _begin(wanted.last) + timedelta(days=1))
    return found


def _shown(row: type[AlertRow], show: str, now: datetime) -> list[ColumnElement[bool]]:
    """A snooze that is over has left what was before it, without anything being written."""
    over = row.snoozed_until <= now
    match show:
        case "waiting":
            return [row.open, or_(row.work_state != "snoozed", over)]
        case "closed":
            return [row.work_state == "closed"]
        case "snoozed":
            return [row.open, row.work_state == "snoozed", row.snoozed_until > now]
        case "new" | "acknowledged" | "asked" | "proposed":
            awake = and_(row.work_state == "snoozed", row.resting == show, over)
            return [row.open, or_(row.work_state == show, awake)]
    return []


def _begin(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _cursor(row: AlertRow) -> str:
    place = (row.severity_rank, row.score, row.decided_at, row.alert_id)
    return urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def _read(cursor: str) -> Any:
    """Raises NoCursor."""
    try:
        raw = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        place = msgspec.json.decode(raw, type=tuple[int, float, datetime, str])
        rank, score, decided_at, alert_id = place
        if decided_at.tzinfo is None or abs(rank) > 100:
            raise ValueError(place)
    except (ValueError, msgspec.MsgspecError) as error:
        raise NoCursor(f"{cursor[:40]} is no place in the inbox") from error
    return tuple_(rank, score, decided_at.astimezone(UTC), alert_id)
