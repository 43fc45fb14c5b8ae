"""Reads the case files in `tests/cases/` and plays one case: its log, the pipeline, what was said.

A case is a made-up log of one agency, laid out in local time, and what must come of it:

    background   groups of officers with their usual searches, laid out by check sums: no chance
    events       who does what, from when, how many times, how often
    lost         spans in which nothing is recorded, or whose records are removed afterwards
    expect       the alerts that must stand in the end, these and no others, or `silence`
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Literal
from zlib import crc32
from zoneinfo import ZoneInfo

import msgspec
import yaml
from msgspec import Struct

from models.alert import Alert, Severity, Status
from models.days import instant
from models.detectors import discover, settings_types
from models.panel import Chosen
from models.pipeline import Pipeline, Standing
from models.policy import Clause, Pack, Register
from models.reference import Agency, Reference, Source
from models.roster import Posting, Roster
from models.search import Search, Tick, encode_search
from models.ticking import encode_tick
from streams.configuration import load

FOLDER = Path(__file__).parent / "cases"
SHIPPED = Path(__file__).resolve().parents[1] / "config"
AGENCY, SOURCE = "lapd", "county"
DAY = 86_400.0
UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": DAY}


class _Strict(Struct, frozen=True, forbid_unknown_fields=True):
    """Unknown keys are refused: a misspelled one would make a case say less than it seems to."""


class Group(_Strict):
    """Officers who search so many times a week, evenly over local hours [from, to)."""

    unit: str
    officers: int | tuple[str, ...]
    a_week: float
    hours: tuple[int, int] = (8, 18)
    begins: date | None = None
    ends: date | None = None
    """First day without searches."""
    on_roster: bool = False
    source: str = SOURCE
    fields: dict[str, Any] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Given, or UNIT-1, UNIT-2 and so on."""
        if isinstance(self.officers, int):
            return tuple(f"{self.unit}-{number}" for number in range(1, self.officers + 1))
        return self.officers


class Event(_Strict):
    """`times` moments, `every` (90s, 10m, 2h, 1d) from `at` (local) on, each with `searches` searches a
    minute apart. Days keep the local time of day. In the texts of `fields`, {n} counts the
    searches, {moment} the moments, and {who} is the officer."""

    who: str | tuple[str, ...]
    at: str
    times: int = 1
    every: str = "1d"
    searches: int = 1
    unit: str | None = None
    source: str = SOURCE
    arrives: str = "0s"
    """How long after the search its record arrives."""
    fields: dict[str, Any] = {}


class Lost(_Strict):
    """A span of local time. `outage`: nothing is recorded. `removed`: records are taken out."""

    how: Literal["outage", "removed"]
    begins: str
    ends: str
    source: str = SOURCE
    only: int | None = None
    """How many records at most are removed."""


class Rule(_Strict):
    """A clause in force on local days, for cases that the shipped policies do not cover."""

    id: str
    condition: str
    valid_from: date
    valid_to: date | None = None
    severity: Severity = "high"


class Expected(_Strict):
    """An alert that must stand in the end."""

    entity: str
    status: Status
    until: date
    """Local day on which the alert's window ends, its last moment included."""
    says: tuple[str, ...]
    """Words that its sentence must hold."""
    clause: str | None = None
    severity: Severity | None = None
    evidence: int | None = None
    at_once: bool = False
    """Whether its entity must have been told of before the day was complete."""
    by: date | None = None
    """Latest local day of decision."""


class Case(_Strict):
    """One case; see the module's text."""

    name: str
    why: str
    begins: date
    days: int
    background: tuple[Group, ...]
    expect: Literal["silence"] | tuple[Expected, ...]
    settings: dict[str, Any] = {}
    timezone: str = "America/Los_Angeles"
    policies: tuple[str, ...] = ()
    clauses: tuple[Rule, ...] = ()
    numbered: bool = True
    lateness_hours: float = 48.0
    events: tuple[Event, ...] = ()
    lost: tuple[Lost, ...] = ()
    reaches_end: bool = True
    """Whether the log is said to end; else time goes on without it for two weeks."""
    speaks_if: dict[str, Any] = {}
    """For a silent case: keys that, put in place of its own, make the detector speak. They show
    that the trap is one, and that its silence is not for want of looking."""

    def changed(self) -> Case:
        """The case with the keys of `speaks_if` in place of its own."""
        return msgspec.convert({**msgspec.to_builtins(self), **self.speaks_if}, Case)

    @property
    def zone(self) -> ZoneInfo:
        """The agency's time zone."""
        return ZoneInfo(self.timezone)


