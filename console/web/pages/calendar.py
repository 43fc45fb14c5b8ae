"""Searches and alerts against demonstrations, a year at a time."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from console.access.permissions import Permission
from console.access.require import require
from console.reading.calendar import agencies, newest_day, year_of
from console.web.given import Configured, Now, Reading
from console.web.page import Page
from console.web.pictures import heat_picture
from console.web.tables import Column, Table
from models.calendar import Event

router = APIRouter(dependencies=[Depends(require(Permission.READ_FIGURES))], include_in_schema=False)

EVENTS: Table[Event] = Table(
    name="events",
    caption="Demonstrations",
    sort="day",
    empty="The calendar has no demonstration in this year.",
    columns=(
        Column(
            name="day", title="Day", kind="day", value=lambda one: date.fromordinal(one.date), filter="days"
        ),
        Column(name="area", title="Area", value=lambda one: one.area or "the whole city", filter="contains"),
        Column(name="kind", title="Kind", value=lambda one: one.kind, filter="contains"),
        Column(
            name="size",
            title="People, at most",
            kind="number",
            value=lambda one: one.size or None,
            filter="least",
        ),
        Column(name="count", title="Demonstrations", kind="number", value=lambda one: one.count),
        Column(
            name="interventions",
            title="With police intervention",
            kind="number",
            value=lambda one: one.interventions,
            filter="least",
        ),
        Column(name="weight", title="Weight, 0 to 1", kind="number", value=lambda one: round(one.weight, 2)),
        Column(name="source", title="Source", value=lambda one: one.source or None),
    ),
)


@router.get("/calendar")
def calendar(
    request: Request,
    session: Reading,
    configured: Configured,
    now: Now,
    agency: Annotated[str | None, Query(max_length=128)] = None,
    year: Annotated[int | None, Query(ge=2000, le=2099)] = None,
) -> Response:
    """One agency, one year: the newest of which anything is known, unless asked otherwise."""
    page = Page(request, "calendar.html", "Calendar")
    reference = configured.reference
    known = agencies(session, reference)
    chosen = agency or next(iter(known), None)
    if chosen is None:
        return page.answer(agencies=[], agency=None, year=None)
    year = year or (newest_day(session, reference, chosen) or now.date()).year
    first, last = date(year, 1, 1), date(year, 12, 31)
    page.picture(heat_picture(first, last, year_of(session, reference, chosen, first, last)))
    events = [
        event
        for number in range(first.toordinal(), last.toordinal() + 1)
        for event in reference.calendar.on(chosen, number)
    ]
    page.table(EVENTS, events)
    return page.answer(agencies=known, agency=chosen, year=year)
