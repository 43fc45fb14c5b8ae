"""Sessions: who is behind a browser's cookie, for how long, and how far the login got.

The cookie holds a random token, the store its digest. Every step of a login makes a new token, so one that
was planted or seen before is worth nothing after it. A change of roles ends all sessions of an account.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from console.access.permissions import Permission, Role, allows
from console.access.tables import AccountRow, SessionRow
from console.access.tokens import digest, fresh

#: The time of last use is written this seldom, so that reading a page writes nothing.
TOUCH_EVERY = timedelta(minutes=1)
#: A login that is not finished by then begins anew.
UNFINISHED = timedelta(minutes=15)


class Stage(StrEnum):
    """How far a login got: each but the last may do one thing alone."""

    CODE = "code"
    """The password was right, the second factor is asked for."""
    PASSWORD = "password"
    """A password of one's own must be chosen."""
    FACTOR = "factor"
    """A second factor must be set up."""
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Current:
    """Who is logged in, as pages may know it."""

    id: int
    name: str
    roles: frozenset[Role]
    stage: Stage = Stage.FULL
    session: str = ""
    """Digest of the session's token."""

    def may(self, permission: Permission) -> bool:
        """Whether the account has a permission, and is fully logged in."""
        return self.stage is Stage.FULL and allows(self.roles, permission)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a session lives without a deliberate request, and at most."""

    idle: timedelta
    life: timedelta


def current(row: SessionRow) -> Current:
    """The account behind a session."""
    account = row.account
    return Current(
        account.id, account.name, frozenset(map(Role, account.roles)), Stage(row.stage), row.digest
    )


def find(session: Session, token: str, now: datetime, limits: Limits) -> SessionRow | None:
    """The session of a token; None when there is none, it is over, or its account is disabled."""
    row = session.get(SessionRow, digest(token))
    if row is None or row.account.disabled_at is not None:
        return None
    life = limits.life if row.stage == Stage.FULL else UNFINISHED
    over = now - row.used_at >= limits.idle or now - row.created_at >= life
    return None if over else row


def touch(session: Session, row_digest: str, now: datetime) -> None:
    """Note that a session was used."""
    session.execute(update(SessionRow).where(SessionRow.digest == row_digest).values(used_at=now))


def begin(session: Session, account: AccountRow, stage: Stage, browser: str, now: datetime) -> str:
    """A new session; its token for the cookie."""
    token = fresh()
    row = SessionRow(
        digest=digest(token),
        account_id=account.id,
        stage=stage,
        created_at=now,
        used_at=now,
        browser=browser,
    )
    session.add(row)
    session.flush()
    return token


def end(session: Session, row_digest: str) -> None:
    """End one session."""
    session.execute(delete(SessionRow).where(SessionRow.digest == row_digest))


def end_all(session: Session, account_id: int, but: str | None = None) -> int:
    """End the sessions of an account, apart from the one with the digest `but`; how many there were."""
    ended = delete(SessionRow).where(SessionRow.account_id == account_id)
    if but is not None:
        ended = ended.where(SessionRow.digest != but)
    return len(session.execute(ended.returning(SessionRow.digest)).all())


def of_account(session: Session, account_id: int) -> list[SessionRow]:
    """The sessions of an account, the one used last first."""
    found = select(SessionRow).where(SessionRow.account_id == account_id).order_by(SessionRow.used_at.desc())
    return list(session.scalars(found))


def sweep(session: Session, now: datetime, limits: Limits) -> None:
    """Delete sessions that are over."""
    session.execute(
        delete(SessionRow).where(
            (SessionRow.used_at < now - limits.idle) | (SessionRow.created_at < now - limits.life)
        )
    )
