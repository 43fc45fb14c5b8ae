"""What programs may ask: the description of the API, and who they are logged in as."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel

from console.access import cookies, csrf
from console.access.permissions import Permission, Role
from console.access.require import anyone, require
from console.access.visits import Current

router = APIRouter(prefix="/api", tags=["account"])


class Problem(BaseModel):
    """Every answer that is no success."""

    error: str
    """What is wrong, as a sentence."""
    reference: str
    """What the log calls this request."""


class Account(BaseModel):
    """Who is logged in."""

    name: str
    roles: list[Role]
    permissions: list[str]
    csrf_token: str
    """Goes into the header `X-CSRF-Token` of whatever changes something."""


#: What a route under `/api` may answer besides; for `APIRouter(responses=...)`.
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": words}
    for status, words in (
        (400, "not understood"),
        (401, "not logged in"),
        (403, "not allowed"),
        (404, "not there"),
        (422, "wrong input"),
        (429, "too fast"),
    )
}


@router.get("/openapi.json", dependencies=[Depends(anyone)], include_in_schema=False)
def openapi(request: Request) -> dict[str, Any]:
    """The API as OpenAPI 3.1."""
    routes = [one for one in iter_route_contexts(request.app.routes) if (one.path or "").startswith("/api/")]
    return get_openapi(title="Probewatch console", version="1", routes=routes)


@router.get("/account", responses=PROBLEMS)
def account(request: Request, current: Annotated[Current, Depends(require(Permission.SIGNED_IN))]) -> Account:
    """Who is logged in, and what that allows."""
    allowed = [one.name for one in Permission if current.may(one)]
    token = csrf.token_of(cookies.read(request, cookies.SESSION) or "")
    return Account(name=current.name, roles=sorted(current.roles), permissions=allowed, csrf_token=token)
