"""One alert: what was found, how sure that is, what stands behind it, what else explains it."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from sqlalchemy.orm import Session

from console.access.permissions import Permission
from console.access.require import require
from console.reading import policy
from console.reading.evidence import Nearby, Peer, evidence, missing, nearby, peers, related
from console.reading.explaining import about, rarity
from console.storage.tables import AlertRow
from console.web.formats import entity_address
from console.web.given import Configured, Reading
from console.web.listings import alerts_table, searches_table
from console.web.page import Page
from console.web.pictures import expected_picture, timeline_picture
from console.web.tables import Column, Table
from models.alert import Alert, decode_alert
from models.wording import day_text

router = APIRouter(dependencies=[Depends(require(Permission.READ_ALERTS))], include_in_schema=False)

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
def alert(request: Request, session: Reading, configured: Configured, alert_id: str) -> Response:
    """The page of an alert."""
    row = row_of(session, alert_id)
    record = decode_alert(row.record)
    reference = configured.reference
    zone = ZoneInfo(reference.agency(record.agency_id).timezone if record.agency_id else "UTC")
    searches = evidence(session, record)
    events = nearby(reference, record, searches)
    page = Page(request, "alert.html", f"Alert about {row.entity_kind} {row.entity}", way="/inbox")
    if row.observed is not None:
        page.picture(expected_picture(row.observed, row.expected, record.interval, words="of these"))
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
    page.table(EVIDENCE, searches)
    page.table(NEARBY, events)
    page.table(_peers_table(record), peers(session, record))
    page.table(RELATED, related(session, row))
    return page.answer(
        row=row,
        record=record,
        zone=zone.key,
        last_moment=record.window_end - timedelta(seconds=1),
        sure=rarity(row.p_value, row.kind),
        clause=policy.find(reference.policy, row.clause),
        about=about(configured, row.detector),
        missing=missing(record, searches),
        peers_kind=_peers_kind(record),
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
    if alert.entity_kind == "requester" and alert.unit_id:
        return f"everybody of unit {alert.unit_id}"
    return f"every {alert.entity_kind} of the agency"


def _peers_table(alert: Alert) -> Table[Peer]:
    return Table(
        name="peers",
        caption=f"In the same time: {_peers_kind(alert)}",
        sort="searches",
        descending=True,
        empty="The store has no searches of this time.",
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