class CaseFile(_Strict):
    """All cases of one detector."""

    detector: str
    cases: tuple[Case, ...]


@dataclass(frozen=True)
class Played:
    """What came of a case: every record in order, and what stands in the end."""

    stream: list[Alert]
    standing: list[Alert]


@dataclass(frozen=True, order=True)
class _Row:
    at: float
    name: str
    who: str
    unit: str
    source: str
    arrives: float
    fields: dict[str, Any]


def read(file: Path) -> CaseFile:
    """A case file. Raises msgspec.ValidationError for unknown keys and wrong types."""
    return msgspec.convert(yaml.safe_load(file.read_text()), CaseFile)


def play(function: str, case: Case) -> Played:
    """Run one detector over a case's log, with the settings of the case and defaults else."""
    standing = Standing()
    pipeline = Pipeline(_reference(case), [_chosen(function, case)], "digest")
    stream = standing.take(pipeline.feed(list(_messages(case))))
    return Played(stream, standing.alerts())


def _chosen(function: str, case: Case) -> Chosen:
    settings = msgspec.convert(case.settings, settings_types()[function])
    return Chosen(name=function, function=function, settings=settings)


@cache
def _shipped() -> Reference:
    return load(SHIPPED, SHIPPED, settings_types()).reference


def _reference(case: Case) -> Reference:
    shipped = _shipped()
    clauses = tuple(
        Clause(
            id=rule.id, title=rule.id, text="", source="", url="", condition=rule.condition,
            severity=rule.severity, valid_from=rule.valid_from.toordinal(),
            valid_to=rule.valid_to.toordinal() if rule.valid_to else None,
        )
        for rule in case.clauses
    )  # fmt: skip
    own = Pack(name="own", title="", jurisdiction="", clauses=clauses)
    sources = {one.source for one in (*case.background, *case.events)}
    return Reference(
        agencies={AGENCY: Agency(agency_id=AGENCY, timezone=case.timezone, policies=(*case.policies, "own"))},
        sources={
            name: Source(
                source_id=name,
                agency_id=AGENCY,
                lateness_hours=case.lateness_hours,
                idle_hours=max(96.0, case.lateness_hours),
            )
            for name in sources
        },
        roster=Roster(
            Posting(
                requester_id=who,
                agency_id=AGENCY,
                unit_id=group.unit,
                valid_from=(group.begins or case.begins).toordinal(),
                valid_to=group.ends.toordinal() if group.ends else None,
            )
            for group in case.background
            if group.on_roster
            for who in group.names
        ),
        tools=shipped.tools,
        calendar=shipped.calendar,
        policy=Register([*shipped.policy.packs.values(), own]),
    )


def _messages(case: Case) -> Iterator[bytes]:
    """The log in order of arrival, with a tick of every source each sixth hour."""
    searches: list[tuple[float, int, str, bytes]] = []
    numbers: dict[str, int] = {}
    removed: dict[int, int] = {}
    for row in sorted(_rows(case), key=lambda row: (row.at, row.name)):
        numbers[row.source] = number = numbers.get(row.source, 0) + 1
        gone = next((i for i, lost in enumerate(case.lost) if _hits(case, lost, row, "removed")), None)
        if gone is not None:
            removed[gone] = removed.get(gone, 0) + 1
            most = case.lost[gone].only
            if most is None or removed[gone] <= most:
                continue
        search = _search(row, number if case.numbered else None)
        searches.append((row.at + row.arrives, 1, row.name, encode_search(search)))
    begin = _moment(case, f"{case.begins} 00:00").timestamp()
    for quarter in range(case.days * 4):
        at = begin + quarter * DAY / 4
        for source in numbers:
            searches.append((at, 0, source, encode_tick(Tick(tick=instant(at), source_id=source))))
    yield from (row[3] for row in sorted(searches))
    end = begin + (case.days + 14) * DAY
    for source in sorted(numbers):
        yield encode_tick(Tick(tick=instant(end), source_id=source, end=case.reaches_end))


