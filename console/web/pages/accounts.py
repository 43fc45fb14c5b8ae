"""Accounts, for administrators. Whatever changes is in the ledger."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Form, HTTPException, Request, Response
from sqlalchemy.orm import Session

from console.access import accounts
from console.access.accounts import Refused
from console.access.passwords import temporary
from console.access.permissions import PURPOSES, Permission
from console.access.require import require
from console.access.tables import AccountRow
from console.access.visits import Current
from console.web.given import Now, Reading, Writing
from console.web.page import Page
from console.web.rendering import redirect, render
from console.web.tables import Column, Table

router = APIRouter(prefix="/accounts", include_in_schema=False)
Administrator = Annotated[Current, Depends(require(Permission.MANAGE_ACCOUNTS))]
MOST_ID = 2**31 - 1


def _state(row: AccountRow) -> str:
    return "disabled" if row.disabled_at is not None else "may log in"


TABLE: Table[AccountRow] = Table(
    name="accounts",
    caption="Accounts",
    columns=(
        Column(
            name="name",
            title="Name",
            value=lambda row: row.name,
            link=lambda row: f"/accounts/{row.id}",
            filter="contains",
        ),
        Column(name="roles", title="Roles", value=lambda row: ", ".join(row.roles), filter="contains"),
        Column(
            name="state", title="State", value=_state, filter="choice", choices=("may log in", "disabled")
        ),
        Column(name="by", title="Logs in by", value=lambda row: "provider" if row.issuer else "password"),
        Column(
            name="factor", title="Second factor since", value=lambda row: row.totp_confirmed_at, kind="time"
        ),
        Column(name="created", title="Since", value=lambda row: row.created_at, kind="time"),
    ),
    sort="name",
)


@router.get("")
def listed(request: Request, current: Administrator, session: Reading) -> Response:
    """All accounts."""
    page = Page(request, "accounts.html", "Accounts", way="/accounts")
    page.table(TABLE, accounts.everyone(session))
    return page.answer(roles=PURPOSES)


@router.post("")
def add(
    request: Request,
    current: Administrator,
    session: Writing,
    now: Now,
    name: Annotated[str, Form()] = "",
    role: Annotated[tuple[str, ...], Form()] = (),
) -> Response:
    """A new account, with a password that is shown once."""
    made = temporary()
    kept = request.app.state.passwords.hash(made)
    try:
        row = accounts.add(
            session, name=name, roles=role, actor=current.name, now=now,
            password=kept, until=now + accounts.TEMPORARY,
        )  # fmt: skip
    except Refused as refused:
        return redirect(request, "/accounts", str(refused), "bad")
    return _password(request, row, made)


@router.get("/{account_id}")
def one(request: Request, current: Administrator, session: Reading, account_id: int) -> Response:
    """One account."""
    row = _row(session, account_id)
    words = {"row": row, "roles": PURPOSES, "own": row.id == current.id, "way": "/accounts"}
    return render(request, "one_account.html", f"Account {row.name}", words)


@router.post("/{account_id}/roles")
def roles(
    request: Request,
    current: Administrator,
    session: Writing,
    now: Now,
    account_id: int,
    role: Annotated[tuple[str, ...], Form()] = (),
) -> Response:
    """Other roles; whoever is logged in with the account must log in again."""
    row = _row(session, account_id)
    return _try(
        request,
        row,
        "The roles are changed.",
        lambda: accounts.set_roles(session, row, role, current.name, now),
    )


@router.post("/{account_id}/disable")
def disable(
    request: Request, current: Administrator, session: Writing, now: Now, account_id: int
) -> Response:
    """No login any more."""
    row = _row(session, account_id)
    return _try(
        request, row, "The account is disabled.", lambda: accounts.disable(session, row, current.name, now)
    )


@router.post("/{account_id}/enable")
def enable(request: Request, current: Administrator, session: Writing, now: Now, account_id: int) -> Response:
    """Login again."""
    row = _row(session, account_id)
    return _try(
        request, row, "The account may log in.", lambda: accounts.enable(session, row, current.name, now)
    )


@router.post("/{account_id}/end-sessions")
def end_sessions(
    request: Request, current: Administrator, session: Writing, now: Now, account_id: int
) -> Response:
    """Log the account out everywhere."""
    row = _row(session, account_id)
    return _try(
        request,
        row,
        "The account is logged out.",
        lambda: accounts.end_sessions(session, row, current.name, now),
    )


@router.post("/{account_id}/second-factor")
def second_factor(
    request: Request, current: Administrator, session: Writing, now: Now, account_id: int
) -> Response:
    """Forget a second factor that was lost."""
    row = _row(session, account_id)
    return _try(
        request, row, "The second factor is removed.",
        lambda: accounts.reset_second_factor(session, row, current.name, now),
    )  # fmt: skip


@router.post("/{account_id}/password")
def password(
    request: Request, current: Administrator, session: Writing, now: Now, account_id: int
) -> Response:
    """A new password that is shown once."""
    row = _row(session, account_id)
    try:
        made = accounts.give_password(session, row, request.app.state.passwords, current.name, now)
    except Refused as refused:
        return redirect(request, f"/accounts/{row.id}", str(refused), "bad")
    return _password(request, row, made)


def _row(session: Session, account_id: int) -> AccountRow:
    row = session.get(AccountRow, account_id) if 0 < account_id <= MOST_ID else None
    if row is None:
        raise HTTPException(404, "There is no such account.")
    return row


def _try(request: Request, row: AccountRow, done: str, change: Callable[[], None]) -> Response:
    try:
        change()
    except Refused as refused:
        return redirect(request, f"/accounts/{row.id}", str(refused), "bad")
    return redirect(request, f"/accounts/{row.id}", done)


def _password(request: Request, row: AccountRow, made: str) -> Response:
    words = {"row": row, "made": made, "days": accounts.TEMPORARY.days, "way": "/accounts"}
    return render(request, "temporary_password.html", "Password for the first login", words)
