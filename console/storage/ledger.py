"""The ledger in the store. Entries are added in the transaction of what they tell, one writer at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, cast

import msgspec
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from console.storage import tables
from models.ledger import START, Entry, Head, Kind, canonical, encode_entry, following

#: Any number that nothing else in the database locks.
LOCK = 0x70726F6265
#: Rows fetched at once where many are read.
AT_ONCE = 1000


def lock(session: Session) -> None:
    """Be the only writer until the transaction ends. Take it before reading what is going to be decided on.

    On SQLite a writing session is that by itself.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("select pg_advisory_xact_lock(:number)"), {"number": LOCK})


def head(session: Session) -> Head:
    """Where the ledger ends. Its number also tells whether anything has happened since one looked."""
    last = session.execute(
        select(tables.Entry.seq, tables.Entry.digest).order_by(tables.Entry.seq.desc()).limit(1)
    ).first()
    return Head(last.seq, last.digest) if last else START


def append(session: Session, kind: Kind, actor: str, body: object, at: datetime) -> Entry:
    """Add one entry; `body` becomes a JSON object. It stands once the session commits.

    A body with an `alert_id` is found by `about`.
    """
    (entry,) = append_all(session, [(kind, actor, body)], at)
    return entry


def append_all(session: Session, bodies: Iterable[tuple[Kind, str, object]], at: datetime) -> list[Entry]:
    """Add entries in order, each (kind, actor, body)."""
    lock(session)
    last, added = head(session), []
    for kind, actor, body in bodies:
        plain = cast(dict[str, Any], msgspec.to_builtins(msgspec.json.decode(canonical(body))))
        entry = following(last, kind, actor, plain, at)
        session.add(
            tables.Entry(
                seq=entry.seq,
                at=entry.at,
                kind=kind,
                actor=actor,
                alert_id=plain.get("alert_id"),
                body=canonical(plain),
                content=entry.content,
                previous=entry.previous,
                digest=entry.digest,
            )
        )
        added.append(entry)
        last = entry.head
    session.flush()
    return added


def read(row: tables.Entry) -> Entry:
    """An entry as the chain knows it."""
    return Entry(
        seq=row.seq,
        at=row.at,
        kind=cast(Kind, row.kind),
        actor=row.actor,
        body=msgspec.json.decode(row.body),
        content=row.content,
        previous=row.previous,
        digest=row.digest,
    )


def about(session: Session, alert_id: str) -> list[Entry]:
    """The entries about one alert, in order."""
    rows = session.scalars(
        select(tables.Entry).where(tables.Entry.alert_id == alert_id).order_by(tables.Entry.seq)
    )
    return [read(row) for row in rows]


def entries(session: Session, first: int = 1) -> Iterator[Entry]:
    """All entries from a number on, in order."""
    rows = session.scalars(
        select(tables.Entry)
        .where(tables.Entry.seq >= first)
        .order_by(tables.Entry.seq)
        .execution_options(yield_per=AT_ONCE)
    )
    return map(read, rows)


def export(session: Session, first: int = 1) -> Iterator[bytes]:
    """The ledger as JSON lines, which `models.ledger.verify` checks."""
    return (encode_entry(entry) + b"\n" for entry in entries(session, first))
