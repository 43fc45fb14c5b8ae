"""`/`: to the first page that the reader may see."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse

from console.access.permissions import Permission
from console.access.require import require
from console.access.visits import Current
from console.web import ways
from console.web.rendering import redirect

router = APIRouter(include_in_schema=False)


@router.get("/")
def home(
    request: Request, current: Annotated[Current, Depends(require(Permission.SIGNED_IN))]
) -> RedirectResponse:
    """Go on."""
    return redirect(request, ways.home(current.may))
