"""Logging in, step by step, and out."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from console.access import cookies
from console.access.login import Login, Result, log_out
from console.access.permissions import Permission
from console.access.places import own_path
from console.access.require import Visitor, anyone, require
from console.access.tokens import fresh
from console.access.visits import Current, Stage
from console.web.errors import STEPS
from console.web.given import Now, Writing
from console.web.rendering import redirect, render
from models.wording import length

router = APIRouter(include_in_schema=False)
Next = Annotated[str, Form(alias="next")]
WRONG = "The name or the password is wrong."
WRONG_CODE = "This code is wrong, or was used before. Wait for the next one."


@router.get("/login", dependencies=[Depends(anyone)])
def login(request: Request, visitor: Visitor, next: str = "") -> Response:
    """The form; a browser without a session gets a token first, to which the form is bound."""
    if visitor is not None and visitor.stage is Stage.FULL:
        return RedirectResponse(own_path(next) or "/", 303)
    planted = visitor is None
    request.state.token = fresh() if planted else None
    response = _form(request, "", next)
    if planted:
        cookies.write(request, response, cookies.SESSION, request.state.token)
    return response


@router.post("/login", dependencies=[Depends(anyone)])
def login_with_password(
    request: Request,
    visitor: Visitor,
    name: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    next: Next = "",
) -> Response:
    """Take name and password."""
    result = Login(request).with_password(visitor, name, password)
    if result.token is None:
        return _form(request, name, next, result, WRONG)
    return proceed(request, result, next)


@router.get("/login/code")
def code(
    request: Request,
    current: Annotated[Current, Depends(require(Permission.SIGNED_IN, Stage.CODE))],
    next: str = "",
) -> Response:
    """The form for the second factor."""
    return _code_form(request, next)


@router.post("/login/code")
def login_with_code(
    request: Request,
    current: Annotated[Current, Depends(require(Permission.SIGNED_IN, Stage.CODE))],
    code: Annotated[str, Form()] = "",
    next: Next = "",
) -> Response:
    """Take the code."""
    result = Login(request).with_code(current, code[:64])
    if result.token is None:
        return _code_form(request, next, result, WRONG_CODE)
    return proceed(request, result, next)


@router.post("/logout")
def logout(
    request: Request,
    current: Annotated[Current, Depends(require(Permission.SIGNED_IN, *Stage))],
    session: Writing,
    now: Now,
) -> Response:
    """End the session."""
    log_out(session, current, now)
    response = redirect(request, "/login", "You are logged out.")
    cookies.erase(request, response, cookies.SESSION)
    return response


def proceed(request: Request, result: Result, next: str = "", notice: str | None = None) -> Response:
    """Go on after a step that went well: to the next one, or to where somebody wanted to go."""
    assert result.token is not None and result.stage is not None
    back = own_path(next)
    if result.stage is Stage.FULL:
        target = back or "/"
    else:
        target = STEPS[result.stage] + (f"?next={quote(back, safe='')}" if back else "")
    response = redirect(request, target, notice)
    carry(request, response, result)
    return response


def carry(request: Request, response: Response, result: Result) -> None:
    """Give the browser what a step made."""
    if result.token is not None:
        cookies.write(request, response, cookies.SESSION, result.token)
    if result.device is not None:
        cookies.write(request, response, cookies.DEVICE, result.device)


def _form(
    request: Request, name: str, next: str, result: Result | None = None, wrong: str | None = None
) -> Response:
    settings = request.app.state.settings
    provider = settings.oidc_label if settings.oidc_issuer else None
    words = {"name": name[:64], "next": own_path(next) or "", "provider": provider}
    return _answer(request, "login.html", "Log in", words, result, wrong)


def _code_form(
    request: Request, next: str, result: Result | None = None, wrong: str | None = None
) -> Response:
    return _answer(request, "code.html", "Second step", {"next": own_path(next) or ""}, result, wrong)


def _answer(
    request: Request,
    template: str,
    title: str,
    words: dict[str, object],
    result: Result | None,
    wrong: str | None,
) -> Response:
    """The form again with what was wrong (401), or how long to wait (429)."""
    if result is None:
        return render(request, template, title, {**words, "wrong": None})
    if not result.wait:
        return render(request, template, title, {**words, "wrong": wrong}, status=401)
    response = render(request, template, title, {**words, "wrong": patience(result.wait)}, status=429)
    response.headers["Retry-After"] = str(max(1, round(result.wait.total_seconds())))
    return response


def patience(wait: timedelta) -> str:
    """How long to wait, as a sentence."""
    return f"That was wrong too often. Try again in {length(max(1, round(wait.total_seconds())))}."
