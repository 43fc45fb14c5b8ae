"""Accounts: added, changed, disabled. Every change is an entry in the ledger; what is over ends at once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from console.access import visits
from console.access.passwords import Passwords, temporary, weakness
from console.access.permissions import Role, fitting
from console.access.provider import Identity
from console.access.second_factor import forget
from console.access.tables import AccountRow, DeviceRow
from console.access.tokens import digest
from console.storage.ledger import append, lock

NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{1,63}\Z")
#: How long a password may be used that somebody else has made.
TEMPORARY = timedelta(days=7)
#: Who acts where nobody is logged in: the command on the machine itself.
COMMAND = "command line"
#: Who acts where the login provider adds an account or changes its roles.
PROVIDER = "login provider"


class Refused(ValueError):
    """A change that cannot be made; the text is a sentence for people."""


def folded(name: str) -> str:
    """The form in which names are kept and compared."""
    return name.strip().casefold()


def named(session: Session, name: str) -> AccountRow | None:
    """The account of a name."""
    return session.scalar(select(AccountRow).where(AccountRow.name == folded(name)[:64]))


def everyone(session: Session) -> list[AccountRow]:
    """All accounts, by name."""
    return list(session.scalars(select(AccountRow).order_by(AccountRow.name)))


def add(
    session: Session,
    *,
    name: str,
    roles: Iterable[str],
    actor: str,
    now: datetime,
    password: str | None = None,
    until: datetime | None = None,
) -> AccountRow:
    """A new account; `password` is a hash, `until` the end of one that must be changed.

    Raises:
        Refused: the name is taken or none, or the roles do not go together.
    """
    name = folded(name)
    if not NAME.match(name):
        raise Refused(
            "A name has 2 to 64 letters, digits, dots, hyphens, underscores or @, and begins with a letter."
        )
    if named(session, name) is not None:
        raise Refused(f"There is an account {name} already.")
    account = AccountRow(
        name=name, roles=_roles(roles), created_at=now, password=password, password_until=until
    )
    session.add(account)
    session.flush()
    tell(session, account, "added", actor, now, roles=account.roles)
    return account


def vouched(session: Session, identity: Identity, now: datetime) -> AccountRow | None:
    """The account of somebody for whom the login provider vouches, with the roles that it gives now.

    It is made at the first login, under a name of its own even where a local account is called the same.
    None when the account is disabled here.
    """
    account = session.scalar(
        select(AccountRow).where(AccountRow.issuer == identity.issuer, AccountRow.subject == identity.subject)
    )
    if account is None:
        account = add(session, name=_free(session, identity), roles=identity.roles, actor=PROVIDER, now=now)
        account.issuer, account.subject = identity.issuer, identity.subject
    if account.disabled_at is not None:
        return None
    roles = sorted(identity.roles)
    if account.roles != roles:
        before, account.roles = account.roles, roles
        visits.end_all(session, account.id)
        tell(session, account, "roles changed", PROVIDER, now, before=before, roles=roles)
    return account


def set_roles(session: Session, account: AccountRow, roles: Iterable[str], actor: str, now: datetime) -> None:
    """Give an account other roles, and end its sessions.

    Raises:
        Refused: the roles do not go together, are the actor's own, or no administrator would be left.
    """
    wanted = _roles(roles)
    _not_oneself(account, actor)
    if wanted == account.roles:
        return
    if Role.ADMINISTRATOR not in wanted:
        _not_the_last(session, account)
    if account.issuer is not None:
        raise Refused("Your organisation's login provider gives the roles of this account.")
    before, account.roles = account.roles, wanted
    visits.end_all(session, account.id)
    tell(session, account, "roles changed", actor, now, before=before, roles=wanted)


def disable(session: Session, account: AccountRow, actor: str, now: datetime) -> None:
    """Let nobody log in with an account any more; it keeps its name, which the ledger uses.

    Raises:
        Refused: it is the actor's own, or no administrator would be left.
    """
    _not_oneself(account, actor)
    _not_the_last(session, account)
    if account.disabled_at is None:
        account.disabled_at = now
        visits.end_all(session, account.id)
        tell(session, account, "disabled", actor, now)


def enable(session: Session, account: AccountRow, actor: str, now: datetime) -> None:
    """Let an account log in again."""
    if account.disabled_at is not None:
        account.disabled_at = None
        tell(session, account, "enabled", actor, now)


def end_sessions(
    session: Session, account: AccountRow, actor: str, now: datetime, but: str | None = None
) -> None:
    """Log an account out everywhere, apart from the session with the digest `but`."""
    ended = visits.end_all(session, account.id, but)
    if ended:
        tell(session, account, "sessions ended", actor, now, sessions=ended)


def give_password(
    session: Session, account: AccountRow, passwords: Passwords, actor: str, now: datetime
) -> str:
    """A new password that must be changed at the first login; it is shown once and kept nowhere.

    Raises:
        Refused: the login provider vouches for this account.
    """
    if account.issuer is not None:
        raise Refused("This account logs in through your organisation and has no password here.")
    made = temporary()
    account.password, account.password_until = passwords.hash(made), now + TEMPORARY
    _forget_browsers(session, account)
    tell(session, account, "password replaced", actor, now)
    return made


def choose_password(
    session: Session,
    account: AccountRow,
    chosen: str,
    passwords: Passwords,
    now: datetime,
    but: str | None = None,
) -> None:
    """Set the password that the owner has chosen, and end all sessions but one.

    Raises:
        Refused: it is too weak, or the old one.
    """
    weak = weakness(chosen, account.name)
    if weak is not None:
        raise Refused(weak)
    if passwords.verify(account.password, chosen):
        raise Refused("This is the old password.")
    account.password, account.password_until = passwords.hash(chosen), None
    visits.end_all(session, account.id, but)
    tell(session, account, "password changed", account.name, now)


def reset_second_factor(session: Session, account: AccountRow, actor: str, now: datetime) -> None:
    """Forget an account's second factor, so that a new one is set up at the next login."""
    forget(session, account)
    visits.end_all(session, account.id)
    tell(session, account, "second factor removed", actor, now)


