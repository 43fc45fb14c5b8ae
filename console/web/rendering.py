"""Pages from templates, and notices that the next page shows once.

Every template knows `account` (who is logged in, fully or not, or none), `may` (whether to show a button:
`may(Permission.WORK)`), `csrf_token`, `flashes` (pairs of kind and words), `ways`, `theme` and `now`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from fastapi.templating import Jinja2Templates
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from console.access import cookies, csrf
from console.access.permissions import Permission
from console.access.visits import Current
from console.web.formats import FILTERS, entity_address
from console.web.ways import WAYS

TEMPLATES = Path(__file__).parent / "templates"
Kind = Literal["good", "bad"]


def templates() -> Jinja2Templates:
    """Templates that escape everything and refuse names that they do not know."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"Permission": Permission, "entity_address": entity_address}
    environment.filters |= FILTERS
    return Jinja2Templates(env=environment, context_processors=[_known])


def _known(request: Request) -> dict[str, Any]:
    account: Current | None = request.state.account
    token = cookies.read(request, cookies.SESSION)
    may = account.may if account is not None else _nothing
    return {
        "account": account,
        "may": may,
        "csrf_token": csrf.token_of(token) if token else "",
        "flashes": _flashes(request),
        "ways": [way for way in WAYS if may(way.permission)],
        "theme": cookies.read(request, cookies.THEME),
        "now": request.app.state.now(),
    }


def _nothing(permission: Permission) -> bool:
    return False


def _flashes(request: Request) -> list[tuple[str, str]]:
    notice = cookies.read(request, cookies.NOTICE)
    if notice is None or request.state.background:
        return []
    request.state.noticed = True  # the cookie is taken back with the answer
    kept = request.app.state.seal.open(notice)
    return [] if kept is None else [(kind, words) for kind, words in json.loads(kept)]


def render(
    request: Request,
    template: str,
    title: str,
    context: Mapping[str, Any] | None = None,
    *,
    status: int = 200,
) -> Response:
    """The page that a template makes."""
    known = {"title": title, "way": request.url.path, **(context or {})}
    made: Jinja2Templates = request.app.state.templates
    return made.TemplateResponse(request, template, known, status_code=status)


def redirect(request: Request, path: str, notice: str | None = None, kind: Kind = "good") -> RedirectResponse:
    """Go on to a page of ours (303), which shows the notice once."""
    response = RedirectResponse(path, 303)
    if notice is not None:
        flash(request, response, notice, kind)
    return response


def flash(request: Request, response: Response, notice: str, kind: Kind = "good") -> None:
    """Let the next page that this browser opens show a notice."""
    sealed = request.app.state.seal.close(json.dumps([[kind, notice]]))
    cookies.write(request, response, cookies.NOTICE, sealed)
