"""The second factor: codes from an app (RFC 6238, 30 seconds, six digits), and recovery codes for its loss.

A code is taken once, and one step of time early or late. Secrets are sealed in the store, recovery codes are
random and kept as digests.
"""

from __future__ import annotations

import secrets
from base64 import b32encode
from datetime import datetime

import pyotp
import segno
from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from console.access.tables import AccountRow, RecoveryCodeRow
from console.access.tokens import Seal, digest, same

ISSUER = "Probewatch"
STEP = 30
#: Steps of time by which clocks may differ.
DRIFT = 1
CODES = 10


def fresh_secret() -> str:
    """A secret for an app: 160 random bits in base 32, as RFC 4226 asks."""
    return pyotp.random_base32()


def picture(secret: str, name: str) -> str:
    """The QR code that an app reads, as an SVG element with nothing to style or run in it."""
    code = segno.make(
        pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER), error="m", micro=False
    )
    return code.svg_inline(scale=5, dark="#000", light="#fff", svgclass="qr", lineclass=None, title="QR code")


def step_of(secret: str, code: str, now: datetime) -> int | None:
    """The step of time that a code belongs to, None when it belongs to none near now."""
    given = "".join(code.split())
    middle = int(now.timestamp()) // STEP
    app = pyotp.TOTP(secret, interval=STEP)
    found = [
        step for step in range(middle - DRIFT, middle + DRIFT + 1) if same(given, app.generate_otp(step))
    ]
    return found[-1] if found else None


def set_up(
    session: Session, account: AccountRow, secret: str, code: str, seal: Seal, now: datetime
) -> list[str] | None:
    """Take a new second factor if the code shows that the app has it; gives new recovery codes, else None."""
    step = step_of(secret, code, now)
    if step is None:
        return None
    account.totp_secret, account.totp_confirmed_at, account.totp_step = seal.close(secret), now, step
    return new_codes(session, account)


def new_codes(session: Session, account: AccountRow) -> list[str]:
    """New recovery codes in place of all old ones; shown once."""
    session.execute(delete(RecoveryCodeRow).where(RecoveryCodeRow.account_id == account.id))
    made = []
    for _ in range(CODES):
        text = b32encode(secrets.token_bytes(10)).decode().lower()
        made.append("-".join(text[at : at + 4] for at in range(0, 16, 4)))
        session.add(RecoveryCodeRow(digest=digest(text), account_id=account.id))
    return made


def take(session: Session, account: AccountRow, given: str, seal: Seal, now: datetime) -> bool:
    """Whether a code of the app or a recovery code is right and was not used before; now it is."""
    secret = seal.open(account.totp_secret) if account.totp_secret else None
    step = step_of(secret, given, now) if secret else None
    if step is not None:
        taken = (
            update(AccountRow)
            .where(
                AccountRow.id == account.id, or_(AccountRow.totp_step.is_(None), AccountRow.totp_step < step)
            )
            .values(totp_step=step)
            .returning(AccountRow.id)
        )
        return session.scalar(taken) is not None
    plain = "".join(given.split()).replace("-", "").casefold()
    used = (
        delete(RecoveryCodeRow)
        .where(RecoveryCodeRow.digest == digest(plain), RecoveryCodeRow.account_id == account.id)
        .returning(RecoveryCodeRow.digest)
    )
    return session.scalar(used) is not None


def codes_left(session: Session, account_id: int) -> int:
    """How many recovery codes an account has."""
    counted = select(func.count()).where(RecoveryCodeRow.account_id == account_id)
    return session.scalar(counted) or 0


def forget(session: Session, account: AccountRow) -> None:
    """Forget the second factor and its recovery codes."""
    account.totp_secret = account.totp_confirmed_at = account.totp_step = None
    session.execute(delete(RecoveryCodeRow).where(RecoveryCodeRow.account_id == account.id))
