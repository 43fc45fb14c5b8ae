"""The tables that the migrations make are those that the code declares, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, StatementError

from console.storage import everything
from console.storage.engine import Store, make_engine, open_store
from console.storage.tables import Entry, Offset, RefusalRow
from streams.exits import Stop


def test_migrated_tables_are_the_declared_ones(either: Store) -> None:
    with either.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, everything.metadata) == []


def entry(seq: int) -> Entry:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return Entry(
        seq=seq, at=at, kind="access", actor="reviewer-1", body=b"{}", content="", previous="", digest=""
    )


@pytest.mark.parametrize(
    "change",
    [
        "update ledger set actor = 'somebody else'",
        "delete from ledger",
        "insert into ledger (seq, at, kind, actor, body, content, previous, digest) select seq, at, kind,"
        " 'somebody else', body, content, previous, digest from ledger where seq = 1"
        " on conflict (seq) do update set actor = excluded.actor",
    ],
)
def test_the_database_refuses_to_change_the_ledger(either: Store, change: str) -> None:
    with either.writing() as session:
        session.add(entry(1))
    with pytest.raises(DBAPIError, match="never changed"), either.writing() as session:
        session.execute(text(change))
    with either.reading() as session:
        assert [found.actor for found in session.query(Entry)] == ["reviewer-1"]


def test_sqlite_does_not_replace_an_entry_either(store: Store) -> None:
    with store.writing() as session:
        session.add(entry(1))
    with pytest.raises(DBAPIError, match="never changed"), store.writing() as session:
        session.execute(
            text(
                "insert or replace into ledger (seq, at, kind, actor, body, content, previous, digest)"
                " values (1, '2026-01-01', 'access', 'x', '', '', '', '')"
            )
        )


@pytest.mark.postgres
def test_postgresql_does_not_truncate_it(postgres: Store) -> None:
    with pytest.raises(DBAPIError, match="never changed"), postgres.writing() as session:
        session.execute(text("truncate ledger"))


def test_instants_come_back_aware_and_in_utc(either: Store) -> None:
    at = datetime(2026, 3, 1, 1, 30, 0, 250, tzinfo=timezone(timedelta(hours=-8)))
    with either.writing() as session:
        session.add(RefusalRow(topic="alerts", partition=0, offset=1, at=at, reason="", payload=b"\xff\x00"))
    with either.reading() as session:
        found = session.get_one(RefusalRow, ("alerts", 0, 1))
        assert found.at == at and found.at.tzinfo is UTC
        assert found.payload == b"\xff\x00"


def test_a_naive_instant_is_refused(store: Store) -> None:
    naive = datetime(2026, 3, 1)  # noqa: DTZ001
    with pytest.raises(StatementError, match="time zone"), store.writing() as session:
        session.add(RefusalRow(topic="alerts", partition=0, offset=1, at=naive, reason="", payload=b""))


def test_what_raises_is_not_kept(either: Store) -> None:
    with pytest.raises(RuntimeError), either.writing() as session:
        session.add(Offset(topic="alerts", partition=0, next_offset=7))
        session.flush()
        raise RuntimeError
    with either.reading() as session:
        assert session.get(Offset, ("alerts", 0)) is None


def test_another_database_is_refused_with_a_sentence() -> None:
    with pytest.raises(Stop, match="not in mysql"):
        make_engine("mysql://somewhere/x")
    with pytest.raises(Stop, match="PROBEWATCH_CONSOLE_DATABASE"):
        make_engine("no url")
    with pytest.raises(Stop, match="sqlite:///FILE"):
        make_engine("no url")


def test_a_file_that_cannot_be_a_store_is_said_in_a_sentence(tmp_path: Path) -> None:
    other = tmp_path / "notes"
    other.write_text("these are notes, and no database of anything\n" * 40)
    with pytest.raises(Stop, match="notes cannot be used: file is not a database"):
        open_store(f"sqlite:///{other}")
    with pytest.raises(Stop, match="notes/.* cannot be made: .*PROBEWATCH_CONSOLE_DATABASE"):
        open_store(f"sqlite:///{other}/below/store.sqlite")


def test_a_store_of_a_later_version_is_refused(store: Store) -> None:
    with store.writing() as session:
        session.execute(text("update alembic_version set version_num = '9999'"))
    with pytest.raises(Stop, match="another version"):
        open_store(str(store.engine.url))
