"""Failed logins slow down whoever makes them; nobody is ever locked out for good.

Failures in a row are counted by key: an account, a network address, a browser in which the account has
logged in before. Some are free, then every further failure doubles the pause, up to a quarter of an hour. A
browser that is known has a key of its own and no other, so an attacker cannot keep the owner out. A try is
charged before it is judged: tries made at the same moment gain nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from console.access.tables import ThrottleRow
from console.access.tokens import digest

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


def of_owner(account_id: int) -> Key:
    """Passwords and codes typed again by somebody who is logged in already."""
    return Key(f"owner:{account_id}", 5)


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


class Charged(NamedTuple):
    """How long to wait instead, 0 when a try may be judged; and keys whose free tries it has used up."""

    wait: timedelta
    reached: tuple[Key, ...] = ()


def charge(session: Session, keys: Iterable[Key], now: datetime) -> Charged:
    """Count a try for each key before it is judged; commit before answering.

    While somebody waits nothing is counted, so that impatience is not punished.
    """
    keys = sorted(keys)
    rows = [_row(session, key, now) for key in keys]
    wait = max((row.free_at - now for row in rows), default=timedelta(0))
    if wait > timedelta(0):
        return Charged(wait)
    for row, key in zip(rows, keys, strict=True):
        row.failures += 1
        row.failed_at = now
        row.free_at = now + pause(row.failures, key.free)
    return Charged(
        timedelta(0), tuple(key for row, key in zip(rows, keys, strict=True) if row.failures == key.free)
    )


def succeeded(session: Session, key: Key) -> None:
    """Forget the failures of a key."""
    session.execute(delete(ThrottleRow).where(ThrottleRow.key == key.text))


def refund(session: Session, key: Key) -> None:
    """Take back one try, which has succeeded, and leave the failures of others counted."""
    row = session.get(ThrottleRow, key.text, with_for_update=True)
    if row is not None:
        row.failures = max(0, row.failures - 1)
        row.free_at = min(row.free_at, row.failed_at)


def sweep(session: Session, now: datetime) -> None:
    """Delete what is forgotten anyway."""
    session.execute(delete(ThrottleRow).where(ThrottleRow.failed_at < now - MEMORY))


def _row(session: Session, key: Key, now: datetime) -> ThrottleRow:
    row = session.get(ThrottleRow, key.text, with_for_update=True)
    if row is None:
        try:
            with session.begin_nested():
                row = ThrottleRow(key=key.text, failures=0, failed_at=now, free_at=now)
                session.add(row)
        except IntegrityError:  # somebody else tried at the same moment
            row = session.get_one(ThrottleRow, key.text, with_for_update=True)
    if now - row.failed_at > MEMORY:
        row.failures, row.free_at = 0, now
    return row
