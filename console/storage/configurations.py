"""What configurations said, in the ledger: the console's start tells it when it has changed.

Alerts name the configuration that judged them by its digest. With these entries somebody can read later, when
the files have changed, which clauses that was about.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from console.storage import ledger, tables
from models.bundle import configuration_body
from models.ledger import Entry
from streams.configuration import Configuration

#: Who writes these entries.
ACTOR = "console"


def tell(session: Session, configuration: Configuration, at: datetime) -> bool:
    """Write what a configuration says, unless it is what the last such entry says; whether it was written."""
    ledger.lock(session)
    body = configuration_body(configuration.digest, configuration.reference.policy.packs.values())
    rows = _rows(session)
    if rows and msgspec.json.decode(rows[-1].body) == msgspec.json.decode(msgspec.json.encode(body)):
        return False
    ledger.append(session, "configuration", ACTOR, body, at)
    return True


def told(session: Session, config_digest: str) -> Entry | None:
    """The last entry that says what a configuration says; None when the console never started with it."""
    found = [row for row in _rows(session) if msgspec.json.decode(row.body)["config_digest"] == config_digest]
    return ledger.read(found[-1]) if found else None


def clause_in(entry: Entry, clause_id: str | None) -> dict[str, Any] | None:
    """A clause of an entry; None for one that is not in it."""
    packs = entry.body["packs"] if isinstance(entry.body, dict) else ()
    return next((one for pack in packs for one in pack["clauses"] if one["id"] == clause_id), None)


def _rows(session: Session) -> list[tables.Entry]:
    """All of them; there are as many as changes."""
    kind, actor = tables.Entry.kind == "configuration", tables.Entry.actor == ACTOR
    return list(session.scalars(select(tables.Entry).where(kind, actor).order_by(tables.Entry.seq)))
