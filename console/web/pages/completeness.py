"""Which sources reported, and what is missing."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import select

from console.access.permissions import Permission
from console.access.require import require
from console.reading.completeness import LATELY, Reported, reported
from console.storage.tables import AlertRow, RefusalRow
from console.web.given import Configured, Reading
from console.web.listings import alerts_table
from console.web.page import Page
from console.web.tables import Column, Selected, Table

router = APIRouter(dependencies=[Depends(require(Permission.READ_COMPLETENESS))], include_in_schema=False)

SOURCES: Table[Reported] = Table(
    name="sources",
    caption="Sources",
    sort="state",
    descending=True,
    empty="No source has reported yet and none is declared.",
    columns=(
        Column(name="source", title="Source", value=lambda one: one.source, filter="contains"),
        Column(name="agency", title="Agency", value=lambda one: one.agency, filter="contains"),
        Column(
            name="state",
            title="State",
            value=lambda one: one.state,
            filter="choice",
            choices=("reports", "silent", "never reported"),
        ),
        Column(name="last", title="Last search", kind="time", value=lambda one: one.last, filter="days"),
        Column(name="first", title="First search", kind="time", value=lambda one: one.first),
        Column(name="searches", title="Searches", kind="number", value=lambda one: one.searches),
        Column(
            name="lately", title=f"In the last {LATELY} days", kind="number", value=lambda one: one.lately
        ),
        Column(name="idle", title="May be silent, hours", kind="number", value=lambda one: one.idle_hours),
        Column(name="declared", title="Declared", value=lambda one: "yes" if one.declared else "no"),
        Column(name="alerts", title="Open alerts", kind="number", value=lambda one: one.alerts),
    ),
)
GAPS = alerts_table("gaps", "Alerts about gaps and silence", filters=False, empty="No gap was found.")
REFUSALS: Table[RefusalRow] = Table(
    name="refusals",
    caption="Records that the console could not read",
    sort="at",
    descending=True,
    empty="None: every record could be read.",
    columns=(
        Column(
            name="at", title="When", kind="time", value=lambda one: one.at, sql=RefusalRow.at, filter="days"
        ),
        Column(
            name="topic", title="Topic", value=lambda one: one.topic, sql=RefusalRow.topic, filter="exact"
        ),
        Column(
            name="partition",
            title="Partition",
            kind="number",
            value=lambda one: one.partition,
            sql=RefusalRow.partition,
        ),
        Column(
            name="offset", title="Offset", kind="number", value=lambda one: one.offset, sql=RefusalRow.offset
        ),
        Column(
            name="reason",
            title="Why",
            value=lambda one: one.reason,
            sql=RefusalRow.reason,
            filter="contains",
            wide=True,
        ),
    ),
)


@router.get("/completeness")
def completeness(request: Request, session: Reading, configured: Configured) -> Response:
    """Sources, alerts about them, and records that nobody could read."""
    page = Page(request, "completeness.html", "Completeness")
    sources = reported(session, configured.reference)
    page.table(SOURCES, sources)
    gaps = select(AlertRow).where(AlertRow.entity_kind == "source")
    page.table(GAPS, Selected(session, gaps, AlertRow.alert_id))
    page.table(REFUSALS, Selected(session, select(RefusalRow), RefusalRow.offset))
    return page.answer(silent=[one for one in sources if one.state != "reports"], sources=sources)
