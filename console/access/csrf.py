"""A request that changes something must come from a page of ours.

Its token is derived from the session's, so it ends with it and nothing is kept. Forms send it in the field
`csrf`, HTMX in the header `X-CSRF-Token`. Where a browser says which site a request comes from, that
must be ours as well (`console/web/gates.py`).
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, HTTPException, Request
from starlette.datastructures import UploadFile

from console.access import cookies
from console.access.tokens import derived, same

FIELD, HEADER = "csrf", "X-CSRF-Token"
SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


def token_of(session_token: str) -> str:
    """The token of a session."""
    return derived(session_token, "csrf")


async def genuine(request: Request) -> bool:
    """Whether a request comes from a page that was made for this session; one that only reads always does.

    Raises:
        HTTPException: 422 when a field of the form holds a NUL, which no database takes.
    """
    if request.method in SAFE:
        return True
    given = request.headers.get(HEADER)
    if request.headers.get("content-type", "").lower().startswith(_FORMS):
        form = await request.form()
        if any("\0" in value for value in form.values() if not isinstance(value, UploadFile)):
            raise HTTPException(422, "A field holds a character that cannot be kept.")
        field = form.get(FIELD)
        given = given or (field if isinstance(field, str) else None)
    token = cookies.read(request, cookies.SESSION)
    return bool(token and given and same(given, token_of(token)))


Genuine = Annotated[bool, Depends(genuine)]
