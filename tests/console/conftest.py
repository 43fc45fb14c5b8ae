"""Stores for the tests of the console: migrated once, copied for each test; and a PostgreSQL of our own."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import text

from console.storage.engine import Store, open_store
from tests.console.postgres import Postgres, PostgresMissing, missing


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file."""
    path = tmp_path_factory.mktemp("store") / "template.sqlite"
    store = open_store(f"sqlite:///{path}")
    with store.engine.connect() as connection:
        connection.exec_driver_sql("pragma wal_checkpoint(truncate)")
    store.close()
    return path


#: Makes an empty store; as many as a test wants.
NewStore = Callable[[], Store]


@pytest.fixture
def new_store(template: Path, tmp_path: Path) -> Iterator[NewStore]:
    with ExitStack() as opened:
        made = 0

        def new() -> Store:
            nonlocal made
            made += 1
            path = tmp_path / f"store-{made}.sqlite"
            shutil.copyfile(template, path)
            store = open_store(f"sqlite:///{path}", migrate=False)
            opened.callback(store.close)
            return store

        yield new


@pytest.fixture
def store(new_store: NewStore) -> Store:
    return new_store()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A server that runs until the end of the session."""
    try:
        with Postgres() as running:
            yield running
    except PostgresMissing as error:
        missing(error)


@pytest.fixture
def postgres(postgres_server: Postgres) -> Iterator[Store]:
    """A database of its own, migrated."""
    opened = open_store(postgres_server.new_database())
    yield opened
    opened.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def either(request: pytest.FixtureRequest) -> Store:
    """The same test on both databases."""
    found: Store = request.getfixturevalue("store" if request.param == "sqlite" else "postgres")
    with found.reading() as session:
        session.execute(text("select 1"))
    return found
