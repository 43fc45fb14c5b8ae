"""Requester, unit, tool and subject: history against what was usual, risk, alerts, searches."""

from __future__ import annotations

from datetime import date
from typing import Annotated, get_args

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from console.access.permissions import Permission
from console.access.require import require
from console.reading.entities import Entity, EntityPage, Share, find
from console.reading.history import weeks_of
from console.reading.risk import contributions, risk_settings
from console.storage.tables import SearchRow
from console.web.formats import entity_address
from console.web.given import Configured, Reading
from console.web.listings import alerts_table, searches_table
from console.web.page import Page
from console.web.pictures import contributions_picture, history_picture
from console.web.tables import Column, Selected, Table
from models.roster import Posting
from models.tools import Approval

router = APIRouter(dependencies=[Depends(require(Permission.READ_SEARCHES))], include_in_schema=False)

Name = Annotated[str, Query(min_length=1, max_length=400)]
Agency = Annotated[str | None, Query(max_length=128)]
ALERTS = alerts_table("alerts", "Alerts", filters=False, empty="No alert was ever told.")
SEARCHES = searches_table("searches", "Searches")
TITLES = {"requester": "Requester", "unit": "Unit", "tool": "Tool", "subject": "Subject"}
BESIDE = {
    "requester": "Requesters in its searches",
    "unit": "Units in its searches",
    "tool": "Tools used",
    "subject": "Subjects searched for",
}


@router.get("/people")
def people(
    request: Request,
    session: Reading,
    kind: Annotated[EntityPage, Query()] = "requester",
    words: Annotated[str, Query(max_length=400)] = "",
) -> Response:
    """Find one by the begin of its name."""
    page = Page(request, "people.html", "Who and what")
    found = find(session, kind, words.strip())
    page.table(
        Table(
            name="found",
            caption=f"{TITLES[kind]}s whose name begins so" if words.strip() else f"{TITLES[kind]}s",
            sort="name",
            empty="The store has no search with such a name.",
            columns=(
                Column(
                    name="name",
                    title=TITLES[kind],
                    value=lambda one: one[1],
                    link=lambda one: entity_address(kind, one[0], one[1]),
                ),
                Column(name="agency", title="Agency", value=lambda one: one[0]),
            ),
        ),
        found,
    )
    return page.answer(kind=kind, words=words, kinds=get_args(EntityPage), titles=TITLES)


@router.get("/requester")
def requester(
    request: Request, session: Reading, configured: Configured, name: Name, agency: Agency = None
) -> Response:
    """One requester, by pseudonym."""
    return _answer(request, session, configured, "requester", name, agency)


@router.get("/unit")
def unit(
    request: Request, session: Reading, configured: Configured, name: Name, agency: Agency = None
) -> Response:
    """One unit."""
    return _answer(request, session, configured, "unit", name, agency)


@router.get("/tool")
def tool(
    request: Request, session: Reading, configured: Configured, name: Name, agency: Agency = None
) -> Response:
    """One tool, under all names that the register knows."""
    return _answer(request, session, configured, "tool", name, agency)


@router.get("/subject")
def subject(
    request: Request, session: Reading, configured: Configured, name: Name, agency: Agency = None
) -> Response:
    """One person searched for, by pseudonym."""
    return _answer(request, session, configured, "subject", name, agency)


def _answer(
    request: Request,
    session: Session,
    configured: Configured,
    kind: EntityPage,
    name: str,
    agency: str | None,
) -> Response:
    entity = Entity(kind, name, agency, configured.reference)
    first, last, number = session.execute(
        select(func.min(SearchRow.event_time), func.max(SearchRow.event_time), func.count()).where(
            *entity.where
        )
    ).one()
    told = list(session.scalars(entity.alerts()))
    if not number and not told:
        raise HTTPException(404, f"The store has no search and no alert with the {kind} {name}.")
    page = Page(request, "entity.html", f"{TITLES[kind]} {name}", way="/people")
    days = entity.days(session)
    # The last day that is known, not today: a log may end long ago.
    known = [*days, *(row.decided_at.date() for row in told)]
    last_day = max(known)
    if days:
        page.picture(
            history_picture(weeks_of(days, entity.alert_days(session), last_day), of=f"{kind} {name}")
        )
    threshold = None
    if kind == "requester":
        sums, settings = risk_settings(configured)
        parts = contributions(told, last_day, entity.zone, sums, settings)
        threshold = settings.threshold
        if parts:
            page.picture(contributions_picture(parts, threshold))
    page.table(ALERTS, told)
    for what, shares in entity.beside(session).items():
        page.table(_shares_table(what, entity), shares)
    page.table(SEARCHES, Selected(session, entity.searches(), SearchRow.event_id))
    if kind == "requester" and agency is not None:
        page.table(POSTINGS, list(configured.reference.roster.of(agency).postings(name)))
    if kind == "tool":
        canonical = configured.reference.tools.canonical(name)
        tools = [one for one in configured.reference.tools.tools if one.tool == canonical]
        page.table(APPROVALS, [approval for one in tools for approval in one.approvals])
    return page.answer(
        entity=entity,
        first=first,
        last=last,
        number=number,
        last_day=last_day,
        threshold=threshold,
        alerts=len(told),
        open_alerts=sum(row.open for row in told),
        beside=list(BESIDE),
    )


def _shares_table(kind: str, entity: Entity) -> Table[Share]:
    return Table(
        name=kind,
        caption=BESIDE[kind],
        sort="searches",
        descending=True,
        size=10,
        columns=(
            Column(
                name="name",
                title=TITLES[kind],
                value=lambda one: one.name,
                link=lambda one: entity_address(kind, entity.agency, one.name),
                filter="contains",
            ),
            Column(name="searches", title="Searches", kind="number", value=lambda one: one.searches),
            Column(name="first", title="First", kind="time", value=lambda one: one.first),
            Column(name="last", title="Last", kind="time", value=lambda one: one.last),
        ),
    )


POSTINGS: Table[Posting] = Table(
    name="postings",
    caption="Postings on the roster",
    sort="from",
    empty="The roster does not know this requester.",
    columns=(
        Column(name="unit", title="Unit", value=lambda one: one.unit_id),
        Column(name="role", title="Role", value=lambda one: one.role or None),
        Column(name="shift", title="Shift", value=lambda one: one.shift or None),
        Column(name="from", title="From", kind="day", value=lambda one: date.fromordinal(one.valid_from)),
        Column(name="to", title="Up to, not including", kind="day", value=lambda one: _day(one.valid_to)),
        Column(name="trained", title="Trained until", kind="day", value=lambda one: _day(one.trained_until)),
    ),
)
APPROVALS: Table[Approval] = Table(
    name="approvals",
    caption="Approvals",
    sort="from",
    empty="The register of tools has no approval of this tool.",
    columns=(
        Column(
            name="agency",
            title="Agency",
            value=lambda one: "every agency" if one.agency_id == "*" else one.agency_id,
        ),
        Column(name="from", title="From", kind="day", value=lambda one: date.fromordinal(one.valid_from)),
        Column(name="to", title="Up to, not including", kind="day", value=lambda one: _day(one.valid_to)),
        Column(name="source", title="Source", value=lambda one: one.source or None, wide=True),
    ),
)


def _day(ordinal: int | None) -> date | None:
    return None if ordinal is None else date.fromordinal(ordinal)
