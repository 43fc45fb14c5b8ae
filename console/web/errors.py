"""Errors as pages for people, and as JSON under `/api`; each with the reference number that the log has."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlsplit

import structlog
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from console.access.csrf import SAFE
from console.access.refusals import tell_refusal
from console.access.require import NotPermitted, NotSignedIn
from console.access.visits import Stage
from console.web.rendering import render
from console.web.ways import home

log = structlog.get_logger("console")

#: Title and what to do, by status.
WORDS = {
    400: ("This request cannot be understood", "Go back and try it once more."),
    401: ("Please log in", "This needs a login."),
    403: ("This is not allowed", "If you need it for your work, ask an administrator for the role."),
    404: ("There is no such page", "The address may be misspelled, or what stood here has another one now."),
    405: ("This cannot be done here", "Go back and use the buttons of the page."),
    409: ("Somebody was faster", "What you saw has changed meanwhile. Look at it anew, then decide."),
    413: ("This is too much at once", "Send less."),
    414: ("This address is too long", "Use fewer filters."),
    422: ("Something is missing or wrong", "Go back, correct it and send it again."),
    429: ("Please slow down", "Wait a little and try again."),
    500: (
        "Something went wrong here",
        "It is not your doing. Try again; if it stays, tell whoever runs this.",
    ),
    503: ("The console is not ready", "Try again in a minute."),
}
#: Where an unfinished login goes on.
STEPS = {
    Stage.CODE: "/login/code",
    Stage.PASSWORD: "/account/password",
    Stage.FACTOR: "/account/second-factor",
}


def answer(
    request: Request, status: int, detail: str | None = None, headers: dict[str, str] | None = None
) -> Response:
    """The answer for a status; `detail` is a sentence that says what happened in particular."""
    title, advice = WORDS.get(status, WORDS[500 if status >= 500 else 400])
    reference = request.state.reference
    if is_api(request):
        body = {"error": detail or title, "reference": reference}
        return JSONResponse(body, status, headers)
    words = {"status": status, "detail": detail, "advice": advice, "reference": reference}
    try:
        response: Response = render(request, "error.html", title, words, status=status)
    except Exception as error:  # an error page must not need what is broken
        log.error("the error page itself failed", exc_info=error, reference=reference)
        response = PlainTextResponse(f"{title}. {advice} Reference: {reference}", status)
    response.headers.update(headers or {})
    return response


def is_api(request: Request) -> bool:
    """Whether a program asks."""
    return request.url.path.startswith("/api/")


def install(app: FastAPI) -> None:
    """Let these answers stand for every error that a route raises."""
    app.add_exception_handler(StarletteHTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(NotSignedIn, _not_signed_in)


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, StarletteHTTPException)
    account = request.state.account
    if (
        error.status_code == 403
        and request.url.path == "/"
        and request.method in SAFE
        and account is not None
    ):
        return RedirectResponse(home(account.may), 303)  # everybody begins there, not all may see it
    if isinstance(error, NotPermitted) and account is not None:
        tell_refusal(request.app.state.store, account, error.permission, request.app.state.now())
    own = isinstance(error, HTTPException)  # Starlette's say nothing but the status
    detail = error.detail if own and isinstance(error.detail, str) else None
    return answer(request, error.status_code, detail, dict(error.headers or {}))


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return answer(request, 422, " ".join(_sentence(problem) for problem in error.errors()[:5]))


def _sentence(problem: dict[str, Any]) -> str:
    """One problem of the input, without the input."""
    field = " ".join(str(part) for part in problem["loc"][1:]).replace("_", " ") or "the request"
    message = str(problem["msg"]).removeprefix("Value error, ")
    return f"{field[:1].upper()}{field[1:]}: {message[:1].lower()}{message[1:]}."


def _page(request: Request) -> str:
    """The page that a request belongs to: a part that HTMX fetches is none of its own."""
    url = (
        urlsplit(request.headers.get("hx-current-url", ""))
        if "hx-request" in request.headers
        else request.url
    )
    return (url.path or "/") + (f"?{url.query}" if url.query else "")


def _not_signed_in(request: Request, error: Exception) -> Response:
    assert isinstance(error, NotSignedIn)
    if is_api(request):
        return answer(request, 401)
    target = STEPS.get(error.stage, "/login") if error.stage else "/login"
    if error.stage is Stage.FULL:
        target = "/"  # a step of the login, which is over
    elif error.stage is None and request.method in SAFE and request.url.path != "/":
        target += f"?next={quote(_page(request), safe='')}"
    if "hx-request" in request.headers:
        return Response(status_code=401, headers={"HX-Redirect": target})
    return RedirectResponse(target, 303)
