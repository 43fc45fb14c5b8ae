"""Around every request: a reference number, gates, headers, one line of log, and a page when all fails."""

from __future__ import annotations

import time
from secrets import token_hex

import structlog
from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.access import cookies
from console.web import errors
from console.web.gates import Gates
from console.web.headers import secure
from console.web.pace import Pace

log = structlog.get_logger("console")
#: Sent by what a page asks for by itself, so that an open page alone keeps nobody logged in.
BACKGROUND = "X-Background"


class Guard:
    """The outermost part of the application.

    The log names routes, not addresses: those hold pseudonyms. It names no person and no network address.
    """

    def __init__(self, app: ASGIApp, gates: Gates, pace: Pace, https: bool) -> None:
        self._app, self._gates, self._pace, self._https = app, gates, pace, https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; what is no HTTP goes through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request = Request(scope)
        request.state.reference = token_hex(5)
        request.state.account = None
        request.state.noticed = False
        request.state.background = BACKGROUND.lower() in request.headers
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                secure(headers, https=self._https)
                if request.state.noticed:
                    headers.append("Set-Cookie", cookies.erasure(request, cookies.NOTICE))
            await send(message)

        try:
            refused = self._gates.refusal(request)
            if refused is None and (wait := self._pace.wait(_address(request))):
                refused = 429, f"Too many requests came from this address. Wait {wait:.0f} seconds."
            if refused is not None:
                await errors.answer(request, *refused)(scope, receive, sending)
            else:
                await self._app(scope, self._gates.limited(receive), sending)
        except Exception as error:  # the last place that can make a page of it
            log.error("unexpected error", exc_info=error, reference=request.state.reference)
            if status:
                raise
            await errors.answer(request, 500)(scope, receive, sending)
        finally:
            log.info(
                "request",
                method=request.method,
                route=getattr(scope.get("route"), "path", "none"),
                status=status,
                ms=round(1000 * (time.perf_counter() - started), 1),
                reference=request.state.reference,
            )


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
