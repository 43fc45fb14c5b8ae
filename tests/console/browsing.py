"""A console for tests, browsers that visit it, and accounts that are logged in."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyotp
from argon2 import PasswordHasher
from fastapi import FastAPI

from console.access import accounts, csrf, visits
from console.access.passwords import Passwords
from console.access.permissions import Role
from console.access.tables import AccountRow
from console.access.visits import Stage
from console.settings import ConsoleSettings
from console.storage.engine import Store
from console.storage.ledger import entries
from console.web.app import create_app

with warnings.catch_warnings():  # it would rather have a successor of httpx
    warnings.simplefilter("ignore")
    from fastapi.testclient import TestClient

HOME = "http://127.0.0.1:8080"
PASSWORD = "a meadow full of larks"
#: As cheap as Argon2 can be.
CHEAP = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def pass_by(self, **length: float) -> None:
        self.time += timedelta(**length)


def make_console(store: Store, folder: Path, *, clock: Clock | None = None, **given: Any) -> FastAPI:
    """A console over a store; `given` are settings, or what `create_app` takes."""
    parts = {
        name: given.pop(name) for name in ("names", "configuration", "provider", "beside") if name in given
    }
    known = {"secret_file": folder / "secret", "requests_a_minute": 1_000_000, "second_factor": "optional"}
    settings = ConsoleSettings(**{**known, **given})
    return create_app(settings, store=store, passwords=CHEAP, now=clock or Clock(), **parts)


class Browser(TestClient):
    """A browser that follows no redirect by itself, so that tests see each answer."""

    def __init__(self, app: FastAPI, home: str = HOME, address: str = "192.0.2.1") -> None:
        super().__init__(app, base_url=home, follow_redirects=False, client=(address, 50000))
        self.console = app

    @property
    def token(self) -> str | None:
        """The session's token."""
        return next((cookie.value for cookie in self.cookies.jar if cookie.name.endswith("-session")), None)

    def submit(self, path: str, fields: dict[str, Any] | None = None, **options: Any) -> Any:
        """Send a form as our own page would."""
        known = {csrf.FIELD: csrf.token_of(self.token)} if self.token else {}
        return self.post(path, data={**known, **(fields or {})}, **options)

    def log_in(self, name: str, password: str = PASSWORD, **more: str) -> Any:
        """Fetch the form and send it."""
        self.get("/login")
        return self.submit("/login", {"name": name, "password": password, **more})

    def enter(self, name: str, stage: Stage = Stage.FULL) -> Browser:
        """Be logged in without a form."""
        state = self.console.state
        with state.store.writing() as session:
            account = accounts.named(session, name)
            assert account is not None
            token = visits.begin(session, account, stage, "a browser", state.now())
        self.cookies.clear()
        name = "__Host-probewatch-session" if state.https else "probewatch-session"
        self.cookies.set(name, token, domain=self.base_url.host)
        return self


def add_account(
    app: FastAPI, name: str, *roles: Role, password: str | None = PASSWORD, until: datetime | None = None
) -> AccountRow:
    """An account with a password of its own."""
    kept = CHEAP.hash(password) if password else None
    with app.state.store.writing() as session:
        return accounts.add(
            session,
            name=name,
            roles=roles,
            actor="command line",
            now=app.state.now(),
            password=kept,
            until=until,
        )


def add_one_of_each(app: FastAPI, roles: Iterable[Role] = Role) -> None:
    """An account for each role, called `ROLE-1`."""
    for role in roles:
        add_account(app, f"{role}-1", role)


def set_up_factor(browser: Browser, clock: Clock) -> tuple[pyotp.TOTP, list[str]]:
    """Scan the picture, type the first code; the app and the recovery codes."""
    page = browser.get("/account/second-factor").text
    key = re.search(r"Key: <code>([A-Z2-7 ]+)</code>", page)
    assert key is not None
    app = pyotp.TOTP(key[1].replace(" ", ""))
    answer = browser.submit("/account/second-factor", {"code": app.at(clock()), "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return app, re.findall(r"<code>([a-z2-7]{4}(?:-[a-z2-7]{4}){3})</code>", answer.text)


def told(app: FastAPI, kind: str) -> list[Any]:
    """What the ledger says of a kind."""
    with app.state.store.reading() as session:
        return [entry.body for entry in entries(session) if entry.kind == kind]
