"""The own account: password, second factor, sessions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from markupsafe import Markup
from sqlalchemy.orm import Session

from console.access import second_factor, throttle, visits
from console.access.accounts import Refused, choose_password, end_sessions, tell
from console.access.login import Login
from console.access.passwords import LEAST
from console.access.permissions import Permission
from console.access.places import own_path
from console.access.require import require
from console.access.tables import AccountRow, SessionRow
from console.access.visits import Current, Stage
from console.web.given import Now, Reading, Writing
from console.web.pages.login import Next, carry, patience, proceed
from console.web.rendering import redirect, render

router = APIRouter(prefix="/account", include_in_schema=False)
Own = Annotated[Current, Depends(require(Permission.SIGNED_IN))]
ChoosesPassword = Annotated[Current, Depends(require(Permission.SIGNED_IN, Stage.PASSWORD, Stage.FULL))]
SetsUpFactor = Annotated[Current, Depends(require(Permission.SIGNED_IN, Stage.FACTOR, Stage.FULL))]
WRONG = "The password is wrong."


@router.get("")
def account(request: Request, current: Own, session: Reading) -> Response:
    """What the account is, and where it is logged in."""
    row = session.get_one(AccountRow, current.id)
    words = {
        "row": row,
        "sessions": visits.of_account(session, current.id),
        "own": current.session,
        "codes_left": second_factor.codes_left(session, current.id),
    }
    return render(request, "account.html", "Your account", words)


@router.post("/sessions/end")
def end_other_sessions(request: Request, current: Own, session: Writing, now: Now) -> Response:
    """Log out everywhere else."""
    row = session.get_one(AccountRow, current.id)
    end_sessions(session, row, current.name, now, but=current.session)
    return redirect(request, "/account", "You are logged out everywhere else.")


@router.get("/password")
def password(request: Request, current: ChoosesPassword, session: Reading, next: str = "") -> Response:
    """The form for a new password."""
    return _password_form(request, session.get_one(AccountRow, current.id), next)


@router.post("/password")
def change_password(
    request: Request,
    current: ChoosesPassword,
    session: Writing,
    now: Now,
    old: Annotated[str, Form()] = "",
    new: Annotated[str, Form()] = "",
    again: Annotated[str, Form()] = "",
    next: Next = "",
) -> Response:
    """Take a new password; the old one shows that it is the owner."""
    row = session.get_one(AccountRow, current.id)
    if wait := _charge(session, current, now):
        return _password_form(request, row, next, wait, 429)
    if row.issuer is not None:
        return redirect(request, "/account", "Your organisation keeps your password.", "bad")
    if not request.app.state.passwords.verify(row.password, old):
        return _password_form(request, row, next, "The old password is wrong.", 422)
    if new != again:
        return _password_form(request, row, next, "The new password was not typed the same way twice.", 422)
    try:
        choose_password(session, row, new, request.app.state.passwords, now, but=current.session)
    except Refused as refused:
        return _password_form(request, row, next, str(refused), 422)
    _paid(session, current)
    return proceed(
        request, Login(request).renewed(session, current), next or "/account", "Your password is changed."
    )


@router.get("/second-factor")
def factor(request: Request, current: SetsUpFactor, session: Writing, next: str = "") -> Response:
    """A picture for the app, and a field for its first code."""
    return _factor_form(request, session, current, next)


@router.post("/second-factor")
def set_up_factor(
    request: Request,
    current: SetsUpFactor,
    session: Writing,
    now: Now,
    code: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    next: Next = "",
) -> Response:
    """Take the second factor, then show recovery codes once."""
    row = session.get_one(SessionRow, current.session)
    state = request.app.state
    secret = state.seal.open(row.pending) if row.pending else None
    if secret is None:
        return _factor_form(request, session, current, next)
    if wait := _charge(session, current, now):
        return _factor_form(request, session, current, next, wait, 429)
    if current.stage is Stage.FULL and not state.passwords.verify(row.account.password, password):
        return _factor_form(request, session, current, next, WRONG, 422)
    codes = second_factor.set_up(session, row.account, secret, code[:64], state.seal, now)
    if codes is None:
        wrong = "This code does not fit. Is the clock of your device right?"
        return _factor_form(request, session, current, next, wrong, 422)
    _paid(session, current)
    tell(session, row.account, "second factor set up", current.name, now)
    result = Login(request).renewed(session, current)
    request.state.token = result.token
    response = _codes(request, codes, next)
    carry(request, response, result)
    return response


@router.post("/recovery-codes")
def recovery_codes(
    request: Request, current: Own, session: Writing, now: Now, password: Annotated[str, Form()] = ""
) -> Response:
    """New recovery codes in place of the old ones."""
    row = session.get_one(AccountRow, current.id)
    if _charge(session, current, now) or not request.app.state.passwords.verify(row.password, password):
        return redirect(request, "/account", WRONG, "bad")
    _paid(session, current)
    codes = second_factor.new_codes(session, row)
    tell(session, row, "recovery codes made", current.name, now)
    return _codes(request, codes, "/account")


def _charge(session: Session, current: Current, now: datetime) -> str | None:
    """At an open session nobody guesses passwords either: a sentence when it is time to wait."""
    wait = throttle.charge(session, [throttle.of_owner(current.id)], now).wait
    return patience(wait) if wait else None


def _paid(session: Session, current: Current) -> None:
    throttle.succeeded(session, throttle.of_owner(current.id))


def _password_form(
    request: Request, row: AccountRow, next: str, wrong: str | None = None, status: int = 200
) -> Response:
    words = {
        "wrong": wrong,
        "next": own_path(next) or "",
        "least": LEAST,
        "name": row.name,
        "given": row.password_until is not None,
    }
    return render(request, "password.html", "Choose a password", words, status=status)


def _factor_form(
    request: Request,
    session: Session,
    current: Current,
    next: str,
    wrong: str | None = None,
    status: int = 200,
) -> Response:
    row = session.get_one(SessionRow, current.session)
    secret = request.app.state.seal.open(row.pending) if row.pending else None
    if secret is None:
        secret = second_factor.fresh_secret()
        row.pending = request.app.state.seal.close(secret)
    words = {
        "wrong": wrong,
        "next": own_path(next) or "",
        "picture": Markup(second_factor.picture(secret, current.name)),
        "secret": " ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        "owner": current.stage is Stage.FULL,
    }
    return render(request, "second_factor.html", "Set up the second factor", words, status=status)


def _codes(request: Request, codes: list[str], next: str) -> Response:
    words = {"codes": codes, "next": own_path(next) or "/"}
    return render(request, "recovery_codes.html", "Recovery codes", words)
