"""Requests that the roles of somebody who is logged in do not allow: in the ledger, and not without end."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import structlog
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from console.access.permissions import Permission
from console.access.visits import Current
from console.storage import ledger
from console.storage.engine import Store
from console.storage.tables import Entry

log = structlog.get_logger("console")
WHAT = "refused"
#: For so long further requests of an account for the same thing make no entry.
ONCE_IN = timedelta(hours=1)


def tell_refusal(store: Store, account: Current, permission: Permission, now: datetime) -> None:
    """Write that an account asked for what it may not, unless the last hour has such an entry.

    The answer does not wait for a store that cannot be written to: the log has a line then.
    """
    body = {"what": WHAT, "asked": str(permission)}
    recent = select(Entry.body).where(
        Entry.actor == account.name, Entry.kind == "access", Entry.at > now - ONCE_IN
    )
    try:
        with store.writing() as session:
            ledger.lock(session)
            if all(msgspec.json.decode(raw) != body for raw in session.scalars(recent)):
                ledger.append(session, "access", account.name, body, now)
    except OperationalError as error:
        log.warning("a refused request was not noted", exc_info=error)
