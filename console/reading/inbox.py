"""How the inbox is asked for in an address, and the marks by which a page notices that it has changed."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from typing import cast

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from console.storage import ledger
from console.storage.inbox import Filter, Place
from console.storage.tables import AlertRow, Entry
from models.alert import SEVERITIES, Status
from models.decisions import State

#: What an inbox can be asked to show, besides the states of work.
SHOWN = ("waiting", "new", "acknowledged", "asked", "proposed", "snoozed", "closed", "everything")
STATUSES: tuple[Status, ...] = ("provisional", "final", "amended", "withdrawn")


@dataclass(frozen=True)
class Asked:
    """Filters as words of an address, empty ones for none. Days are UTC days of the decision."""

    show: str = "waiting"
    severity: str = ""
    detector: str = ""
    status: str = ""
    agency: str = ""
    unit: str = ""
    entity: str = ""
    assignee: str = ""
    text: str = ""
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

    def filter(self) -> Filter:
        """The same for the store; what it cannot be is passed over."""
        states = () if self.show in ("waiting", "everything") else (cast(State, self.show),)
        return Filter(
            waiting=self.show == "waiting",
            states=frozenset(states),
            severities=frozenset({self.severity} if self.severity in SEVERITIES else ()),
            statuses=frozenset({self.status} if self.status in STATUSES else ()),
            detector=self.detector or None,
            agency=self.agency or None,
            unit=self.unit or None,
            entity=self.entity or None,
            assignee=self.assignee or None,
            since=None if self.first is None else _begin(self.first),
            until=None if self.last is None else _begin(self.last) + timedelta(days=1),
            text=self.text or None,
        )


class NoPlace(ValueError):
    """What was given is no place in the inbox."""


def written(place: Place | None) -> str | None:
    """A place as it stands in an address."""
    return None if place is None else urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def read(text: str) -> Place | None:
    """A place from an address, None for an empty one.

    Raises:
        NoPlace: it is none.
    """
    if not text:
        return None
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        place = msgspec.json.decode(raw, type=Place)
        if place.decided_at.tzinfo is None or not 0 <= place.severity_rank < len(SEVERITIES):
            raise NoPlace(place)
        return place._replace(decided_at=place.decided_at.astimezone(UTC))
    except (ValueError, OverflowError, msgspec.MsgspecError):
        raise NoPlace(f"{text[:40]} is no place in the inbox") from None


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


def alerts_of(session: Session, incident_id: str) -> list[AlertRow]:
    """All alerts of one incident, whatever became of them, the earliest first; none for an unknown one."""
    query = select(AlertRow).where(AlertRow.incident_id == incident_id)
    return list(session.scalars(query.order_by(AlertRow.first_seen, AlertRow.alert_id)))


def _begin(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
