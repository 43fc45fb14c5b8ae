"""Opening the store: one engine, migrated, with sessions that read and sessions that write.

SQLite has one writer at a time. A transaction that begins by reading and then wants to write fails when
somebody else wrote meanwhile, however long it waits; so who may write says so at the begin, and waits there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.orm import Session, sessionmaker

from streams.exits import Stop

#: Seconds that a writer waits for another.
WAIT = 30.0


class Store:
    """An open store. Sessions do not expire what they have loaded when they commit."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.readers = sessionmaker(engine, expire_on_commit=False)
        self.writers = sessionmaker(engine.execution_options(writes=True), expire_on_commit=False)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session in one transaction that changes nothing."""
        with self.readers() as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session in one transaction, committed at the end of the block unless it raises."""
        with self.writers.begin() as session:
            yield session

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def open_store(url: str, *, migrate: bool = True, new: bool = True) -> Store:
    """Open the store that a URL names and bring its tables up to date.

    Raises:
        Stop: the URL is none, the database cannot be reached, a later version made it, or it would have to
            be a new file and `new` is false.
    """
    store = Store(make_engine(url, new=new))
    if migrate:
        from console.storage.migrations import upgrade  # alembic, which nobody else has to wait for

        upgrade(store.engine)
    return store


def make_engine(url: str, *, new: bool = True) -> Engine:
    """An engine for SQLite or PostgreSQL.

    Raises:
        Stop: the URL is none, names another database, or a file that is not there while `new` is false.
    """
    try:
        parsed = make_url(url)
        if parsed.drivername in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        kind = parsed.get_backend_name()
        if kind not in ("sqlite", "postgresql"):
            raise Stop(f"the console keeps its records in sqlite or postgresql, not in {kind}")
        # Errors end up in logs, which must not hold what was to be written.
        options: dict[str, Any] = {"hide_parameters": True}
        if kind == "sqlite":
            options["connect_args"] = {"timeout": WAIT}
            if parsed.database and parsed.database != ":memory:":
                if not new and not Path(parsed.database).is_file():
                    raise Stop(f"there is no store at {parsed.database}; `./probewatch console` makes it")
                Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        else:
            options["pool_pre_ping"] = True
        engine = create_engine(parsed, **options)
    except (ArgumentError, NoSuchModuleError) as error:
        raise Stop(
            f"PROBEWATCH_CONSOLE_DATABASE: {error}; it is written sqlite:///FILE or"
            " postgresql://USER:PASSWORD@HOST/NAME"
        ) from None
    except OSError as error:
        raise Stop(
            f"the folder {error.filename} of the console's database cannot be made: {error.strerror};"
            " see PROBEWATCH_CONSOLE_DATABASE"
        ) from None
    if kind == "sqlite":
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: sqlite3.Connection, _: object) -> None:
    """Foreign keys, readers beside the writer, and transactions that are ours to begin."""
    connection.isolation_level = None
    for pragma in (
        "foreign_keys = on",
        "journal_mode = wal",
        "synchronous = normal",
        "cache_size = -65536",
        "mmap_size = 1073741824",
    ):
        connection.execute(f"pragma {pragma}")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("begin immediate" if writes else "begin")
