"""Alerts, incidents and decisions for programs: the same functions as behind the pages."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Path
from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints
from sqlalchemy import select
from sqlalchemy.orm import Session

from console.access.permissions import Permission
from console.access.require import NotPermitted, require
from console.access.visits import Current
from console.reading import inbox as reading
from console.reading.records import (
    AlertOut,
    Alerts,
    DecisionRecord,
    IncidentOut,
    OneAlert,
    one,
    out,
)
from console.reading.work import standing
from console.storage.inbox import inbox
from console.storage.standing import UnknownAlert
from console.storage.tables import DecisionRow
from console.web.given import Now, Reading, Writing
from console.web.pages.alert import row_of
from console.web.pages.api import PROBLEMS
from console.web.pages.inbox import Filters, Place
from console.web.pages.work import works
from console.work.deciding import decide
from models.decisions import MOST_TEXT, Action, Disposition, NotAllowed

router = APIRouter(
    prefix="/api",
    tags=["alerts"],
    responses={**PROBLEMS, 409: {**PROBLEMS[404], "description": "cannot be done now"}},
)
Reader = Annotated[Current, Depends(require(Permission.READ_ALERTS))]
Judge = Annotated[Current, Depends(require(Permission.WORK))]
Number = Annotated[str, Path(min_length=1, max_length=128, pattern=r"^[^\x00]*$")]
#: Neither database keeps a NUL in its texts.
Plain = StringConstraints(pattern=r"^[^\x00]*$", max_length=128)
Words = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=MOST_TEXT)]
Name = Annotated[str, Plain]


class Wish(BaseModel):
    """A decision to take. Which fields an action needs is said when one is missing."""

    model_config = ConfigDict(extra="forbid")

    action: Action
    text: Words | None = None
    disposition: Disposition | None = None
    assignee: Name | None = None
    until: AwareDatetime | None = None
    into: Name | None = None
    undoes: Name | None = None
    looked_at: int | None = None


class Taken(BaseModel):
    """A decision that was taken, and the alert after it."""

    decision: DecisionRecord
    alert: AlertOut


@router.get("/alerts")
def alerts(reader: Reader, session: Reading, now: Now, asked: Filters, after: Place = "") -> Alerts:
    """The inbox: incidents worst first, with the filters that its page has."""
    try:
        found = inbox(session, asked.filter(), now, reading.read(after))
    except reading.NoPlace as error:
        raise HTTPException(404, f"{error}.") from None
    return Alerts(
        incidents=[
            IncidentOut(
                incident_id=incident.incident_id,
                matching=incident.matching,
                alerts=[out(row, now) for row in incident.alerts],
            )
            for incident in found.incidents
        ],
        following=reading.written(found.following),
    )


@router.get("/alerts/{alert_id}")
def alert(reader: Reader, session: Reading, now: Now, alert_id: Number) -> OneAlert:
    """One alert with all that was decided about it."""
    row = row_of(session, alert_id)
    stands = standing(session, alert_id, reader.name, now)
    return one(row, stands, _decided(session, alert_id), now)


@router.get("/incidents/{incident_id}")
def incident(reader: Reader, session: Reading, now: Now, incident_id: Number) -> IncidentOut:
    """All alerts of one incident, the earliest first, whatever became of them."""
    rows = reading.alerts_of(session, incident_id)
    if not rows:
        raise HTTPException(404, "There is no incident with this number.")
    return IncidentOut(incident_id=incident_id, matching=len(rows), alerts=[out(row, now) for row in rows])


@router.post("/alerts/{alert_id}/decisions", status_code=201)
def decision(judge: Judge, session: Writing, now: Now, alert_id: Number, wish: Wish) -> Taken:
    """Take a decision. The token of the session goes into the header `X-CSRF-Token`."""
    fields = wish.model_dump(exclude={"action", "looked_at"})
    if wish.action == "assign" and wish.assignee not in (None, judge.name):
        if not judge.may(Permission.ASSIGN):
            raise NotPermitted(Permission.ASSIGN)
        if not works(session, str(wish.assignee)):
            raise HTTPException(409, "There is no such account that may work on alerts.")
    try:
        taken, _ = decide(session, alert_id, wish.action, judge.name, now, looked_at=wish.looked_at, **fields)
    except UnknownAlert as unknown:
        raise HTTPException(404, f"{unknown}.") from None
    except NotAllowed as refused:
        raise HTTPException(409, f"{refused}.") from None
    session.flush()
    return Taken(decision=DecisionRecord.model_validate(taken), alert=out(row_of(session, alert_id), now))


def _decided(session: Session, alert_id: str) -> list[DecisionRow]:
    query = select(DecisionRow).where(DecisionRow.alert_id == alert_id).order_by(DecisionRow.seq)
    return list(session.scalars(query))
