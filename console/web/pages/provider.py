"""Logging in through the organisation's provider: there, and back."""

from __future__ import annotations

import structlog
from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from console.access import cookies
from console.access.accounts import vouched
from console.access.login import Login
from console.access.places import own_path
from console.access.provider import Failed, Provider
from console.access.require import anyone
from console.web.given import Now
from console.web.pages.login import proceed
from console.web.rendering import redirect

router = APIRouter(prefix="/login/provider", dependencies=[Depends(anyone)], include_in_schema=False)
log = structlog.get_logger("console")


@router.get("")
def there(request: Request, next: str = "") -> Response:
    """Go to the provider."""
    try:
        url, kept = _provider(request).begin(_back(request), own_path(next) or "")
    except Failed as failed:
        return _failed(request, failed)
    response = RedirectResponse(url, 303)
    cookies.write(request, response, cookies.PROVIDER, request.app.state.seal.close(kept))
    return response


@router.get("/back")
def back(request: Request, now: Now) -> Response:
    """Come back, with an answer that is used once."""
    provider = _provider(request)
    sealed = cookies.read(request, cookies.PROVIDER)
    kept = request.app.state.seal.open(sealed) if sealed else None
    try:
        if kept is None:
            raise Failed("This login was not begun in this browser, or took too long. Begin again.")
        identity, next = provider.finish(_back(request), kept, request.query_params)
        with request.app.state.store.writing() as session:
            account = vouched(session, identity, now)
            if account is None:
                raise Failed("This account is disabled. Ask an administrator.")
            result = Login(request).vouched(session, account)
    except Failed as failed:
        return _failed(request, failed)
    response = proceed(request, result, next)
    cookies.erase(request, response, cookies.PROVIDER)
    return response


def _provider(request: Request) -> Provider:
    found: Provider | None = request.app.state.provider
    if found is None:
        raise HTTPException(404)
    return found


def _back(request: Request) -> str:
    public = request.app.state.settings.public_url or f"{request.url.scheme}://{request.headers['host']}"
    return f"{public}/login/provider/back"


def _failed(request: Request, failed: Failed) -> Response:
    log.warning("login at the provider failed", reason=str(failed), cause=repr(failed.__cause__))
    response = redirect(request, "/login", str(failed), "bad")
    cookies.erase(request, response, cookies.PROVIDER)
    return response