def tell(session: Session, account: AccountRow, what: str, actor: str, now: datetime, **more: object) -> None:
    """Write into the ledger what happened to an account."""
    append(session, "account", actor, {"account": account.name, "what": what, **more}, now)


def _roles(names: Iterable[str]) -> list[str]:
    try:
        return sorted(map(str, fitting(names)))
    except ValueError as error:
        raise Refused(str(error)) from None


def _free(session: Session, identity: Identity) -> str:
    """A name that no other account has, near to what the provider calls somebody."""
    plain = re.sub(r"[^a-z0-9._@-]+", "-", folded(identity.name)).strip("._@-")[:40]
    mark = digest(f"{identity.issuer} {identity.subject}")[:8]
    if NAME.match(plain) and named(session, plain) is None:
        return plain
    return f"{plain}-{mark}" if plain else f"account-{mark}"


def _not_oneself(account: AccountRow, actor: str) -> None:
    if account.name == actor:
        raise Refused(
            "Nobody changes the roles of the own account, or disables it; another administrator does."
        )


def _not_the_last(session: Session, account: AccountRow) -> None:
    lock(session)  # two administrators must not disable each other at the same moment
    able = [
        one
        for one in everyone(session)
        if Role.ADMINISTRATOR in one.roles and one.disabled_at is None and one.id != account.id
    ]
    if Role.ADMINISTRATOR in account.roles and account.disabled_at is None and not able:
        raise Refused("This is the last administrator; make another one first.")


def _forget_browsers(session: Session, account: AccountRow) -> None:
    for device in session.scalars(select(DeviceRow).where(DeviceRow.account_id == account.id)):
        session.delete(device)
    visits.end_all(session, account.id)
