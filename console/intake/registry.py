"""Taking changes of trained models over from the analysts' registry into the ledger.

The registry is a chain of its own, in the folder of models. Whatever of it the ledger does not have yet is
added, in order, each with the digest that it has there; so nothing is lost while the console is down, and a
registry that was made anew, or cut, is noticed.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import msgspec
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from console.background import Background
from console.storage import ledger, tables
from console.storage.engine import Store
from models.ledger import Entry, Kind, verify
from streams.exits import log
from streams.serving import REGISTRY

#: Who writes the entries; who made a change stands in `by`, as the registry has it.
ACTOR = "registry"
#: Seconds between two looks at the file.
EVERY = 2.0


class NotTheRegistry(ValueError):
    """The file does not go on from what the ledger has of it; the text says what is wrong."""


def take_registry(session: Session, raw: bytes, at: datetime) -> int:
    """Add what the ledger does not have yet of a registry's bytes; how many entries.

    A last line without its end is still being written and waits.

    Raises:
        NotTheRegistry: its chain is broken, or does not begin with what was taken over before.
    """
    ledger.lock(session)
    whole = raw[: raw.rfind(b"\n") + 1].splitlines(keepends=True)
    if faults := verify(whole).faults:
        raise NotTheRegistry("; ".join(map(str, faults[:3])))
    entries = [msgspec.json.decode(line, type=Entry) for line in whole]
    kind, actor = tables.Entry.kind == "model", tables.Entry.actor == ACTOR
    bodies = session.scalars(select(tables.Entry.body).where(kind, actor).order_by(tables.Entry.seq))
    known = [msgspec.json.decode(body)["registry"] for body in bodies]
    if [entry.digest for entry in entries[: len(known)]] != known:
        raise NotTheRegistry(
            f"the ledger has {len(known)} of its entries, and they are no longer its first: it was cut or"
            " exchanged"
        )
    fresh: list[tuple[Kind, str, object]] = [
        ("model", ACTOR, {**entry.body, "by": entry.actor, "decided_at": entry.at, "registry": entry.digest})
        for entry in entries[len(known) :]
        if isinstance(entry.body, dict)
    ]
    if fresh:
        ledger.append_all(session, fresh, at)
    return len(fresh)


def take_folder(store: Store, folder: Path, at: datetime) -> int:
    """The same for the registry of a folder of models; 0 when there is none yet.

    Raises:
        NotTheRegistry: as `take_registry`.
        OSError: the file cannot be read.
    """
    try:
        raw = (folder / REGISTRY).read_bytes()
    except FileNotFoundError:
        raw = b""
    with store.writing() as session:
        return take_registry(session, raw, at)


class Following(Background):
    """Looks at the registry in a thread of its own, from `start` to `stop`."""

    def __init__(self, store: Store, folder: Path, now: Callable[[], datetime]) -> None:
        super().__init__("registry")
        self._store, self._folder, self._now = store, folder, now
        self._seen: tuple[int, int] | None = None
        """Length and time of change of the file that was taken last."""
        self._said: str | None = None

    def look(self) -> None:
        """Take over what is new; what is wrong is said once."""
        try:
            found = self._mark()
            if found != self._seen:
                take_folder(self._store, self._folder, self._now())
                self._seen, self._said = found, None
        except (NotTheRegistry, SQLAlchemyError, OSError) as error:
            if str(error) != self._said:
                self._said = str(error)
                log.warning(
                    "changes of models are not taken over", folder=str(self._folder), reason=str(error)
                )

    def _mark(self) -> tuple[int, int] | None:
        try:
            there = (self._folder / REGISTRY).stat()
        except FileNotFoundError:
            return None
        return there.st_size, there.st_mtime_ns

    def _run(self) -> None:
        while True:
            self.look()
            if self._stopping.wait(EVERY):
                return
