"""Stores for the tests of the console: migrated once, copied for each test; a console over one; and a
PostgreSQL of our own."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from bench.postgres import Postgres, PostgresMissing
from console.access.permissions import Role
from console.storage.engine import Store, open_store
from tests.console.browsing import Clock, add_account, make_console


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file."""
    path = tmp_path_factory.mktemp("store") / "template.sqlite"
    store = open_store(f"sqlite:///{path}")
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma journal_mode = delete")  # so that it can be copied into memory, too
    return path


def copied(template: Path, path: Path) -> Store:
    """An empty store of its own."""
    shutil.copyfile(template, path)
    return open_store(f"sqlite:///{path}", migrate=False)


#: Makes an empty store; as many as a test wants.
NewStore = Callable[[], Store]


@pytest.fixture
def new_store(template: Path, tmp_path: Path) -> Iterator[NewStore]:
    with ExitStack() as opened:
        made = 0

        def new() -> Store:
            nonlocal made
            made += 1
            store = copied(template, tmp_path / f"store-{made}.sqlite")
            opened.callback(store.close)
            return store

        yield new


@pytest.fixture
def store(new_store: NewStore) -> Store:
    return new_store()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def console(store: Store, tmp_path: Path, clock: Clock) -> FastAPI:
    """With the account of a reviewer; a file that needs others has a console of its own."""
    app = make_console(store, tmp_path, clock=clock)
    add_account(app, "reviewer-1", Role.REVIEWER)
    return app


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """A server that runs until the end of the session."""
    try:
        with Postgres() as running:
            yield running
    except PostgresMissing as error:
        if os.environ.get("REQUIRE_POSTGRES"):
            pytest.fail(str(error))
        pytest.skip(str(error))


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
