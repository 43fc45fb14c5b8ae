"""Reads the configuration folder, checks all of it, and reports every problem at its line.

A folder holds `detectors.yaml`, `agencies.yaml`, `sources.yaml`, `tools.yaml`, `roster.csv`,
`calendar.csv` and `policy/*.yaml`. A file that is not there is taken from the shipped folder;
policy packs add to the shipped ones, or replace the one of the same name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import msgspec

from models.budget import BudgetSettings
from models.calendar import Calendar
from models.detectors.base import Settings
from models.policy import Pack, Register
from models.reference import Reference
from models.roster import Posting, Roster
from models.tools import ToolRegister
from streams.configuration.document import Document
from streams.configuration.problems import ConfigurationError, Mark, Problem, Problems
from streams.configuration.sections import (
    Stanza,
    read_agencies,
    read_detectors,
    read_pack,
    read_sources,
    read_tools,
)
from streams.configuration.tables import read_calendar, read_roster

__all__ = ["Configuration", "ConfigurationError", "Problem", "Stanza", "load", "read_people"]

FILES = ("detectors.yaml", "agencies.yaml", "sources.yaml", "tools.yaml", "roster.csv", "calendar.csv")
#: Hexadecimal digits of a digest.
DIGITS = 16


@dataclass(frozen=True)
class Configuration:
    """A configuration that passed every check.

    `digest` changes whenever its meaning does; comments, the order of keys and the folder's name
    leave it alone.
    """

    reference: Reference
    detectors: tuple[Stanza, ...]
    digest: str
    budget: BudgetSettings | None = None


def load(
    directory: Path,
    shipped: Path,
    settings_types: Mapping[str, type[Settings]],
    pseudonym: Callable[[str], str] | None = None,
) -> Configuration:
    """Read `directory`, falling back to `shipped` file by file.

    `settings_types` gives the settings of every detector function. `pseudonym` is applied to the
    requester ids of the roster, as ingest does to those of the searches. Raises
    ConfigurationError with all problems found.
    """
    problems = Problems()
    _check_folder(directory, problems)
    files = {name: _find(name, directory, shipped) for name in FILES}

    def document(name: str) -> Document | None:
        file = files[name]
        found = Document(file, problems) if file is not None else None
        return found if found is not None and found.readable else None

    packs = _read_packs(directory, shipped, problems)
    agencies = read_agencies(one, packs) if (one := document("agencies.yaml")) else {}
    sources = read_sources(one) if (one := document("sources.yaml")) else {}
    tools = read_tools(one) if (one := document("tools.yaml")) else ()
    events = read_calendar(file, problems) if (file := files["calendar.csv"]) else ()
    postings = read_roster(file, problems) if (file := files["roster.csv"]) else ()
    if files["detectors.yaml"] is None:
        problems.add(
            Mark(str(directory / "detectors.yaml")), "", "is missing, here and in the shipped folder"
        )
    one = document("detectors.yaml")
    detectors, budget = read_detectors(one, settings_types) if one else ((), None)
    problems.stop()

    zones = {agency_id: agency.timezone for agency_id, agency in agencies.items()}
    calendar = Calendar(events)
    content = (
        sorted(agencies.values(), key=lambda one: one.agency_id),
        sorted(sources.values(), key=lambda one: one.source_id),
        sorted(tools, key=lambda one: one.tool),
        sorted(postings, key=lambda one: (one.requester_id, one.valid_from, one.agency_id)),
        calendar.events,
        sorted(packs.values(), key=lambda one: one.name),
    )
    facts = _digest(content)
    stanzas = [(one.name, one.function, one.enabled, one.settings) for one in detectors]
    reference = Reference(
        agencies=agencies,
        sources=sources,
        roster=_roster(postings, pseudonym),
        tools=ToolRegister(tools, zones),
        calendar=calendar,
        policy=Register(packs.values()),
        digest=facts,
    )
    watched = (facts, sorted(stanzas, key=lambda one: one[0]), budget)
    return Configuration(reference, detectors, _digest(watched), budget)


def _check_folder(directory: Path, problems: Problems) -> None:
    """A misspelled file would silently give way to the shipped one."""
    if not directory.is_dir():
        problems.add(Mark(str(directory)), "", "is not a folder")
        return
    for file in sorted(directory.iterdir()):
        near = get_close_matches(file.name, FILES, n=1, cutoff=0.8)
        if near and file.name not in FILES:
            problems.add(Mark(str(file)), "", f"is not read, did you mean {near[0]}?")
    for file in sorted((directory / "policy").glob("*.yml")):
        problems.add(Mark(str(file)), "", f"is not read, did you mean {file.stem}.yaml?")


def read_people(directory: Path, shipped: Path) -> tuple[Posting, ...]:
    """The postings of a folder's roster, with the agencies' own identities. Raises ConfigurationError."""
    problems = Problems()
    file = _find("roster.csv", directory, shipped)
    postings = read_roster(file, problems) if file is not None else ()
    problems.stop()
    return postings


def _find(name: str, directory: Path, shipped: Path) -> Path | None:
    return next((file for folder in (directory, shipped) if (file := folder / name).is_file()), None)


def _read_packs(directory: Path, shipped: Path, problems: Problems) -> dict[str, Pack]:
    files = {
        file.stem: file
        for folder in (shipped, directory)
        for file in sorted((folder / "policy").glob("*.yaml"))
    }
    packs: dict[str, Pack] = {}
    clause_places: dict[str, str] = {}
    for stem in sorted(files):
        document = Document(files[stem], problems)
        pack = read_pack(document, stem, clause_places) if document.readable else None
        # A pack with an error keeps its name, so that agencies naming it raise no second one.
        packs[stem] = pack or Pack(name=stem, title="", jurisdiction="")
    return packs


def _roster(postings: Iterable[Posting], pseudonym: Callable[[str], str] | None) -> Roster:
    if pseudonym is None:
        return Roster(postings)
    return Roster(
        msgspec.structs.replace(posting, requester_id=pseudonym(posting.requester_id)) for posting in postings
    )


def _digest(content: object) -> str:
    canonical = msgspec.json.encode(content, order="deterministic")
    return hashlib.sha256(canonical).hexdigest()[:DIGITS]
