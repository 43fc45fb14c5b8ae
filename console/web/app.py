"""The web application, put together: routers are found, each route must say what it asks for."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.responses import Response
from starlette.types import Scope

from console.access.passwords import Passwords
from console.access.require import declared
from console.access.secret import read_secret
from console.access.throttle import Throttle
from console.access.tokens import Seal
from console.access.visits import Limits
from console.settings import ConsoleSettings
from console.storage.engine import Store, open_store
from console.web import errors, pages
from console.web.gates import Gates
from console.web.guard import Guard
from console.web.pace import Pace
from console.web.rendering import templates

if TYPE_CHECKING:
    from streams.configuration import Configuration

STATIC = Path(__file__).parent / "static"


def clock() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def create_app(
    settings: ConsoleSettings,
    *,
    store: Store | None = None,
    configuration: Configuration | None = None,
    passwords: Passwords | None = None,
    now: Callable[[], datetime] = clock,
) -> FastAPI:
    """The console.

    `store` is opened from the settings when it is not given; `configuration` is what pages say about policy
    and agencies. All of it is kept on `app.state`: settings, store, configuration, now, passwords.

    Raises:
        Stop: the store or the secret key cannot be used; the text says what to do.
        Undeclared: a route asks for no permission.
    """
    app = FastAPI(
        title="Probewatch console",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    state = app.state
    state.settings = settings
    state.configuration = configuration
    state.now = now
    state.store = store or open_store(settings.database)
    secret = read_secret(settings.secret_file)
    state.seal = Seal(secret)
    state.passwords = passwords or Passwords()
    state.throttle = Throttle(state.store)
    state.limits = Limits(timedelta(minutes=settings.session_idle), timedelta(hours=settings.session_life))
    state.https = settings.https
    state.templates = templates()
    app.mount("/static", _Static(directory=STATIC), name="static")
    for found in sorted(pkgutil.iter_modules(pages.__path__), key=lambda entry: entry.name):
        app.include_router(importlib.import_module(f"{pages.__name__}.{found.name}").router)
    declared(app.routes)
    errors.install(app)
    app.add_middleware(
        Guard,
        gates=Gates(settings.public_url, settings.host, settings.request_bytes),
        pace=Pace(settings.requests_a_minute),
        https=settings.https,
    )
    return app


class _Static(StaticFiles):
    """Files that anybody may have; a browser asks each time whether they are still the same."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response
