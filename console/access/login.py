"""The steps of a login: password, second factor, and what must be done before anything else.

Whatever is wrong, the answer is the same and takes as long: nobody learns which names exist. Pages call these
functions outside of any transaction, because a try is charged in one of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fastapi import Request
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from console.access import cookies, second_factor, throttle, visits
from console.access.accounts import folded, named, tell
from console.access.passwords import Passwords
from console.access.tables import AccountRow, DeviceRow
from console.access.throttle import Key
from console.access.tokens import Seal, digest, fresh
from console.access.visits import Current, Limits, Stage
from console.settings import ConsoleSettings
from console.storage.engine import Store
from console.storage.ledger import append


@dataclass(frozen=True, slots=True)
class Result:
    """How a step went: `wait` is above 0 when it was not even tried, `token` is of the new session.

    `device` is the token for a browser that is known from now on.
    """

    wait: timedelta = timedelta(0)
    token: str | None = None
    stage: Stage | None = None
    device: str | None = None


class Login:
    """The steps of a login, for one request."""

    def __init__(self, request: Request) -> None:
        state = request.app.state
        self._store: Store = state.store
        self._passwords: Passwords = state.passwords
        self._seal: Seal = state.seal
        self._settings: ConsoleSettings = state.settings
        self._limits: Limits = state.limits
        self._now: datetime = state.now()
        self._address = throttle.of_address(request.client.host if request.client else "")
        self._browser = browser_of(request.headers.get("user-agent", ""))
        device = cookies.read(request, cookies.DEVICE)
        self._device = digest(device) if device else None

    def with_password(self, visitor: Current | None, name: str, password: str) -> Result:
        """First step: name and password. Whoever was logged in with this browser no longer is."""
        name = folded(name)
        with self._store.reading() as session:
            account = named(session, name)
            known = self._known(session, account)
        keys = [throttle.of_browser(known)] if known else [throttle.of_account(name), self._address]
        if wait := self._charge(keys, account):
            return Result(wait)
        kept = account.password if account is not None and self._usable(account) else None
        if not self._passwords.verify(kept, password):
            return Result()
        assert account is not None
        with self._store.writing() as session:
            self._succeeded(session, keys)
            row = session.get_one(AccountRow, account.id)
            if row.password is not None and self._passwords.outdated(row.password):
                row.password = self._passwords.hash(password)
            return self._go_on(session, row, factor=False, how="password", old=visitor)

    def with_code(self, current: Current, code: str) -> Result:
        """Second step: a code of the app, or a recovery code."""
        with self._store.reading() as session:
            account = session.get_one(AccountRow, current.id)
            known = self._known(session, account)
        keys = [throttle.of_factor(current.id, known), *([] if known else [self._address])]
        if wait := self._charge(keys, account):
            return Result(wait)
        with self._store.writing() as session:
            account = session.get_one(AccountRow, current.id)
            if not second_factor.take(session, account, code, self._seal, self._now):
                return Result()
            self._succeeded(session, keys)
            return self._go_on(session, account, factor=True, how="password and second factor", old=current)

    def renewed(self, session: Session, current: Current) -> Result:
        """Go on after a step that sets something up; nobody gets there who owes a code."""
        account = session.get_one(AccountRow, current.id)
        return self._go_on(session, account, factor=True, how="password", old=current)

    def vouched(self, session: Session, account: AccountRow) -> Result:
        """The login provider has vouched for an account: all steps are done."""
        token = visits.begin(session, account, Stage.FULL, self._browser, self._now)
        self._tell(session, account, "login provider")
        return Result(token=token, stage=Stage.FULL)

    def _go_on(
        self, session: Session, account: AccountRow, *, factor: bool, how: str, old: Current | None = None
    ) -> Result:
        if old is not None:
            visits.end(session, old.session)
        stage = self._next(account, factor)
        token = visits.begin(session, account, stage, self._browser, self._now)
        if stage is not Stage.FULL:
            return Result(token=token, stage=stage)
        self._tell(session, account, how)
        self._sweep(session)
        if self._known(session, account):
            return Result(token=token, stage=stage)
        device = fresh()
        session.add(DeviceRow(digest=digest(device), account_id=account.id, created_at=self._now))
        return Result(token=token, stage=stage, device=device)

    def _next(self, account: AccountRow, factor: bool) -> Stage:
        if account.totp_confirmed_at is not None and not factor:
            return Stage.CODE
        if account.password_until is not None:
            return Stage.PASSWORD
        if account.totp_confirmed_at is None and self._settings.second_factor == "required":
            return Stage.FACTOR
        return Stage.FULL

    def _usable(self, account: AccountRow) -> bool:
        in_time = account.password_until is None or account.password_until > self._now
        return account.disabled_at is None and in_time

    def _known(self, session: Session, account: AccountRow | None) -> str | None:
        """The digest of the browser's own token, if the account has logged in with it before."""
        found = session.scalar(
            select(DeviceRow.digest).where(
                DeviceRow.digest == (self._device or ""),
                DeviceRow.account_id == (account.id if account else 0),
            )
        )
        return found

    def _charge(self, keys: Sequence[Key], account: AccountRow | None) -> timedelta:
        """Count a try, first for the account or browser, then for the address if that counts."""
        with self._store.writing() as session:
            charged = throttle.charge(session, keys, self._now)
            if keys[0] in charged.reached and account is not None:
                tell(session, account, "slowed down after failed logins", "console", self._now)
        return charged.wait

    @staticmethod
    def _succeeded(session: Session, keys: Sequence[Key]) -> None:
        throttle.succeeded(session, keys[0])
        for address in keys[1:]:
            throttle.refund(session, address)

    def _sweep(self, session: Session) -> None:
        """What is over need not be kept."""
        visits.sweep(session, self._now, self._limits)
        throttle.sweep(session, self._now)
        session.execute(
            delete(DeviceRow).where(DeviceRow.created_at < self._now - cookies.LIVES[cookies.DEVICE])
        )

    def _tell(self, session: Session, account: AccountRow, how: str) -> None:
        append(session, "access", account.name, {"what": "logged in", "by": how}, self._now)


def log_out(session: Session, current: Current, now: datetime) -> None:
    """End the session."""
    visits.end(session, current.session)
    append(session, "access", current.name, {"what": "logged out"}, now)


def browser_of(agent: str) -> str:
    """The browser and system as their owner would call them; no more is kept of what a browser says.

    >>> browser_of("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0")
    'Firefox on Linux'
    """
    browsers = ("Edg", "Firefox", "Chrome", "Safari")
    systems = ("Windows", "Android", "iPhone", "iPad", "Mac OS X", "Linux")
    browser = next((one for one in browsers if one in agent), "a browser").replace("Edg", "Edge")
    system = next((one for one in systems if one in agent), None)
    return f"{browser} on {system}" if system else browser
