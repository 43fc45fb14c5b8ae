"""The rows of alerts and of the work on them, as what the ledger's entries amount to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, delete, or_, select, tuple_, update
from sqlalchemy.orm import Session

from console.storage import ledger
from console.storage.tables import AlertRow, DecisionRow, Merge
from console.storage.tables import Entry as LedgerRow
from models.alert import SEVERITIES, Alert, encode_alert
from models.decisions import Decision, Event, Seen, Work, fold
from models.grouping import Key, Span, incidents
from models.ledger import Entry

#: Ids asked for in one query.
AT_ONCE = 500


class UnknownAlert(LookupError):
    """There is no alert of this id."""


def happened(entries: Iterable[Entry]) -> list[Event]:
    """What entries about one alert say that bears on where it stands; an export does not."""
    found: list[Event] = []
    for entry in entries:
        if entry.kind == "alert":
            found.append(Seen.of(msgspec.convert(entry.body, Alert)))
        elif entry.kind in ("decision", "silence"):
            found.append(msgspec.convert(entry.body, Decision))
    return found


def stand(session: Session, alert_id: str) -> None:
    """Make the rows of one alert anew from the ledger; its incident is made by `regroup`.

    Raises:
        UnknownAlert: the ledger holds no version of it.
    """
    entries = ledger.about(session, alert_id)
    versions = [entry for entry in entries if entry.kind == "alert"]
    if not versions:
        raise UnknownAlert(f"there is no alert {alert_id}")
    work = fold(happened(entries))
    decided = [entry for entry in entries if entry.kind in ("decision", "silence")]
    values = {
        **of_alert(msgspec.convert(versions[-1].body, Alert)),
        **of_work(work),
        "versions": len(versions),
        "arrived_at": versions[0].at,
        "changed_at": versions[-1].at,
        "decisions": len(decided),
    }
    row = session.get(AlertRow, alert_id)
    if row is None:
        session.add(AlertRow(alert_id=alert_id, incident_id=alert_id, **values))
        session.flush()
    else:
        for name, value in values.items():
            setattr(row, name, value)
    known = set(session.scalars(select(DecisionRow.decision_id).where(DecisionRow.alert_id == alert_id)))
    session.add_all(
        DecisionRow(seq=entry.seq, **msgspec.structs.asdict(decision))
        for entry in decided
        if (decision := msgspec.convert(entry.body, Decision)).decision_id not in known
    )
    _merges(session, alert_id, work.merged)
    session.flush()


def of_alert(alert: Alert) -> dict[str, Any]:
    """The columns of an alert's row that are the alert itself, but for its id."""
    fields = msgspec.structs.asdict(alert)
    del fields["evidence"], fields["alert_id"]
    low, high = fields.pop("interval") or (None, None)
    return {
        **fields,
        "interval_low": low,
        "interval_high": high,
        "severity_rank": SEVERITIES.index(alert.severity),
        "record": encode_alert(alert),
    }


def of_work(work: Work) -> dict[str, Any]:
    """The columns of an alert's row that are the work on it."""
    return {
        "work_state": work.state,
        "resting": work.resting,
        "open": work.open,
        "assignee": work.assignee,
        "acknowledged_at": work.acknowledged_at,
        "question": work.question,
        "snoozed_until": work.snoozed_until,
        "disposition": work.disposition,
        "disposed_by": work.disposed_by,
        "confirmed_by": work.confirmed_by,
        "reason": work.reason,
        "closed_at": work.closed_at,
    }


def _merges(session: Session, alert_id: str, merged: Sequence[str]) -> None:
    there = set(session.scalars(select(Merge.into).where(Merge.alert_id == alert_id)))
    session.add_all(Merge(alert_id=alert_id, into=into) for into in merged if into not in there)
    if gone := there.difference(merged):
        session.execute(delete(Merge).where(Merge.alert_id == alert_id, Merge.into.in_(gone)))


