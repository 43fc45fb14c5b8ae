"""What staff do about an alert, each a form on its page: one decision, one entry in the ledger."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, HTTPException, Request, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from console.access.permissions import Permission, fitting
from console.access.require import require
from console.access.tables import AccountRow
from console.access.visits import Current
from console.reading.work import STATES
from console.storage.standing import UnknownAlert
from console.web.given import Configured, Now, Writing
from console.web.pages.alert import Wrong, row_of, shown
from console.web.rendering import redirect
from console.work.deciding import decide
from models.days import LocalDays, instant
from models.decisions import MOST_TEXT, Action, NotAllowed
from models.reference import Reference

router = APIRouter(include_in_schema=False)
Judge = Annotated[Current, Depends(require(Permission.WORK))]
Supervisor = Annotated[Current, Depends(require(Permission.ASSIGN))]
Words = Annotated[str, Form(max_length=MOST_TEXT)]
Short = Annotated[str, Form(max_length=128)]

#: What each form of the page does. `take` and `leave` assign the alert to oneself and to nobody.
Deed = Literal[
    "acknowledge", "take", "leave", "comment", "ask", "answer", "snooze", "dispose", "confirm", "reject",
    "merge", "undo",
]  # fmt: skip


@router.post("/alerts/{alert_id}/assign")
def assign(
    request: Request,
    current: Supervisor,
    session: Writing,
    configured: Configured,
    now: Now,
    alert_id: str,
    assignee: Short = "",
    looked_at: Annotated[int | None, Form()] = None,
) -> Response:
    """Give an alert to somebody else; to nobody when no name is given."""
    name = assignee.strip().casefold() or None
    if name is not None and not works(session, name):
        words = f"There is no account {name} that may work on alerts."
        wrong = Wrong("assign", words, {"assignee": assignee}, 422)
        return shown(request, session, configured, current, now, alert_id, wrong)
    fields = {"assignee": name}
    return _done(request, session, configured, current, now, alert_id, "assign", "assign", fields, looked_at)


@router.post("/alerts/{alert_id}/{deed}")
def work(
    request: Request,
    current: Judge,
    session: Writing,
    configured: Configured,
    now: Now,
    alert_id: str,
    deed: Deed,
    text: Words = "",
    disposition: Short = "",
    until: Short = "",
    into: Short = "",
    undoes: Short = "",
    looked_at: Annotated[int | None, Form()] = None,
    back: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Take one decision, then go back to the alert, or to the inbox it was taken from."""
    typed = {"text": text, "disposition": disposition, "until": until, "into": into, "undoes": undoes}
    fields: dict[str, Any] = {name: value.strip() or None for name, value in typed.items()}
    action: Action = "assign" if deed == "take" or deed == "leave" else deed
    if action == "assign":
        fields = {"assignee": current.name if deed == "take" else None}
    elif fields["until"] is not None:
        fields["until"] = _morning(fields["until"], configured.reference, row_of(session, alert_id).agency_id)
        if fields["until"] is None:
            wrong = Wrong(deed, "This is no day.", typed, 422)
            return shown(request, session, configured, current, now, alert_id, wrong)
    return _done(
        request, session, configured, current, now, alert_id, action, deed, fields, looked_at, typed, back
    )


def _done(
    request: Request,
    session: Session,
    configured: Configured,
    current: Current,
    now: datetime,
    alert_id: str,
    action: Action,
    deed: str,
    fields: dict[str, Any],
    looked_at: int | None,
    typed: dict[str, str] | None = None,
    back: str = "",
) -> Response:
    """Decide, and say what came of it."""
    try:
        _, stands = decide(session, alert_id, action, current.name, now, looked_at=looked_at, **fields)
    except UnknownAlert as unknown:
        if action == "merge":
            wrong = Wrong(deed, f"{unknown}.", typed or {}, 422)
            return shown(request, session, configured, current, now, alert_id, wrong)
        raise HTTPException(404, "There is no alert with this number.") from None
    except NotAllowed as refused:
        words = str(refused)
        wrong = Wrong(deed, f"{words[:1].upper()}{words[1:]}.", typed or {})
        return shown(request, session, configured, current, now, alert_id, wrong)
    said = f"Done and written to the ledger. The alert is now: {STATES[stands.state_at(now)]}."
    inside = back.startswith("/inbox") and back.isprintable()
    return redirect(request, back if inside else f"/alerts/{alert_id}", said)


def _morning(day: str, reference: Reference, agency: str | None) -> datetime | None:
    """The begin of a local day of the agency; None for what is no day."""
    try:
        number = date.fromisoformat(day).toordinal()
        zone = reference.agency(agency).timezone if agency else "UTC"
        return instant(LocalDays.of(zone).start(number))
    except (ValueError, OverflowError):
        return None


def works(session: Session, name: str) -> bool:
    """Whether there is an account of this name that may work on alerts."""
    account = session.scalar(select(AccountRow).where(AccountRow.name == name))
    if account is None or account.disabled_at is not None:
        return False
    roles = frozenset(account.roles)
    return Current(account.id, account.name, fitting(roles)).may(Permission.WORK)
