"""The rules: clauses in force on a day, and what changed between two days."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from console.access.permissions import Permission
from console.access.require import require
from console.reading.policy import Change, InForce, changes, in_force
from console.web.given import Configured, Now
from console.web.page import Page
from console.web.tables import Column, Table
from models.alert import SEVERITIES

router = APIRouter(dependencies=[Depends(require(Permission.READ_POLICY))], include_in_schema=False)

CLAUSES: Table[InForce] = Table(
    name="clauses",
    caption="Clauses in force",
    sort="pack",
    empty="No clause is in force on this day.",
    row_id=lambda one: f"clause-{one.clause.id}",
    columns=(
        Column(name="pack", title="Policy", value=lambda one: one.pack.title, filter="contains"),
        Column(name="id", title="Clause", value=lambda one: one.clause.id, filter="contains"),
        Column(name="title", title="What it is about", value=lambda one: one.clause.title, filter="contains"),
        Column(
            name="text",
            title="Text",
            value=lambda one: one.clause.text,
            filter="contains",
            wide=True,
            sort=False,
        ),
        Column(
            name="severity",
            title="Severity of a breach",
            kind="severity",
            value=lambda one: one.clause.severity,
            filter="choice",
            choices=SEVERITIES[::-1],
            rank=lambda one: SEVERITIES.index(one.clause.severity),
        ),
        Column(
            name="from",
            title="In force from",
            kind="day",
            value=lambda one: date.fromordinal(one.clause.valid_from),
        ),
        Column(
            name="to",
            title="Up to, not including",
            kind="day",
            value=lambda one: date.fromordinal(one.clause.valid_to) if one.clause.valid_to else None,
        ),
        Column(
            name="source",
            title="Source",
            value=lambda one: one.clause.source,
            link=lambda one: one.clause.url,
            wide=True,
        ),
        Column(
            name="condition",
            title="A breach is",
            value=lambda one: one.clause.condition,
            wide=True,
            sort=False,
        ),
    ),
)
CHANGES: Table[Change] = Table(
    name="changes",
    caption="What changed",
    sort="day",
    empty="No clause began or ended between these days.",
    columns=(
        Column(name="day", title="Day", kind="day", value=lambda one: date.fromordinal(one.day)),
        Column(
            name="what", title="What", value=lambda one: one.what, filter="choice", choices=("began", "ended")
        ),
        Column(name="pack", title="Policy", value=lambda one: one.pack.title, filter="contains"),
        Column(name="id", title="Clause", value=lambda one: one.clause.id, filter="contains"),
        Column(
            name="text",
            title="Text",
            value=lambda one: one.clause.text,
            filter="contains",
            wide=True,
            sort=False,
        ),
    ),
)


@router.get("/policy")
def policy(
    request: Request,
    configured: Configured,
    now: Now,
    day: Annotated[date | None, Query()] = None,
    before: Annotated[date | None, Query()] = None,
    pack: Annotated[str | None, Query(max_length=128)] = None,
) -> Response:
    """Clauses on `day` (today), and what changed since `before` (a year earlier)."""
    register = configured.reference.policy
    day = day or now.date()
    before = before or date.fromordinal(max(day.toordinal() - 365, 1))
    first, last = sorted((before, day))
    page = Page(request, "policy.html", "Policy")
    page.table(CLAUSES, in_force(register, day.toordinal(), pack or None))
    page.table(CHANGES, changes(register, first.toordinal(), last.toordinal(), pack or None))
    return page.answer(
        asked=day, first=first, last=last, before=before, pack=pack or "", packs=register.packs
    )
