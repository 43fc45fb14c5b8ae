"""The inbox of the console with a store full of alerts, on SQLite and, where it is installed, PostgreSQL.

The alerts are made up: agencies, units, detectors and days as in a national log, a few per cent of them
still open, three to an incident and now and then fifty. Each look is one page as a person asks for it; it
is timed from the question to the rows in memory.
"""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, cast

import psycopg
import typer
from psycopg import sql
from sqlalchemy import Table, insert

from bench.figures import Figure, Report, Target
from bench.postgres import Postgres, PostgresMissing
from console.storage.engine import Store, open_store
from console.storage.inbox import Filter, inbox
from console.storage.standing import of_alert, of_work
from console.storage.tables import AlertRow
from models.alert import SEVERITIES, Alert, Severity, alert_id
from models.decisions import Work

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAYS, AGENCIES, UNITS = 3 * 365, 60, 400
DETECTORS = tuple(f"detector_{number}" for number in range(14))
#: Of a thousand alerts, how many have which severity.
WEIGHTS = (50, 300, 500, 130, 20)
#: Share that nobody has closed, and alerts put in at once.
OPEN, AT_ONCE = 0.03, 5000
ALERTS = cast(Table, AlertRow.__table__)
#: What the target is about.
MOST, WITHIN = 1_000_000, 200.0


def bench(
    alerts: Annotated[int, typer.Option(min=1000, help="Alerts in the store.")] = 100_000,
    looks: Annotated[int, typer.Option(min=1, help="Pages of each kind.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the made-up alerts.")] = 0,
) -> Report:
    """Milliseconds for a page of the inbox, 95th percentile over all kinds of filters."""
    figures: list[Figure] = []
    notes: list[str] = []
    with ExitStack() as opened:
        folder = Path(tempfile.mkdtemp(prefix="inbox-"))
        opened.callback(shutil.rmtree, folder)
        urls = {"sqlite": f"sqlite:///{folder}/inbox.sqlite"}
        try:
            urls["postgresql"] = opened.enter_context(Postgres()).new_database()
        except PostgresMissing as error:
            notes.append(str(error))
        stores = {name: open_store(url) for name, url in urls.items()}
        for store in stores.values():
            opened.callback(store.close)
        fill(stores.values(), alerts, seed)
        for name, store in stores.items():
            figures += _measured(name, store, alerts, looks, seed)
    if alerts < MOST:
        notes.append(f"the target is for {MOST:,} alerts; these were {alerts:,}")
    return Report("inbox", figures, notes, {"alerts": alerts, "looks": looks, "seed": seed})


def fill(stores: Iterable[Store], number: int, seed: int) -> None:
    """Put the same made-up alerts into empty stores, past the ledger, and let the databases count them.

    Indexes are made when all is in: each row would otherwise touch a dozen places on the disk.
    """
    stores, made = list(stores), rows(number, seed)
    for store in stores:
        with store.engine.begin() as connection:
            for index in ALERTS.indexes:
                index.drop(connection)
    while batch := list(islice(made, AT_ONCE)):
        for store in stores:
            _put(store, batch)
    for store in stores:
        with store.engine.begin() as connection:
            for index in ALERTS.indexes:
                index.create(connection)
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            postgres = store.engine.dialect.name == "postgresql"
            connection.exec_driver_sql("vacuum analyze" if postgres else "analyze")


def _put(store: Store, batch: Sequence[dict[str, Any]]) -> None:
    if store.engine.dialect.name == "sqlite":
        with store.writing() as session:
            session.execute(insert(ALERTS), batch)
        return
    with store.engine.begin() as connection:
        driver = cast(psycopg.Connection, connection.connection.driver_connection)
        columns = sql.SQL(", ").join(map(sql.Identifier, batch[0]))
        with driver.cursor().copy(sql.SQL("copy alerts ({}) from stdin").format(columns)) as copy:
            for row in batch:
                copy.write_row([*row.values()])


