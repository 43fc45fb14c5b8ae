"""Tables of accounts, sessions, failed logins and look-ups.

Only digests of tokens and codes are kept, so that a copy of the store lets nobody in.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from console.storage.base import Base


class AccountRow(Base):
    """One person who may log in. Never deleted, because the ledger names it: disabled instead."""

    __tablename__ = "accounts"
    __table_args__ = (UniqueConstraint("issuer", "subject"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    """As it is shown; in lower case, so that none differ by case alone."""
    roles: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    password: Mapped[str | None] = mapped_column(String(256))
    """Argon2id with its parameters; none where the login provider of the organisation vouches."""
    password_until: Mapped[datetime | None]
    """A password made by an administrator ends then and must be changed at the first login."""
    totp_secret: Mapped[str | None] = mapped_column(String(512))
    """Sealed under the secret key of the console."""
    totp_confirmed_at: Mapped[datetime | None]
    totp_step: Mapped[int | None]
    """The last step of time of which a code was accepted: none is taken twice."""
    issuer: Mapped[str | None] = mapped_column(String(255))
    subject: Mapped[str | None] = mapped_column(String(255))


class RecoveryCodeRow(Base):
    """A code that replaces the second factor once."""

    __tablename__ = "recovery_codes"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), index=True)


class SessionRow(Base):
    """One browser that somebody logged in with."""

    __tablename__ = "sessions"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), index=True)
    stage: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime]
    used_at: Mapped[datetime]
    browser: Mapped[str] = mapped_column(String(40))
    pending: Mapped[str | None] = mapped_column(String(512))
    """Secret of a second factor that is being set up, sealed."""
    account: Mapped[AccountRow] = relationship()


class DeviceRow(Base):
    """A browser in which an account logged in before: attackers elsewhere cannot slow it down."""

    __tablename__ = "devices"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), index=True)
    created_at: Mapped[datetime]


class ThrottleRow(Base):
    """Failures in a row of one key: an account, an address, a known browser, or a second factor."""

    __tablename__ = "throttles"

    key: Mapped[str] = mapped_column(String(80), primary_key=True)
    failures: Mapped[int]
    failed_at: Mapped[datetime] = mapped_column(index=True)
    free_at: Mapped[datetime]


class LookUpRow(Base):
    """Somebody asked who a pseudonym is."""

    __tablename__ = "look_ups"
    __table_args__ = (Index(None, "account_id", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    pseudonym: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(String(1000))
    alert_id: Mapped[str | None] = mapped_column(String(64))
    found: Mapped[bool]
    account: Mapped[AccountRow] = relationship()