def _rows(case: Case) -> Iterator[_Row]:
    for group in case.background:
        for who in group.names:
            yield from _usual(case, group, who)
    units = {who: group.unit for group in case.background for who in group.names}
    for index, event in enumerate(case.events):
        people = (event.who,) if isinstance(event.who, str) else event.who
        for who in people:
            for row in _special(case, event, f"event-{index}", who, event.unit or units[who]):
                if not any(_hits(case, lost, row, "outage") for lost in case.lost):
                    yield row


def _usual(case: Case, group: Group, who: str) -> Iterator[_Row]:
    for number in range(case.days):
        day = case.begins + timedelta(days=number)
        if (group.begins and day < group.begins) or (group.ends and day >= group.ends):
            continue
        rate = group.a_week / 7
        count = int(rate) + (_even(who, day, "count") < rate % 1)
        for index in range(count):
            first, last = group.hours
            hours = first + _even(who, day, index) * ((last - first) % 24 or 24)
            at = _moment(case, f"{day} 00:00", hours=hours).timestamp()
            name = f"{who}-{day}-{index}"
            row = _Row(at, name, who, group.unit, group.source, 0.0, group.fields)
            if not any(_hits(case, lost, row, "outage") for lost in case.lost):
                yield row


def _special(case: Case, event: Event, label: str, who: str, unit: str) -> Iterator[_Row]:
    number = 0
    for moment in range(event.times):
        step = _seconds(event.every) * moment
        if event.every.endswith("d"):
            at = _moment(case, event.at, hours=step / 3600)
        else:
            at = _moment(case, event.at) + timedelta(seconds=step)
        for index in range(event.searches):
            number += 1
            told = {
                name: value.format(n=number, moment=moment + 1, who=who) if isinstance(value, str) else value
                for name, value in event.fields.items()
            }
            name = f"{label}-{who}-{number}"
            delay = _seconds(event.arrives)
            yield _Row(at.timestamp() + 60.0 * index, name, who, unit, event.source, delay, told)


def _search(row: _Row, number: int | None) -> Search:
    known: dict[str, Any] = {
        "tool": "lacris",
        "gallery": "mugshots",
        "purpose": "criminal_investigation",
        "image_source": "cctv",
        "case_number": f"case-{row.name}",
        "subject_ref": f"subject-{row.name}",
        "workstation_id": f"desk-{row.who}",
    }
    return Search(
        event_id=row.name,
        event_time=instant(row.at),
        source_id=row.source,
        source_sequence=number,
        requester_id=row.who,
        agency_id=AGENCY,
        unit_id=row.unit,
        **{**known, **row.fields},
    )


def _hits(case: Case, lost: Lost, row: _Row, how: str) -> bool:
    if lost.how != how or lost.source != row.source:
        return False
    return _moment(case, lost.begins).timestamp() <= row.at < _moment(case, lost.ends).timestamp()


def _moment(case: Case, text: str, hours: float = 0.0) -> datetime:
    """Local wall-clock time, `hours` further on the wall."""
    wall = datetime.fromisoformat(text) + timedelta(hours=hours)
    return wall.replace(tzinfo=case.zone).astimezone(UTC)


def _seconds(text: str) -> float:
    return float(text[:-1]) * UNITS[text[-1]]


def _even(*parts: object) -> float:
    """A number in [0, 1), spread evenly and always the same for the same parts."""
    return (crc32("\0".join(map(str, parts)).encode()) * 2_654_435_761 & 0xFFFFFFFF) / 2**32


def files() -> dict[str, Path]:
    """The case files by name."""
    return {file.stem: file for file in sorted(FOLDER.glob("*.yaml"))}


def functions() -> list[str]:
    """The detectors that need one."""
    return sorted(discover())