def rows(number: int, seed: int) -> Iterator[dict[str, Any]]:
    """Rows of alerts, equal for equal seeds."""
    chance = random.Random(seed)
    incident = ""
    left = 0
    for index in range(number):
        unit = chance.randrange(UNITS)
        severity: Severity = chance.choices(SEVERITIES, WEIGHTS)[0]
        at = NOW - timedelta(seconds=chance.random() * DAYS * 86400)
        if left == 0:
            entity, agency = f"r-{chance.randrange(number // 3 + 1)}", f"agency-{unit % AGENCIES}"
        detector = chance.choice(DETECTORS)
        identity = alert_id(detector, agency, entity, None, float(index))
        if left == 0:
            incident, left = identity, 50 if chance.random() < 0.01 else chance.randint(1, 5)
        left -= 1
        p = 10 ** -chance.uniform(4, 12)
        alert = Alert(
            alert_id=identity, detector=detector, kind="anomaly", entity_kind="requester", entity=entity,
            agency_id=agency, unit_id=f"unit-{unit}", window_start=at - timedelta(days=7), window_end=at,
            first_seen=at - timedelta(days=6), decided_at=at, status="final", severity=severity, p_value=p,
            score=-p, observed=21.0, expected=1.3, interval=(0.0, 6.0), clause=None,
            evidence=tuple(f"event-{index}-{n}" for n in range(8)), evidence_count=8, detector_version=1,
            explanation=f"{index % 90} searches in 7 days to {at:%d %B %Y} where 1.3 [0-6] were expected.",
            config_digest="0123456789abcdef",
        )  # fmt: skip
        work = Work(state="new") if chance.random() < OPEN else Work(state="closed", closed_at=at)
        yield {
            **of_alert(alert),
            **of_work(work),
            "alert_id": identity,
            "incident_id": incident,
            "arrived_at": at,
            "changed_at": at,
            "versions": 1,
            "decisions": 0,
            "assignee": f"reviewer-{index % 9}" if index % 2 else None,
        }


def filters(chance: random.Random) -> dict[str, Filter]:
    """One of each kind of look."""
    unit = f"unit-{chance.randrange(UNITS)}"
    detector = chance.choice(DETECTORS)
    day = NOW - timedelta(days=chance.randrange(8, DAYS))
    return {
        "waiting": Filter(),
        "unit": Filter(waiting=False, unit=unit),
        "detector": Filter(waiting=False, detector=detector),
        "severity": Filter(waiting=False, severities=frozenset({"low"})),
        "state": Filter(states=frozenset({"closed"})),
        "agency": Filter(waiting=False, agency=f"agency-{chance.randrange(AGENCIES)}"),
        "week": Filter(waiting=False, since=day, until=day + timedelta(days=7)),
        "assignee": Filter(assignee=f"reviewer-{chance.randrange(9)}"),
        "text": Filter(text=f"{day:%B} {chance.randrange(90)}"),
        "text_all": Filter(waiting=False, text=f"r-{chance.randrange(10_000, 30_000)}"),
        "entity": Filter(waiting=False, entity=f"r-{chance.randrange(10_000, 30_000)}"),
        "none": Filter(waiting=False, unit=unit, detector="detector_of_another_time"),
        "together": Filter(waiting=False, unit=unit, detector=detector, severities=frozenset({"high"})),
        "unit_week": Filter(waiting=False, unit=unit, since=day, until=day + timedelta(days=7)),
    }


def _measured(name: str, store: Store, alerts: int, looks: int, seed: int) -> list[Figure]:
    times: dict[str, list[float]] = {}
    used: list[float] = []
    chance = random.Random(seed)
    for _ in range(looks):
        for kind, wanted in filters(chance).items():
            after = None
            for which in (kind, "later_page"):
                begin, used_before = time.perf_counter(), time.process_time()
                with store.reading() as session:
                    page = inbox(session, wanted, NOW, after)
                times.setdefault(which, []).append((time.perf_counter() - begin) * 1e3)
                used.append((time.process_time() - used_before) * 1e3)
                after = page.following
                if after is None:
                    break
    everything = [one for many in times.values() for one in many]
    target = Target("at most", WITHIN) if alerts >= MOST else None
    meaning = f"a page of the inbox, 95th percentile, {name}"
    found = [Figure(f"{name}_p95_ms", meaning, [_p95(everything)], "ms", target)]
    if name == "sqlite":  # it works in this process, so that is all the work there is
        found.append(Figure(f"{name}_cpu_p95_ms", "of these, the processor's time", [_p95(used)], "ms"))
    return found + [
        Figure(f"{name}_{kind}_p95_ms", f"of these, {kind.replace('_', ' ')}", [_p95(many)], "ms")
        for kind, many in times.items()
    ]


def _p95(values: list[float]) -> float:
    return sorted(values)[max(0, -(-len(values) * 95 // 100) - 1)]
