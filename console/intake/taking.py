"""Taking records in: each once, however often it comes, in the transaction that remembers how far we are.

A version of an alert becomes an entry of the ledger when its bytes are new. The first alert that names a
configuration, or a version of a detector, makes an entry of its own before it: what judged has changed.
A record that cannot be read is kept with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import String, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from console.storage import ledger, standing
from console.storage.base import Base
from console.storage.tables import AlertRow, Entry, Offset, RefusalRow, SearchRow
from models.alert import Alert, decode_alert, encode_alert
from models.ledger import Kind
from models.packing import decode_pack
from models.search import encode_search

#: Who writes the entries about what arrives.
ACTOR = "intake"
TOPICS = ("alerts", "searches")
#: Largest whole number that both databases keep in a plain column.
MOST = 2**31 - 1
_COLUMNS = tuple(column.key for column in SearchRow.__table__.columns if column.key not in ("record", "late"))


class Taken(NamedTuple):
    """A record of a topic, by the topic's logical name. `value` None is a tombstone."""

    topic: str
    partition: int
    offset: int
    value: bytes | None


def take(session: Session, records: Sequence[Taken], at: datetime) -> int:
    """Take records that are in the order of their partitions; how many were new. `at` is now."""
    ledger.lock(session)
    fresh = _fresh(session, records)
    alerts: list[Alert] = []
    for record in fresh:
        if record.value is None:
            continue
        try:
            if record.topic == "alerts":
                alerts.append(_alert(record.value))
            else:
                _searches(session, record.value)
        except ValueError as error:  # msgspec's errors are such, too
            session.add(
                RefusalRow(
                    topic=record.topic,
                    partition=record.partition,
                    offset=record.offset,
                    at=at,
                    reason=str(error),
                    payload=record.value,
                )
            )
    take_alerts(session, alerts, at)
    return len(fresh)


def take_alerts(session: Session, alerts: Iterable[Alert], at: datetime) -> int:
    """Take alerts in order; how many versions were new."""
    alerts = list(alerts)
    last = _last_records(session, {alert.alert_id for alert in alerts})
    bodies: list[tuple[Kind, str, object]] = []
    changed: dict[str, None] = {}
    known = _Judges(session)
    for alert in alerts:
        record = encode_alert(alert)
        if last.get(alert.alert_id) == record:
            continue
        last[alert.alert_id] = record
        bodies += known.new(alert)
        bodies.append(("alert", ACTOR, alert))
        changed[alert.alert_id] = None
    if bodies:
        ledger.append_all(session, bodies, at)
        for alert_id in changed:
            standing.stand(session, alert_id)
        standing.regroup(session, changed)
    return sum(kind == "alert" for kind, _, _ in bodies)


class _Judges:
    """Which configurations and which versions of detectors have been told of in the ledger."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: set[tuple[str, str]] = set()

    def new(self, alert: Alert) -> list[tuple[Kind, str, object]]:
        """What has to be told before an alert."""
        configuration = {"config_digest": alert.config_digest}
        model = {"detector": alert.detector, "detector_version": alert.detector_version}
        told: tuple[tuple[Kind, dict[str, object]], ...] = (
            ("configuration", {**configuration}),
            ("model", model),
        )
        return [(kind, ACTOR, body) for kind, body in told if not self._told(kind, body)]

    def _told(self, kind: Kind, body: dict[str, object]) -> bool:
        key = kind, msgspec.json.encode(body, order="sorted").decode()
        if key in self._known:
            return True
        self._known.add(key)
        return told(self._session, kind, body)


def told(session: Session, kind: Kind, body: dict[str, object]) -> bool:
    """Whether the ledger has an entry of this kind in which these fields have these values.

    Only for kinds that are rare: it reads all of them.
    """
    rows = session.scalars(select(Entry.body).where(Entry.kind == kind))
    return any(body.items() <= msgspec.json.decode(raw).items() for raw in rows)


def _fresh(session: Session, records: Sequence[Taken]) -> list[Taken]:
    """Those that have not been taken yet; from now on they have."""
    places: dict[tuple[str, int], Offset] = {}
    fresh = []
    for record in records:
        key = record.topic, record.partition
        if key not in places:
            found = session.get(Offset, key)
            if found is None:
                found = Offset(topic=record.topic, partition=record.partition, next_offset=0)
                session.add(found)
            places[key] = found
        if record.offset >= places[key].next_offset:
            places[key].next_offset = record.offset + 1
            fresh.append(record)
    return fresh


def _last_records(session: Session, alert_ids: Iterable[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for some in standing.portions(alert_ids):
        rows = session.execute(select(AlertRow.alert_id, AlertRow.record).where(AlertRow.alert_id.in_(some)))
        found |= {row.alert_id: row.record for row in rows}
    return found


def _alert(value: bytes) -> Alert:
    """An alert that both databases can hold. Raises ValueError."""
    alert = decode_alert(value)
    _fits(AlertRow, {"alert_id": alert.alert_id, **standing.of_alert(alert)})
    return alert


def _searches(session: Session, value: bytes) -> None:
    """The searches of a pack. Raises ValueError when it is none, or one of them cannot be held."""
    pack = decode_pack(value)
    late = set(pack.late)
    rows = []
    for place, search in enumerate(pack.searches):
        row = {name: getattr(search, name) for name in _COLUMNS}
        row |= {"late": place in late, "record": encode_search(search)}
        _fits(SearchRow, row)
        rows.append(row)
    if rows:
        dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
        session.execute(dialect.insert(SearchRow).on_conflict_do_nothing(), rows)


def _fits(table: type[Base], values: dict[str, Any]) -> None:
    """Raises ValueError for what one of the databases would refuse, and with it all that came along."""
    texts, longest = _texts(table)
    for name, value in values.items():
        if name in texts and value is not None:
            if "\0" in value:
                raise ValueError(f"{name} holds a null character")
            if len(value) > longest.get(name, len(value)):
                raise ValueError(f"{name} is longer than {longest[name]} characters")
        elif isinstance(value, int) and not -MOST <= value <= MOST:
            raise ValueError(f"{name} is out of range: {value}")


@cache
def _texts(table: type[Base]) -> tuple[frozenset[str], dict[str, int]]:
    """The text columns of a table, and how long those may be that have a limit."""
    types = {column.key: column.type for column in table.__table__.columns}
    texts = {name: kind for name, kind in types.items() if isinstance(kind, String)}
    return frozenset(texts), {name: kind.length for name, kind in texts.items() if kind.length is not None}
