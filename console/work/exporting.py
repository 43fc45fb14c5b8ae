"""Making the evidence bundle of an alert; the export itself becomes an entry of the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from console.storage import configurations, ledger
from console.storage.standing import UnknownAlert
from console.storage.tables import AlertRow, SearchRow
from models.alert import decode_alert
from models.bundle import chain_line, clause_text, contents, export_body
from models.ledger import Entry
from models.policy import Clause
from models.search import Search

#: Kinds of entries that a bundle shows when they are about its alert. A look-up of a name is not shown.
SHOWN = frozenset({"alert", "decision", "silence", "access"})


def export_bundle(
    session: Session, alert_id: str, actor: str, at: datetime, clause: Clause | None = None
) -> Iterator[bytes]:
    """The lines of a bundle, made while they are read; the session writes and must stay open until then.

    Args:
        session: one that writes.
        alert_id: whose evidence it is.
        actor: the account that exports it.
        at: now.
        clause: the clause that the alert names, from the configuration, if it names one. The ledger's text
            goes before it, where the ledger has that of the configuration that judged the alert.

    Raises:
        UnknownAlert: there is no such alert.
    """
    ledger.lock(session)
    row = session.get(AlertRow, alert_id)
    if row is None:
        raise UnknownAlert(f"there is no alert {alert_id}")
    alert = decode_alert(row.record)
    records = session.scalars(
        select(SearchRow.record)
        .where(SearchRow.event_id.in_(alert.evidence))
        .order_by(SearchRow.event_time, SearchRow.event_id)
    )
    searches = [msgspec.json.decode(record, type=Search) for record in records]
    first = ledger.about(session, alert_id)[0].seq
    told = configurations.told(session, alert.config_digest)
    text = None if clause is None else clause_text(clause)
    if told is not None:
        text = configurations.clause_in(told, alert.clause) or text
    lines = contents(alert, searches, text, at, told)
    ledger.append(session, "access", actor, export_body(alert_id, lines, first), at)
    chain = (
        chain_line(entry if _shown(entry, alert_id) else entry.seal())
        for entry in ledger.entries(session, first)
    )
    return (line for part in (lines, chain) for line in part)


def _shown(entry: Entry, alert_id: str) -> bool:
    return entry.kind in SHOWN and isinstance(entry.body, dict) and entry.body.get("alert_id") == alert_id
