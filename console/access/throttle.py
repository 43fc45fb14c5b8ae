"""Failed logins slow down whoever makes them; nobody is ever locked out for good.

Failures in a row are counted by key: an account, a network address, a browser in which the account has
logged in before. Some are free, then every further failure doubles the pause, up to a quarter of an hour. A
browser that is known has a key of its own, so an attacker elsewhere cannot keep the owner out. A try is
charged before it is judged: tries made at the same moment gain nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import delete
from sqlalchemy.orm import Session

from console.access.tables import ThrottleRow
from console.access.tokens import digest
from console.storage.engine import Store

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(minutes=15)
#: After a day without a failure all is forgotten.
MEMORY = timedelta(days=1)


class Key(NamedTuple):
    """What failures are counted for, and how many of them cost nothing."""

    text: str
    free: int


def of_account(name: str) -> Key:
    """Tries at an account from browsers that it does not know. Names that do not exist have one too."""
    return Key("account:" + digest(name), 5)


def of_browser(device: str) -> Key:
    """Tries in a browser that the account knows."""
    return Key("browser:" + device, 5)


def of_address(address: str) -> Key:
    """Tries from a network address, whichever account they aim at; many people may share one."""
    return Key("address:" + digest(address), 30)


def of_factor(account_id: int, device: str | None) -> Key:
    """Codes of a second factor."""
    return Key(f"factor:{account_id}:{device or ''}", 5)


def pause(failures: int, free: int) -> timedelta:
    """How long to wait after so many failures in a row.

    >>> [pause(n, 5).total_seconds() for n in (4, 5, 6, 7, 100)]
    [0.0, 5.0, 10.0, 20.0, 900.0]
    """
    if failures < free:
        return timedelta(0)
    doubled: int = 2 ** min(failures - free, 20)
    return min(FIRST_PAUSE * doubled, LONGEST_PAUSE)


class Throttle:
    """Keeps count in the store, each time in a short transaction of its own."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def charge(self, keys: Iterable[Key], now: datetime) -> timedelta:
        """Count a try for each key before it is judged; how long to wait instead, 0 when it may be judged.

        While somebody waits nothing is counted, so that impatience is not punished.
        """
        keys = sorted(keys)
        with self._store.writing() as session:
            rows = [self._row(session, key, now) for key in keys]
            wait = max((row.free_at - now for row in rows), default=timedelta(0))
            if wait > timedelta(0):
                return wait
            for row, key in zip(rows, keys, strict=True):
                row.failures += 1
                row.failed_at = now
                row.free_at = now + pause(row.failures, key.free)
        return timedelta(0)

    def succeeded(self, keys: Iterable[Key]) -> None:
        """Forget the failures of these keys."""
        with self._store.writing() as session:
            session.execute(delete(ThrottleRow).where(ThrottleRow.key.in_([key.text for key in keys])))

    def sweep(self, now: datetime) -> None:
        """Delete what is forgotten anyway."""
        with self._store.writing() as session:
            session.execute(delete(ThrottleRow).where(ThrottleRow.failed_at < now - MEMORY))

    @staticmethod
    def _row(session: Session, key: Key, now: datetime) -> ThrottleRow:
        row = session.get(ThrottleRow, key.text, with_for_update=True)
        if row is None:
            row = ThrottleRow(key=key.text, failures=0, failed_at=now, free_at=now)
            session.add(row)
            session.flush()
        elif now - row.failed_at > MEMORY:
            row.failures, row.free_at = 0, now
        return row
