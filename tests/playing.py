"""Plays one case of `tests/cases/`: lays out its log, runs one detector over it, and tells what was said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec

from models import calendar
from models.alert import Alert
from models.days import instant
from models.detectors import settings_types
from models.panel import Chosen
from models.pipeline import Pipeline, Standing
from models.policy import Clause, Pack, Register
from models.reference import Agency, Reference, Source
from models.roster import Posting, Roster
from models.search import Search, Tick, encode_search
from models.ticking import encode_tick
from streams.configuration import Configuration, load
from streams.stages import chosen
from tests.casebook import Case, Event, Group, Lost
from tests.plain_models import SERVING, PlainModels

SHIPPED = Path(__file__).resolve().parents[1] / "config"
AGENCY = "lapd"
DAY = 86_400.0
UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": DAY}


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


def play(function: str, case: Case) -> Played:
    """Run one detector over a case's log, with the settings of the case and defaults else, and tell what
    it said."""
    standing = Standing()
    beside = [_chosen(other, {}) for other in case.beside]
    pipeline = Pipeline(_reference(case), [*beside, _chosen(function, case.settings)], "digest")
    stream = standing.take(pipeline.feed(list(_messages(case))))
    return Played(
        *([one for one in said if one.detector == function] for said in (stream, standing.alerts()))
    )


def play_shipped(case: Case) -> list[Alert]:
    """Run all detectors over a case's log, as they are shipped, with the policies that bind the shipped
    agency; the alerts that stand in the end. The settings of the case do not count."""
    configuration = _shipped()
    bound = msgspec.structs.replace(case, policies=configuration.reference.agency(AGENCY).policies)
    standing = Standing()
    pipeline = Pipeline(_reference(bound), chosen(configuration), "digest", budget=configuration.budget)
    standing.take(pipeline.feed(list(_messages(bound))))
    return standing.alerts()


def _chosen(function: str, settings: dict[str, Any]) -> Chosen:
    checked = msgspec.convert(settings, settings_types()[function])
    return Chosen(name=function, function=function, settings=checked)


@cache
def _shipped() -> Configuration:
    return load(SHIPPED, SHIPPED, settings_types())


def _reference(case: Case) -> Reference:
    shipped = _shipped().reference
    clauses = tuple(
        Clause(
            id=rule.id, title=rule.id, text="", source="", url="", condition=rule.condition,
            severity=rule.severity, valid_from=rule.valid_from.toordinal(),
            valid_to=rule.valid_to.toordinal() if rule.valid_to else None,
        )
        for rule in case.clauses
    )  # fmt: skip
    own = Pack(name="own", title="", jurisdiction="", clauses=clauses)
    sources = {one.source for one in case.background} | {one.source for one in case.events}
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
        calendar=calendar.Calendar(
            (
                *shipped.calendar.events,
                *(
                    calendar.Event(
                        date=one.held.toordinal(),
                        agency_id=AGENCY,
                        area=one.area,
                        size=one.size,
                        interventions=one.interventions,
                    )
                    for one in case.demonstrations
                ),
            )
        ),
        policy=Register([*shipped.policy.packs.values(), own]),
        artefacts=PlainModels(),
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
            tick = Tick(tick=instant(at), source_id=source, models=SERVING)
            searches.append((at, 0, source, encode_tick(tick)))
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
