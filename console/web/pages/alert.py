"""One alert: what was found, how sure that is, what stands behind it, what else explains it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from sqlalchemy.orm import Session

from console.access.permissions import Permission
from console.access.require import require
from console.access.visits import Current
from console.reading import policy
from console.reading.evidence import PEERS, Nearby, Peer, evidence, missing, nearby, peers, related
from console.reading.explaining import about, rarity
from console.reading.work import DISPOSITIONS, Happened, standing, words_of
from console.storage.tables import AlertRow
from console.web.formats import entity_address
from console.web.given import Configured, Now, Reading
from console.web.listings import alerts_table, searches_table
from console.web.page import Page
from console.web.pictures import expected_picture, timeline_picture
from console.web.tables import Column, Table
from models.alert import Alert, decode_alert
from models.decisions import MOST_SNOOZE
from models.wording import day_text

router = APIRouter(include_in_schema=False)

Reader = Annotated[Current, Depends(require(Permission.READ_ALERTS))]


@dataclass(frozen=True)
class Wrong:
    """A form that could not be carried out: which action, why, what had been typed, and the status to say."""

    action: str
    words: str
    typed: Mapping[str, str]
    status: int = 409


HISTORY: Table[Happened] = Table(
    name="history",
    caption="What happened to this alert",
    sort="number",
    empty="The ledger says nothing about it yet.",
    columns=(
        Column(name="number", title="Entry in the ledger", kind="number", value=lambda one: one.seq),
        Column(name="at", title="When", kind="time", value=lambda one: one.at),
        Column(name="who", title="Who", value=lambda one: one.actor or "the program"),
        Column(
            name="what", title="What", value=lambda one: f"{one.what} (undone)" if one.undone else one.what
        ),
        Column(name="text", title="In words", value=lambda one: one.text, wide=True, sort=False),
    ),
)
EVIDENCE = searches_table("evidence", "The evidence: searches that the alert names")
RELATED = alerts_table("related", "Related alerts", filters=False, empty="No other alert is about this.")
NEARBY: Table[Nearby] = Table(
    name="nearby",
    caption="Demonstrations near in time and place",
    empty="The calendar has no demonstration from three days before to three days after.",
    size=10,
    columns=(
        Column(name="day", title="Day", kind="day", value=lambda one: one.day),
        Column(
            name="away",
            title="Days from the judged time",
            kind="number",
            value=lambda one: one.days_away,
        ),
        Column(name="area", title="Area", value=lambda one: one.event.area or "the whole city"),
        Column(
            name="inside",
            title="Searches of the evidence in this area",
            kind="number",
            value=lambda one: one.searches_in_area,
        ),
        Column(name="size", title="People, at most", kind="number", value=lambda one: one.event.size or None),
        Column(
            name="interventions",
            title="With police intervention",
            kind="number",
            value=lambda one: one.event.interventions,
        ),
        Column(
            name="weight", title="Weight, 0 to 1", kind="number", value=lambda one: round(one.event.weight, 2)
        ),
    ),
)


@router.get("/alerts/{alert_id}")
def alert(
    request: Request,
    reader: Reader,
    session: Reading,
    configured: Configured,
    now: Now,
    alert_id: str,
) -> Response:
    """The page of an alert."""
    return shown(request, session, configured, reader, now, alert_id)


def shown(
    request: Request,
    session: Session,
    configured: Configured,
    reader: Current,
    now: datetime,
    alert_id: str,
    wrong: Wrong | None = None,
) -> Response:
    """The page of an alert, with what was wrong with a form of it, so that nobody types a reason twice."""
    row = row_of(session, alert_id)
    record = decode_alert(row.record)
    reference = configured.reference
    zone = ZoneInfo(reference.agency(record.agency_id).timezone if record.agency_id else "UTC")
    searches = evidence(session, record)
    events = nearby(reference, record, searches)
    work = standing(session, alert_id, reader.name, now)
    page = Page(request, "alert.html", f"Alert about {row.entity_kind} {row.entity}", way="/inbox")
    if row.observed is not None:
        page.picture(expected_picture(row.observed, row.expected, record.interval))
    if searches:
        page.picture(
            timeline_picture(
                [(one.event_time, one.event_id, f"{one.purpose}, {one.tool}") for one in searches],
                zone,
                (record.window_start, record.window_end),
                [
                    (one.day, f"{one.event.area or 'demonstration'}, {day_text(one.event.date)}")
                    for one in events
                ],
            )
        )
    page.table(HISTORY, list(work.history))
    page.table(EVIDENCE, searches)
    page.table(NEARBY, events)
    page.table(_peers_table(record), peers(session, record))
    page.table(RELATED, related(session, row))
    return page.answer(
        status=200 if wrong is None else wrong.status,
        row=row,
        record=record,
        work=work,
        wrong=wrong,
        dispositions=DISPOSITIONS,
        words_of=words_of,
        tomorrow=now.date() + timedelta(days=1),
        latest=now.date() + MOST_SNOOZE,
        zone=zone.key,
        sure=rarity(row.p_value, row.kind),
        clause=policy.find(reference.policy, row.clause),
        about=about(configured, row.detector),
        missing=missing(record, searches),
        configuration_is_other=configured.digest != row.config_digest,
    )


def row_of(session: Session, alert_id: str) -> AlertRow:
    """An alert. Raises HTTPException, 404, when there is none of this id."""
    row = session.get(AlertRow, alert_id)
    if row is None:
        raise HTTPException(404, "There is no alert with this number.")
    return row


def _peers_kind(alert: Alert) -> str:
    """Who the peers are, in words."""
    if alert.entity_kind not in PEERS or alert.agency_id is None:
        return "nobody is compared"
    if alert.entity_kind == "requester" and alert.unit_id:
        return f"everybody of unit {alert.unit_id}"
    return f"every {alert.entity_kind} of the agency"


def _peers_table(alert: Alert) -> Table[Peer]:
    return Table(
        name="peers",
        caption=f"In the same time: {_peers_kind(alert)}",
        sort="searches",
        descending=True,
        empty=(
            "The store has no searches of this time."
            if alert.entity_kind in PEERS and alert.agency_id is not None
            else f"An alert about one {alert.entity_kind} is not set beside others."
        ),
        size=10,
        columns=(
            Column(
                name="name",
                title=alert.entity_kind.capitalize(),
                value=lambda one: f"{one.name} (this one)" if one.itself else one.name,
                link=lambda one: entity_address(alert.entity_kind, alert.agency_id, one.name),
            ),
            Column(name="searches", title="Searches", kind="number", value=lambda one: one.searches),
            Column(name="cases", title="Cases", kind="number", value=lambda one: one.cases),
        ),
    )
