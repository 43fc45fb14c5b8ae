"""Light or dark: the look that a reader chose, kept in a cookie."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse

from console.access import cookies
from console.access.permissions import Permission
from console.access.require import require
from console.web.rendering import redirect

router = APIRouter(dependencies=[Depends(require(Permission.SIGNED_IN))], include_in_schema=False)


@router.post("/display")
def display(
    request: Request,
    theme: Annotated[Literal["auto", "light", "dark"], Form()],
    back: Annotated[str, Form(max_length=4000)] = "/",
) -> RedirectResponse:
    """Keep the look and go back to the page."""
    # Only a path of ours: what begins with two slashes or a backslash names another host.
    inside = back.startswith("/") and not back.startswith(("//", "/\\")) and "\\" not in back[:2]
    response = redirect(request, back if inside and back.isprintable() else "/")
    cookies.write(request, response, cookies.THEME, theme)
    return response
