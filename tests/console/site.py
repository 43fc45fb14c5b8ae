"""A console over a small store: a log of forty days is replayed, what comes of it is kept, people log in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy.orm import Session

from console.access import csrf, visits
from console.access.permissions import Role
from console.access.tables import AccountRow
from console.settings import ConsoleSettings
from console.storage import ledger, standing
from console.storage.engine import Store
from console.storage.tables import SearchRow
from console.web.app import create_app
from models.alert import Alert, decode_alert
from models.detectors import settings_types
from models.pipeline import Pipeline
from models.search import Search, encode_search
from streams.commands.config import SHIPPED
from streams.configuration import Configuration, load
from streams.stages import chosen
from tests.live import DETECTORS, SOURCES
from tests.logs import Log, Plan

#: The moment at which the tests look at the log of March 2021.
NOW = datetime(2021, 4, 20, 12, tzinfo=UTC)
#: Demonstrations beside the log, two of them where it has something to show.
CALENDAR = """date,agency_id,area,kind,size,interventions,count,source
2021-03-13,lapd,,demonstration,900,2,1,test
2021-03-23,lapd,central,demonstration,3000,2,2,test
2021-03-27,*,,demonstration,9000,0,1,test
"""
RISK = "  risk: {function: risk, threshold: 5.0, minimum_kinds: 1}\n"


@cache
def replayed() -> tuple[Configuration, tuple[Search, ...], tuple[Alert, ...]]:
    """The configuration, the searches of the log, and every version of every alert."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "detectors.yaml").write_text(DETECTORS + RISK)
        (folder / "sources.yaml").write_text(SOURCES)
        (folder / "calendar.csv").write_text(CALENDAR)
        configuration = load(folder, SHIPPED, settings_types())
    plan = Plan(
        agency="lapd", rate=8, burst_day=30, quiet_from=20, favourite=1, missing=frozenset({17, 40}), salt=7
    )
    searches = [
        msgspec.structs.replace(
            one,
            incident_area=("central", "harbor", None)[place % 3],
            reason_text=f"robbery, report {place}" if place % 4 else None,
        )
        for place, one in enumerate(plan.searches())
    ]
    pipeline = Pipeline(configuration.reference, chosen(configuration), configuration.digest)
    said = pipeline.feed(Log(searches, 40).messages())
    alerts = tuple(decode_alert(one.value) for one in said if one.topic == "alerts")
    return configuration, tuple(searches), alerts


def fill(store: Store, searches: Iterable[Search], alerts: Iterable[Alert]) -> None:
    """Keep searches, and every version of each alert."""
    with store.writing() as session:
        session.add_all(map(search_row, searches))
        tell(session, alerts)


def tell(session: Session, alerts: Iterable[Alert]) -> None:
    """Let alerts arrive."""
    alerts = list(alerts)
    for alert in alerts:
        ledger.append(session, "alert", "intake", alert, alert.decided_at)
    for alert_id in {alert.alert_id for alert in alerts}:
        standing.stand(session, alert_id)
    standing.regroup(session, {alert.alert_id for alert in alerts})


def search_row(search: Search) -> SearchRow:
    names = {column.key for column in SearchRow.__table__.columns} - {"record", "late"}
    return SearchRow(
        **{name: getattr(search, name) for name in names}, record=encode_search(search), late=False
    )


class Person(TestClient):
    """Somebody with a browser, logged in."""

    token = ""

    def do(self, path: str, **fields: str) -> Response:
        """Post a form of our own pages."""
        return self.post(path, data={"csrf_token": self.token, **fields}, follow_redirects=False)


@dataclass
class Site:
    """A running console without a network."""

    store: Store
    configuration: Configuration
    settings: ConsoleSettings
    now: Callable[[], datetime]
    alerts: tuple[Alert, ...] = ()

    def __post_init__(self) -> None:
        self.app = create_app(
            self.settings, store=self.store, configuration=self.configuration, now=lambda: self.now()
        )

    def path(self, page: str) -> str:
        """A path as it is, or that of the first alert of a detector for `alert:DETECTOR`."""
        kind, _, detector = page.partition(":")
        if kind != "alert":
            return page
        return f"/alerts/{next(one.alert_id for one in self.alerts if one.detector == detector)}"

    def person(self, *roles: Role, name: str | None = None) -> Person:
        """Somebody with these roles, logged in."""
        name = name or f"{roles[0].value}-1"
        with self.store.writing() as session:
            account = self._account(session, name, roles)
            token = visits.begin(session, account, visits.Stage.FULL, "test", self.now())
        person = Person(self.app, base_url="http://127.0.0.1")
        person.cookies.set("probewatch-session", token)
        person.token = csrf.token_of(token)
        return person

    def _account(self, session: Session, name: str, roles: tuple[Role, ...]) -> AccountRow:
        account = AccountRow(
            name=name, roles=[role.value for role in roles], created_at=self.now() - timedelta(days=1)
        )
        session.add(account)
        session.flush()
        return account


def site_over(store: Store, folder: Path, spoiled: str | None = None) -> Site:
    """A console over a store that is filled from the replay. `spoiled` stands in for everything in the log
    that somebody could write freely."""
    configuration, searches, alerts = replayed()
    if spoiled is not None:
        searches = tuple(_spoiled(one, spoiled) for one in searches)
        alerts = tuple(_spoiled_alert(one, spoiled) for one in alerts)
    fill(store, searches, alerts)
    settings = ConsoleSettings(secret_file=folder / "console.secret", second_factor="optional")
    return Site(store, configuration, settings, lambda: NOW, alerts)


def _spoiled(search: Search, text: str) -> Search:
    return msgspec.structs.replace(
        search,
        reason_text=text,
        case_number=text,
        incident_area=text,
        subject_ref=text,
        source_id=f"{search.source_id} {text}",
        requester_id=f"{search.requester_id} {text}",
        unit_id=f"{search.unit_id} {text}",
        purpose=text,
        tool=text,
    )


def _spoiled_alert(alert: Alert, text: str) -> Alert:
    return msgspec.structs.replace(
        alert,
        entity=f"{alert.entity} {text}",
        unit_id=None if alert.unit_id is None else f"{alert.unit_id} {text}",
        explanation=f"{text} {alert.explanation}",
    )
