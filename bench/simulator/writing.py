"""Write a simulation as a directory that serves as configuration and as input at once."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import yaml

from bench.labels import Label, write_labels
from bench.simulator.clock import Ints
from bench.simulator.incident import Incident
from bench.simulator.matters import ALL_MATTERS
from bench.simulator.protests import COLUMNS as CALENDAR_COLUMNS
from bench.simulator.searches import IMAGES, MODES, Table
from bench.simulator.world import CLIENT, LACRIS, World
from models.search import Search, encode_search

#: Searches made into bytes at a time: enough to be quick, little enough to stay small.
CHUNK = 50_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ROSTER_COLUMNS = (
    "requester_id", "agency_id", "unit_id", "role", "shift", "valid_from", "valid_to", "trained_until",
)  # fmt: skip
#: Galleries of the county's system, of the second tool, and of everything else.
GALLERIES = ("county-mugshots", "ngi-photos", "web-images")
STATE_PHOTOS = "state-photos"
VERSIONS = {2018: "4.1", 2019: "4.2", 2020: "5.0", 2021: "5.1", 2022: "5.3", 2023: "6.0"}


@dataclass(frozen=True)
class Written:
    """What was written: number of searches, and the labels."""

    searches: int
    incidents: list[Label]
    decoys: list[Label]


def write(
    world: World,
    table: Table,
    out: Path,
    calendar: Iterable[dict[str, str]],
    tools: object,
    packs: Mapping[str, object],
) -> Written:
    """Write events, labels and reference data into a directory, which is made when missing."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / "events.jsonl").open("wb") as lines:
        for chunk in encode(world, table):
            lines.write(chunk)
    incidents = [_label(world, table, "label", n, one) for n, one in enumerate(world.incidents)]
    decoys = [_label(world, table, "decoy", n, one) for n, one in enumerate(world.decoys)]
    write_labels(out / "labels.jsonl", incidents)
    write_labels(out / "decoys.jsonl", decoys)
    _write_csv(out / "roster.csv", ROSTER_COLUMNS, world.roster.lines())
    _write_csv(out / "calendar.csv", CALENDAR_COLUMNS, calendar)
    city = world.city
    agency = {"agency_id": city.agency_id, "name": city.name, "timezone": city.timezone}
    sources = [
        {"source_id": feed.source_id, "agency_id": city.agency_id, "lateness_hours": 48, "idle_hours": 96}
        for feed in city.feeds
    ]
    _write_yaml(out / "agencies.yaml", {"agencies": [{**agency, "policies": list(city.policies)}]})
    _write_yaml(out / "sources.yaml", {"sources": sources})
    _write_yaml(out / "tools.yaml", tools)
    for name, pack in packs.items():
        (out / "policy").mkdir(exist_ok=True)
        _write_yaml(out / "policy" / f"{name}.yaml", pack)
    return Written(len(table["time"]), incidents, decoys)


def encode(world: World, table: Table) -> Iterator[bytes]:
    """The searches as lines of JSON, in the table's order, in chunks."""
    for first in range(0, len(table["time"]), CHUNK):
        chunk = {name: values[first : first + CHUNK] for name, values in table.items()}
        yield b"".join(encode_search(search) + b"\n" for search in searches(world, chunk))


