"""The inbox: alerts that match a filter, in their incidents, worst first, a page at a time.

An incident stands where the worst of its matching alerts stands: by severity, then score, then time. A page
ends with a `Place`, and the next one begins behind it; so a page costs the same wherever it is, and what
arrives in the meantime neither repeats nor hides anything.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import reduce
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, case, func, select, tuple_
from sqlalchemy.orm import Session, aliased

from console.storage.standing import portions
from console.storage.tables import AlertRow
from models.alert import SEVERITIES, Severity, Status
from models.decisions import State

#: Incidents of a page, and the most of their alerts that are shown under each.
PAGE, SHOWN = 50, 20
#: Alerts looked at together to find the incidents of a page.
AT_ONCE = 100
#: Alerts in which words are looked for on one page.
LOOKED_THROUGH = 5_000


@dataclass(frozen=True, kw_only=True)
class Filter:
    """What is asked for; what is empty or None asks for nothing. Names are matched whole."""

    waiting: bool = True
    """Only what somebody has to look at now: neither closed, withdrawn nor snoozed."""
    states: frozenset[State] = frozenset()
    """Where the work stands; with these, `waiting` is not asked for. Withdrawn alerts come only
    along with closed ones."""
    severities: frozenset[Severity] = frozenset()
    statuses: frozenset[Status] = frozenset()
    detector: str | None = None
    agency: str | None = None
    unit: str | None = None
    entity: str | None = None
    """A pseudonym or a name, of whatever kind."""
    assignee: str | None = None
    since: datetime | None = None
    """`decided_at` from here on."""
    until: datetime | None = None
    """`decided_at` before this."""
    text: str | None = None
    """Words in the explanation, the entity, the clause or the id, in any case of letters. A page looks for
    them in the next 5,000 alerts that match otherwise: it may hold few or none and yet not be the last."""


class Place(NamedTuple):
    """Behind which incident a page ended: what its worst alert is sorted by."""

    severity_rank: int
    score: float
    decided_at: datetime
    alert_id: str

    @classmethod
    def of(cls, row: AlertRow) -> Place:
        """The place of an alert."""
        return cls(row.severity_rank, row.score, row.decided_at, row.alert_id)


class Incident(NamedTuple):
    """An incident of the inbox, with the alerts of it that match, worst first."""

    incident_id: str
    alerts: Sequence[AlertRow]
    """At most `SHOWN`."""
    matching: int
    """How many match in all."""


class Page(NamedTuple):
    """A page, and behind which place the next one begins; None when there is none."""

    incidents: Sequence[Incident]
    following: Place | None


def inbox(
    session: Session, wanted: Filter, now: datetime, after: Place | None = None, size: int = PAGE
) -> Page:
    """One page of the inbox. `now` tells which snoozes are over."""
    found: list[_Members] = []
    place, end = after, _end(session, wanted, now, after)
    while len(found) <= size:
        candidates = session.execute(_candidates(wanted, now, place, end)).all()
        members = _members(session, wanted, now, {row.incident_id for row in candidates})
        for row in candidates:
            incident = members[row.incident_id]
            if incident.alert_ids[0] == row.alert_id:
                found.append(incident)
        if len(candidates) < AT_ONCE:
            break
        place = Place(*candidates[-1][:4])
    shown = _whole(session, found[:size])
    return Page(shown, Place.of(shown[-1].alerts[0]) if len(found) > size else end)


class _Members(NamedTuple):
    """An incident by the ids of the alerts that are shown of it, worst first."""

    incident_id: str
    alert_ids: list[str]
    matching: int


def _whole(session: Session, found: Sequence[_Members]) -> list[Incident]:
    """Incidents with the alerts themselves; only those of the page are read whole."""
    rows: dict[str, AlertRow] = {}
    for some in portions(alert_id for one in found for alert_id in one.alert_ids):
        many = session.scalars(select(AlertRow).where(AlertRow.alert_id.in_(some)))
        rows |= {row.alert_id: row for row in many}
    return [
        Incident(one.incident_id, [rows[alert_id] for alert_id in one.alert_ids], one.matching)
        for one in found
    ]


def _in_order(query: Select[Any], after: Place | None) -> Select[Any]:
    """Worst first, from behind a place on."""
    if after is not None:
        query = query.where(tuple_(*_order(AlertRow)) < tuple_(*after))
    return query.order_by(*(column.desc() for column in _order(AlertRow)))


def _end(session: Session, wanted: Filter, now: datetime, after: Place | None) -> Place | None:
    """How far words are looked for, if there is more behind it."""
    if not wanted.text:
        return None
    matching = _conditions(AlertRow, replace(wanted, text=None), now)
    query = _in_order(select(*_order(AlertRow)).where(*matching), after)
    last = session.execute(query.offset(LOOKED_THROUGH).limit(1)).first()
    return Place(*last) if last else None


def _candidates(wanted: Filter, now: datetime, after: Place | None, end: Place | None) -> Select[Any]:
    """The next matching alerts, worst first; some of them are not the worst of their incident.

    To ask for the worst ones in one query makes the databases compare everything with everything.
    """
    query = select(*_order(AlertRow), AlertRow.incident_id).where(*_conditions(AlertRow, wanted, now))
    if end is not None:
        query = query.where(tuple_(*_order(AlertRow)) >= tuple_(*end))
    return _in_order(query, after).limit(AT_ONCE)


def _members(
    session: Session, wanted: Filter, now: datetime, incident_ids: Collection[str]
) -> dict[str, _Members]:
    """These incidents with their matching alerts."""
    # First all alerts of the incidents and then those that match: the other way round takes all that match.
    whole = select(AlertRow).where(AlertRow.incident_id.in_(incident_ids)).cte("whole")
    member = aliased(AlertRow, whole.prefix_with("MATERIALIZED"))
    whose = member.incident_id
    place = func.row_number().over(partition_by=whose, order_by=[c.desc() for c in _order(member)])
    ranked = select(
        whose, member.alert_id, place.label("place"), func.count().over(partition_by=whose).label("matching")
    ).where(*_conditions(member, wanted, now))
    inner = ranked.subquery()
    rows = session.execute(
        select(inner.c.incident_id, inner.c.alert_id, inner.c.matching)
        .where(inner.c.place <= SHOWN)
        .order_by(inner.c.incident_id, inner.c.place)
    )
    found: dict[str, _Members] = {}
    for incident_id, alert_id, many in rows:
        found.setdefault(incident_id, _Members(incident_id, [], many)).alert_ids.append(alert_id)
    return found


def _order(alert: Any) -> tuple[Any, ...]:
    return alert.severity_rank, alert.score, alert.decided_at, alert.alert_id


def _conditions(alert: Any, wanted: Filter, now: datetime) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    resting = and_(alert.work_state == "snoozed", alert.snoozed_until > now)
    if wanted.states:
        over = and_(alert.work_state == "snoozed", alert.snoozed_until <= now)
        state = case((over, alert.resting), else_=alert.work_state)
        found.append(state.in_(sorted(wanted.states)))
        if "closed" not in wanted.states:
            found.append(alert.open.is_(True))
    elif wanted.waiting:
        found += [alert.open.is_(True), ~resting]
    if wanted.severities:
        # A range keeps the order of the index, which a list of values does not.
        ranks = sorted(SEVERITIES.index(severity) for severity in wanted.severities)
        found += [alert.severity_rank >= ranks[0], alert.severity_rank <= ranks[-1]]
        found.append(alert.severity.in_(sorted(wanted.severities)))
    if wanted.statuses:
        found.append(alert.status.in_(sorted(wanted.statuses)))
    for column, value in (
        (alert.detector, wanted.detector),
        (alert.agency_id, wanted.agency),
        (alert.unit_id, wanted.unit),
        (alert.entity, wanted.entity),
        (alert.assignee, wanted.assignee),
    ):
        if value is not None:
            found.append(column == value)
    if wanted.since is not None:
        found.append(alert.decided_at >= wanted.since)
    if wanted.until is not None:
        found.append(alert.decided_at < wanted.until)
    if wanted.text:
        # One text of all of them, with lines between that no word holds, is looked through once a word.
        parts = (alert.explanation, alert.entity, func.coalesce(alert.clause, ""), alert.alert_id)
        whole = reduce(lambda before, part: before + "\n" + part, parts)
        found += [whole.icontains(word, autoescape=True) for word in wanted.text.split()]
    return found