def regroup(session: Session, alert_ids: Iterable[str]) -> None:
    """Tell the incidents anew of these alerts, of all that may belong together with them, and did."""
    spans: dict[str, Span] = {}
    current: dict[str, str] = {}
    merges: set[tuple[str, str]] = set()
    done: set[Key] = set()
    wanted = set(alert_ids)
    for some in portions([*wanted]):
        theirs = select(AlertRow.incident_id).where(AlertRow.alert_id.in_(some))
        wanted.update(session.scalars(select(AlertRow.alert_id).where(AlertRow.incident_id.in_(theirs))))
    while wanted:
        keys = {span.key for span in _spans(session, alert_ids=wanted)} - done
        done |= keys
        fresh = _spans(session, keys=keys)
        spans |= {span.alert_id: span for span in fresh}
        new = {span.alert_id for span in fresh}
        linked = _linked(session, new)
        merges |= linked
        wanted = {one for pair in linked for one in pair} - spans.keys()
    for some in portions(spans):
        rows = session.execute(
            select(AlertRow.alert_id, AlertRow.incident_id).where(AlertRow.alert_id.in_(some))
        )
        current |= {row.alert_id: row.incident_id for row in rows}
    for alert_id, incident_id in incidents(spans.values(), merges).items():
        if current[alert_id] != incident_id:
            session.execute(
                update(AlertRow).where(AlertRow.alert_id == alert_id).values(incident_id=incident_id)
            )


def _spans(
    session: Session, *, alert_ids: Iterable[str] | None = None, keys: Iterable[Key] | None = None
) -> list[Span]:
    """The spans of these alerts, or of all alerts with these keys."""
    if alert_ids is not None:
        conditions: list[ColumnElement[bool]] = [AlertRow.alert_id.in_(some) for some in portions(alert_ids)]
    else:
        given = list(keys or ())
        of_agency = [key for key in given if key[0] is not None]
        of_none = [key[1:] for key in given if key[0] is None]
        whose = tuple_(AlertRow.agency_id, AlertRow.entity_kind, AlertRow.entity)
        what = tuple_(AlertRow.entity_kind, AlertRow.entity)
        conditions = [whose.in_(some) for some in portions(of_agency)]
        conditions += [AlertRow.agency_id.is_(None) & what.in_(some) for some in portions(of_none)]
    found = []
    for condition in conditions:
        rows = session.execute(
            select(
                AlertRow.alert_id,
                AlertRow.agency_id,
                AlertRow.entity_kind,
                AlertRow.entity,
                AlertRow.window_start,
                AlertRow.window_end,
                AlertRow.first_seen,
            ).where(condition)
        )
        found += [Span(one.alert_id, (one.agency_id, one.entity_kind, one.entity), *one[4:]) for one in rows]
    return found


def _linked(session: Session, alert_ids: Iterable[str]) -> set[tuple[str, str]]:
    """The merges on either side of which one of these alerts stands."""
    found: set[tuple[str, str]] = set()
    for some in portions(alert_ids):
        rows = session.execute(
            select(Merge.alert_id, Merge.into).where(or_(Merge.alert_id.in_(some), Merge.into.in_(some)))
        )
        found |= {(row.alert_id, row.into) for row in rows}
    return found


def portions(values: Iterable[Any]) -> list[list[Any]]:
    """Values in lists that are short enough for one query."""
    whole = list(values)
    return [whole[place : place + AT_ONCE] for place in range(0, len(whole), AT_ONCE)]


def rebuild(session: Session) -> int:
    """Delete the alerts and the work on them, and make them anew from the ledger; how many there are."""
    ledger.lock(session)
    for table in (Merge, DecisionRow, AlertRow):
        session.execute(delete(table))
    session.expire_all()
    alert_ids = session.scalars(select(LedgerRow.alert_id).where(LedgerRow.kind == "alert").distinct()).all()
    for alert_id in alert_ids:
        if alert_id is not None:
            stand(session, alert_id)
    regroup(session, [one for one in alert_ids if one is not None])
    return len(alert_ids)


def versions(session: Session, alert_id: str) -> list[tuple[datetime, Alert]]:
    """Every version of an alert that has arrived, oldest first, with the time at which it did."""
    return [
        (entry.at, msgspec.convert(entry.body, Alert))
        for entry in ledger.about(session, alert_id)
        if entry.kind == "alert"
    ]


def history(session: Session, alert_id: str) -> list[Event]:
    """All that happened to an alert, in order: versions that arrived and decisions."""
    return happened(ledger.about(session, alert_id))