def searches(world: World, table: Table) -> Iterator[Search]:
    """The rows of a delivered table by name, as the audit log has them."""
    city, roster = world.city, world.roster
    areas = [unit.area or None for unit in city.units]
    units = [unit.unit_id for unit in city.units]
    feeds = [feed.source_id for feed in city.feeds]
    galleries = [GALLERIES[max(0, min(tool - 1, 2))] for tool in range(len(world.tools))]
    for tool in world.approved:
        galleries[tool] = STATE_PHOTOS
    for old, new in world.renamed.items():
        galleries[new] = galleries[old]
    versioned = {LACRIS, CLIENT, *world.renamed.values()}
    # Index -1 of the last two stands for what is not recorded.
    agencies = [*world.customs.agencies, None]
    known = (False, True, None)
    texts = [text or None for text in world.reasons.texts]
    expiry = roster.training_expiry(table["officer"], table["day"])
    columns = (
        table["time"], table["arrival"], table["feed"], table["sequence"], table["officer"],
        table["unit"], table["tool"], table["matter"], table["image"], table["day"], table["reason"],
        table["station"], table["mode"], table["requested"], table["returned"], table["score"],
        table["lead"], table["subject"], expiry, table["area"], table["asked"], table["threshold"],
        table["edited"], table["reviewer"], table["corroborated"], table["arrest"],
    )  # fmt: skip
    names = case_numbers(world, table["case"])
    probes = [f"{mix(value, world.seed + 1):016x}" for value in table["probe"].tolist()]
    days: dict[int, str] = {}
    years = [world.clock.date(day).year for day in range(city.days + 1)]
    for row, case, probe in zip(
        zip(*(column.tolist() for column in columns), strict=True), names, probes, strict=True
    ):
        (time, arrival, feed, sequence, officer, unit, tool, matter, image, day, reason, station, mode,
         requested, returned, score, lead, subject, expires, area, asked, threshold, edited, reviewer,
         corroborated, arrest) = row  # fmt: skip
        automatic = mode != 0
        if expires not in days:
            days[expires] = (city.first + timedelta(days=expires)).isoformat()
        yield Search(
            event_id=f"{feeds[feed]}-{sequence:07d}",
            event_time=EPOCH + timedelta(milliseconds=time),
            source_id=feeds[feed],
            source_sequence=sequence,
            ingest_time=EPOCH + timedelta(milliseconds=arrival),
            requester_id=roster.requester_ids[officer],
            requesting_agency=agencies[asked],
            agency_id=city.agency_id,
            unit_id=units[unit],
            role=roster.role(officer, unit),
            training_expires_on=days[expires],
            tool=world.tools[tool],
            tool_version=VERSIONS.get(years[day], "4.0") if tool in versioned else None,
            gallery=galleries[tool],
            case_number=case,
            offence_code=ALL_MATTERS[matter].code or None,
            purpose=ALL_MATTERS[matter].purpose,
            reason_text=texts[reason],
            image_source=IMAGES[image],  # type: ignore[arg-type]
            probe_hash=probe,
            probe_edited=known[edited],
            subject_ref=f"{mix(subject, world.seed):016x}",
            candidates_requested=requested,
            candidates_returned=returned,
            top_score=score / 10_000 if returned else None,
            threshold=threshold / 10_000 if threshold >= 0 else None,
            search_type=MODES[mode],  # type: ignore[arg-type]
            workstation_id=world.stations[station],
            access_channel="service" if automatic else "desktop",
            incident_area=areas[area] if area >= 0 else None,
            lead_issued=bool(lead) or None,
            second_reviewer_id=roster.requester_ids[reviewer] if reviewer >= 0 else None,
            corroborated=known[corroborated],
            arrest_made=known[arrest],
        )


def mix(value: int, seed: int) -> int:
    """A number that tells nothing about its neighbours; different values never meet (64 bits)."""
    value = (value + seed * 0x9E3779B97F4A7C15 + 0x632BE59BD9B4E019) & 0xFFFFFFFFFFFFFFFF
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return value ^ (value >> 31)


def case_numbers(world: World, case: Ints) -> list[str | None]:
    """Report numbers as the department writes them: year, unit, serial; None without a case."""
    day, unit = world.cases.column("day")[case], world.cases.column("unit")[case]
    years = [world.clock.date(number).year % 100 for number in range(world.city.days + 40)]
    numbers = [one.number for one in world.city.units]
    return [
        None if one < 0 else f"{years[on]:02d}{numbers[where]:02d}{one % 1_000_000:06d}"
        for one, on, where in zip(case.tolist(), day.tolist(), unit.tolist(), strict=True)
    ]


def _label(world: World, table: Table, column: str, number: int, incident: Incident) -> Label:
    mine = table[column] == number if incident.rows is not None else np.zeros(len(table["time"]), np.bool_)
    if incident.where is not None:
        mine |= incident.where(table)
    chosen = np.flatnonzero(mine)
    chosen = chosen[np.argsort(table["time"][chosen], kind="stable")]
    if incident.days is not None:
        edges = world.clock.milliseconds(np.array(incident.days), np.zeros(2, dtype=np.int64))
        start, end = int(edges[0]), int(edges[1])
    else:
        start, end = (int(table["time"][chosen[edge]]) for edge in (0, -1))
    keys = dict(incident.keys)
    if incident.subjects:
        keys["subject"] = tuple(f"{mix(subject, world.seed):016x}" for subject in incident.subjects)
    if incident.cases:
        named = case_numbers(world, np.array(incident.cases))
        keys["case"] = tuple(name for name in named if name)
    feeds = [feed.source_id for feed in world.city.feeds]
    return Label(
        incident=f"{column[0]}{number + 1:03d}-{incident.scenario.lower()}",
        scenario=incident.scenario,
        level=incident.level,
        kind=incident.kind,
        title=incident.title,
        agency_id=world.city.agency_id,
        keys=keys,
        event_ids=tuple(f"{feeds[table['feed'][row]]}-{table['sequence'][row]:07d}" for row in chosen),
        start=EPOCH + timedelta(milliseconds=start),
        end=EPOCH + timedelta(milliseconds=end),
        detectors=incident.detectors,
        clauses=incident.clauses,
    )


def _write_csv(path: Path, columns: tuple[str, ...], lines: Iterable[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


def _write_yaml(path: Path, content: object) -> None:
    path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
