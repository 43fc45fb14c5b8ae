"""An agency of three units and their officers, day by day, before the counting detector."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta

import numpy as np

from models.alert import Finding
from models.calendar import Calendar, Event
from models.columns import Columns
from models.days import LocalDays
from models.detectors.base import Arrivals, Day
from models.detectors.high_count import HighCount, HighCountSettings
from models.reference import Agency, Reference
from models.roster import Posting, Roster
from models.search import Search, SearchType
from models.windows import OpenDay

ZONE = "America/Los_Angeles"
DAYS = LocalDays(ZONE)
START = date(2020, 1, 6).toordinal()
UNITS = ("central", "harbor", "vice")


def reference(postings: Iterable[Posting] = (), events: Iterable[Event] = ()) -> Reference:
    agency = Agency(agency_id="lapd", timezone=ZONE)
    return Reference(agencies={"lapd": agency}, roster=Roster(postings), calendar=Calendar(events))


def detector(setting: HighCountSettings | None = None, of: Reference | None = None) -> HighCount:
    return HighCount("volume", setting or HighCountSettings(), of or reference(), "lapd")


def search(
    day: int, number: int, requester: str, unit: str, case: str | None = None, kind: SearchType = "manual"
) -> Search:
    at = datetime.fromtimestamp(DAYS.start(day), UTC) + timedelta(hours=8, seconds=number)
    return Search(
        event_id=f"{day}-{requester}-{unit}-{number}", event_time=at, source_id="county", agency_id="lapd",
        requester_id=requester, unit_id=unit, tool="lacris", gallery="mugshots", purpose="investigation",
        image_source="cctv", case_number=case, search_type=kind,
    )  # fmt: skip


def closed(number: int, searches: Iterable[Search]) -> Day:
    return Day.of("lapd", number, DAYS, list(searches))


class Lane:
    """The fast lane of a detector, with open days of its own."""

    def __init__(self, watch: HighCount) -> None:
        self.watch = watch
        self.days: dict[int, OpenDay] = {}

    def observe(self, *searches: Search) -> list[Finding]:
        """What is told of searches of one day that arrive together."""
        (number,) = {DAYS.at(one.event_time.timestamp()).day for one in searches}
        day = self.days.setdefault(number, OpenDay(number))
        first = len(day)
        day.add(Columns.of(searches))
        arrivals = Arrivals(day, first, np.arange(len(searches)))
        return [finding for _, finding in self.watch.observe([arrivals])]


def honest(days: int, *, rate: float = 0.4, officers: int = 36, seed: int = 1) -> dict[int, list[Search]]:
    """An agency of three units; officer N serves in unit N modulo 3, each search its own case."""
    rng = np.random.default_rng(seed)
    rates = rng.gamma(2.0, rate / 2, officers)
    return {
        day: [
            search(day, number, f"officer-{officer:02d}", UNITS[officer % 3])
            for officer, count in enumerate(rng.poisson(rates).tolist())
            for number in range(count)
        ]
        for day in range(START, START + days)
    }


def run(watch: HighCount, log: dict[int, list[Search]]) -> Iterator[tuple[int, Finding]]:
    for number, searches in log.items():
        day = closed(number, searches)
        findings = list(watch.close(day))
        watch.told(day, findings)
        for finding in findings:
            yield number, finding


def burst(day: int, number: int, requester: str = "officer-04", unit: str = "harbor") -> list[Search]:
    return [search(day, 1000 + each, requester, unit) for each in range(number)]


def posted(requester: str, unit: str, first: int, to: int | None = None) -> Posting:
    return Posting(requester_id=requester, agency_id="lapd", unit_id=unit, valid_from=first, valid_to=to)


def roster(*extra: Posting, leave_out: str = "") -> list[Posting]:
    everyone = [f"officer-{n:02d}" for n in range(36)]
    regular = [
        posted(name, UNITS[n % 3], START - 500) for n, name in enumerate(everyone) if name != leave_out
    ]
    return [*regular, *extra]
