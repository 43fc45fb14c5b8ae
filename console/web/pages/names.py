"""Who a pseudonym is, and who asked how often."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, HTTPException, Request, Response
from sqlalchemy import select
from sqlalchemy.orm import contains_eager

from console.access import names
from console.access.names import Habit, Unknown, habits
from console.access.permissions import Permission
from console.access.require import require
from console.access.tables import AccountRow, LookUpRow
from console.access.visits import Current
from console.web.given import Now, Reading, Writing
from console.web.page import Page
from console.web.rendering import render
from console.web.tables import Column, Selected, Table
from models.wording import day_text, figure

router = APIRouter(prefix="/names", include_in_schema=False)
Judge = Annotated[Current, Depends(require(Permission.LOOK_UP_NAMES))]
MOST_LETTERS = 64


@router.get("")
def ask(request: Request, current: Judge, pseudonym: str = "", alert: str = "") -> Response:
    """The form that asks for a reason."""
    return _form(request, pseudonym[:MOST_LETTERS], alert[:MOST_LETTERS])


@router.post("")
def look_up(
    request: Request,
    current: Judge,
    session: Writing,
    now: Now,
    pseudonym: Annotated[str, Form(max_length=MOST_LETTERS)],
    reason: Annotated[str, Form()] = "",
    alert: Annotated[str, Form(max_length=MOST_LETTERS)] = "",
) -> Response:
    """Who it is. The page is sent only after the ledger has the entry: the session is committed before."""
    pseudonym = pseudonym.strip()
    try:
        person = names.look_up(
            session, request.app.state.names, current, pseudonym, reason, now, alert or None
        )
    except Unknown as unknown:
        raise HTTPException(409, str(unknown)) from None
    except ValueError as refused:
        return _form(request, pseudonym, alert, str(refused), 422)
    words = {"pseudonym": pseudonym, "person": person, "day_text": day_text, "alert": alert}
    return render(request, "name.html", "Who this is", words)


ACCOUNTS: Table[Habit] = Table(
    name="accounts",
    caption="Look-ups by account",
    columns=(
        Column(name="account", title="Account", value=lambda one: one.account, filter="contains"),
        Column(name="week", title="Last 7 days", value=lambda one: one.week, kind="number"),
        Column(name="weeks", title=f"Last {names.WEEKS} weeks", value=lambda one: one.weeks, kind="number"),
        Column(name="remark", title="Remark", value=lambda one: _remark(one), wide=True),
    ),
    empty="Nobody looked anything up.",
)
LOOK_UPS: Table[LookUpRow] = Table(
    name="look-ups",
    caption="Every look-up",
    columns=(
        Column(
            name="at", title="When", value=lambda row: row.at, kind="time", filter="days", sql=LookUpRow.at
        ),
        Column(
            name="account",
            title="Account",
            value=lambda row: row.account.name,
            filter="contains",
            sql=AccountRow.name,
        ),
        Column(
            name="pseudonym",
            title="Pseudonym",
            value=lambda row: row.pseudonym,
            filter="exact",
            sql=LookUpRow.pseudonym,
        ),
        Column(
            name="alert",
            title="Alert",
            value=lambda row: row.alert_id,
            link=lambda row: f"/alerts/{row.alert_id}" if row.alert_id else None,
            sql=LookUpRow.alert_id,
        ),
        Column(
            name="reason",
            title="Reason",
            value=lambda row: row.reason,
            filter="contains",
            sql=LookUpRow.reason,
            wide=True,
        ),
        Column(name="found", title="Found", value=lambda row: "yes" if row.found else "no", sort=False),
    ),
    sort="at",
    descending=True,
    empty="Nobody looked anything up.",
)


@router.get("/look-ups")
def look_ups(
    request: Request,
    current: Annotated[Current, Depends(require(Permission.READ_LOOK_UPS))],
    session: Reading,
    now: Now,
) -> Response:
    """Who looked up how much, and every look-up with its reason."""
    page = Page(request, "look_ups.html", "Look-ups of names", way="/names/look-ups")
    page.table(ACCOUNTS, habits(session, now))
    asked = select(LookUpRow).join(LookUpRow.account).options(contains_eager(LookUpRow.account))
    page.table(LOOK_UPS, Selected(session, asked, LookUpRow.id))
    return page.answer()


def _remark(one: Habit) -> str | None:
    if one.unusual is None:
        return None
    return (
        f"unusual: {one.unusual.observed} where {figure(one.unusual.expected)} a week are normal among all;"
        " ask whether a large case explains it"
    )


def _form(
    request: Request, pseudonym: str, alert: str, wrong: str | None = None, status: int = 200
) -> Response:
    try:
        request.app.state.names.check()
        missing = None
    except Unknown as unknown:
        missing = str(unknown)
    words = {
        "pseudonym": pseudonym,
        "alert": alert,
        "missing": missing,
        "wrong": wrong,
        "least": names.LEAST_REASON,
        "most": names.MOST_REASON,
    }
    return render(request, "ask_name.html", "Look up a name", words, status=status)
