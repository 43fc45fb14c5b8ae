"""A console over a small store: a log of forty days is replayed, what comes of it arrives as from Kafka."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from fastapi import FastAPI

from console.access.permissions import Role
from console.intake.taking import Taken, take, take_alerts
from console.storage.engine import Store
from models.alert import Alert, decode_alert
from models.detectors import settings_types
from models.packing import Packing, encode_pack
from models.pipeline import Pipeline
from models.search import Search
from streams.commands.config import SHIPPED
from streams.configuration import Configuration, load
from streams.stages import chosen
from tests.console.browsing import Browser, Clock, add_account, make_console
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
PLAN = Plan(
    agency="lapd", rate=8, burst_day=30, quiet_from=20, favourite=1, missing=frozenset({17, 40}), salt=7
)  # fmt: skip


@cache
def replayed() -> tuple[Configuration, tuple[Search, ...], tuple[Alert, ...]]:
    """The configuration, the searches of the log, and every version of every alert."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "detectors.yaml").write_text(DETECTORS + RISK)
        (folder / "sources.yaml").write_text(SOURCES)
        (folder / "calendar.csv").write_text(CALENDAR)
        configuration = load(folder, SHIPPED, settings_types())
    searches = [
        msgspec.structs.replace(
            one,
            incident_area=("central", "harbor", None)[place % 3],
            reason_text=f"robbery, report {place}" if place % 4 else None,
        )
        for place, one in enumerate(PLAN.searches())
    ]
    pipeline = Pipeline(configuration.reference, chosen(configuration), configuration.digest)
    said = pipeline.feed(Log(searches, 40).messages())
    alerts = tuple(decode_alert(one.value) for one in said if one.topic == "alerts")
    return configuration, tuple(searches), alerts


def fill(store: Store, searches: Sequence[Search], alerts: Iterable[Alert], at: datetime = NOW) -> None:
    """Let searches and alerts arrive."""
    whole = Packing(
        "lapd",
        0,
        offsets=list(range(len(searches))),
        searches=list(searches),
        times=[one.event_time.timestamp() for one in searches],
    ).finish()
    packs = [Taken("searches", 0, place, value) for place, value in enumerate(encode_pack(whole))]
    with store.writing() as session:
        take(session, packs, at)
        take_alerts(session, alerts, at)


@dataclass
class Site:
    """A console without a network, its clock, and the alerts that arrived."""

    app: FastAPI
    store: Store
    clock: Clock
    alerts: tuple[Alert, ...]

    def path(self, page: str) -> str:
        """A path as it is, or that of the first alert of a detector for `alert:DETECTOR`."""
        kind, _, detector = page.partition(":")
        if kind != "alert":
            return page
        return f"/alerts/{next(one.alert_id for one in self.alerts if one.detector == detector)}"

    def person(self, *roles: Role, name: str | None = None) -> Browser:
        """The browser of somebody with these roles, logged in."""
        name = name or f"{roles[0]}-1"
        add_account(self.app, name, *roles, password=None)
        return Browser(self.app).enter(name)


def site_over(store: Store, folder: Path, spoiled: str | None = None, **given: Any) -> Site:
    """A console over a store that is filled from the replay. `spoiled` stands in for everything in the log
    that somebody could write freely; `given` are settings."""
    configuration, searches, alerts = replayed()
    if spoiled is not None:
        searches = tuple(_spoiled(one, spoiled) for one in searches)
        alerts = tuple(_spoiled_alert(one, spoiled) for one in alerts)
    fill(store, searches, alerts)
    clock = Clock()
    clock.time = NOW
    app = make_console(store, folder, clock=clock, configuration=configuration, **given)
    return Site(app, store, clock, alerts)


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
