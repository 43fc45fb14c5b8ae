"""The YAML files, one function each: agencies, sources, tools, policy packs, detectors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import msgspec
from msgspec import Struct

from models.alert import Severity
from models.budget import BudgetSettings
from models.detectors.base import Settings
from models.expressions import ConditionError, compile_condition
from models.policy import Clause, Examples, Pack, check_condition
from models.reference import Agency, Source
from models.search import Search
from models.spelling import did_you_mean
from models.tools import Approval, Tool, plain
from streams.configuration.checking import check, convert
from streams.configuration.document import Document

T = TypeVar("T")
#: Keys of every stanza of `detectors.yaml`; the others are settings of its function.
STANZA_KEYS = ("function", "enabled")


class Stanza(Struct, kw_only=True, frozen=True):
    """One stanza of `detectors.yaml`. `where` is its `file:line`."""

    name: str
    function: str
    enabled: bool = True
    settings: dict[str, Any] = msgspec.field(default_factory=dict)
    where: str = ""


class _Strict(Struct, forbid_unknown_fields=True):
    """The shape of a file or of an entry in one."""


class _Agencies(_Strict):
    agencies: tuple[Agency, ...] = ()


class _Sources(_Strict):
    sources: tuple[Source, ...] = ()


class _Approval(_Strict):
    agency_id: str
    valid_from: date
    valid_to: date | None = None
    source: str = ""


class _Tool(_Strict):
    tool: str
    name: str = ""
    aliases: tuple[str, ...] = ()
    approvals: tuple[_Approval, ...] = ()


class _Tools(_Strict):
    tools: tuple[_Tool, ...] = ()


class _Clause(_Strict, kw_only=True):
    id: str
    title: str
    text: str
    source: str
    url: str
    valid_from: date
    valid_to: date | None = None
    condition: str
    severity: Severity
    examples: Examples | None = None


class _Pack(_Strict):
    name: str
    title: str
    jurisdiction: str
    purposes: dict[str, str] = msgspec.field(default_factory=dict)
    clauses: tuple[_Clause, ...] = ()


class _Detectors(_Strict):
    budget: BudgetSettings | None = None
    detectors: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)


def read_agencies(document: Document, packs: Iterable[str]) -> dict[str, Agency]:
    """The agencies by id; `packs` are the names of all policy packs."""
    known = tuple(packs)
    found = convert(document, _Agencies)
    entries = found.agencies if found else ()
    for i, agency in enumerate(entries):
        if not _is_zone(agency.timezone):
            # An abbreviation is near others that stand for another hour.
            zones = available_timezones() if "/" in agency.timezone else ()
            cure = did_you_mean(agency.timezone, zones) or "; write it like America/Los_Angeles"
            document.report(("agencies", i, "timezone"), f"unknown time zone {agency.timezone!r}{cure}")
        for j, name in enumerate(agency.policies):
            if name not in known:
                message = f"there is no policy pack {name}{did_you_mean(name, known)}"
                document.report(("agencies", i, "policies", j), message)
    return _by_id(document, "agencies", "agency_id", entries)


def read_sources(document: Document) -> dict[str, Source]:
    """The sources by id."""
    found = convert(document, _Sources)
    entries = found.sources if found else ()
    for i, source in enumerate(entries):
        if not 0 <= source.lateness_hours <= 24 * 366:
            document.report(("sources", i, "lateness_hours"), "must lie between 0 and 8784 hours, a year")
        if not source.lateness_hours <= source.idle_hours <= 24 * 3660:
            message = f"must be at least lateness_hours ({source.lateness_hours:g}) and under ten years"
            document.report(("sources", i, "idle_hours"), message)
    return _by_id(document, "sources", "source_id", entries)


def read_tools(document: Document) -> tuple[Tool, ...]:
    """The tools with their approvals."""
    found = convert(document, _Tools)
    tools = []
    spellings: dict[str, str] = {}
    for i, entry in enumerate(found.tools if found else ()):
        for spelling in {plain(entry.tool), plain(entry.name or entry.tool), *map(plain, entry.aliases)}:
            if spellings.setdefault(spelling, entry.tool) != entry.tool:
                other = spellings[spelling]
                document.report(("tools", i), f"{entry.tool} and {other} share the spelling {spelling!r}")
        for j, approval in enumerate(entry.approvals):
            _check_span(document, ("tools", i, "approvals", j), approval.valid_from, approval.valid_to)
        approvals = tuple(
            Approval(
                agency_id=approval.agency_id,
                valid_from=approval.valid_from.toordinal(),
                valid_to=approval.valid_to.toordinal() if approval.valid_to else None,
                source=approval.source,
            )
            for approval in entry.approvals
        )
        tools.append(Tool(tool=entry.tool, name=entry.name, aliases=entry.aliases, approvals=approvals))
    return tuple(_by_id(document, "tools", "tool", tools).values())


def read_pack(document: Document, stem: str, clause_places: dict[str, str]) -> Pack | None:
    """One policy pack. `clause_places` remembers where each clause id stands, over all packs."""
    entry = convert(document, _Pack)
    if entry is None:
        return None
    if entry.name != stem:
        document.report(
            ("name",), f"the pack {entry.name} must stand in {entry.name}.yaml, not in {stem}.yaml"
        )
    clauses = []
    for i, clause in enumerate(entry.clauses):
        place = ("clauses", i)
        first = clause_places.setdefault(clause.id, document.line((*place, "id")))
        if first != document.line((*place, "id")):
            document.report((*place, "id"), f"the id {clause.id} is used in {first} already")
        _check_span(document, place, clause.valid_from, clause.valid_to)
        if not clause.url.startswith(("https://", "http://")):
            document.report((*place, "url"), "must be the http or https address of the source")
        _check_breach(document, (*place, "condition"), clause.condition, entry.purposes)
        for name in ("breach", "lawful") if clause.examples else ():
            _check_example(document, (*place, "examples", name), getattr(clause.examples, name))
        days = {
            "valid_from": clause.valid_from.toordinal(),
            "valid_to": clause.valid_to.toordinal() if clause.valid_to else None,
        }
        clauses.append(Clause(**(msgspec.structs.asdict(clause) | days)))
    return Pack(**(msgspec.structs.asdict(entry) | {"clauses": tuple(clauses)}))


def read_detectors(
    document: Document, settings_types: Mapping[str, type[Settings]]
) -> tuple[tuple[Stanza, ...], BudgetSettings | None]:
    """The stanzas in the order of the file, their settings checked against the detectors' types, and
    the budget of alerts; without one nothing is held back."""
    found = convert(document, _Detectors)
    stanzas = []
    for name, values in (found.detectors if found else {}).items():
        place = ("detectors", name)
        settings = {key: value for key, value in values.items() if key not in STANZA_KEYS}
        function, enabled = values.get("function"), values.get("enabled", True)
        if not isinstance(enabled, bool):
            document.report((*place, "enabled"), f"must be true or false, not {enabled!r}")
        if not isinstance(function, str):
            document.report(place, "the key function is missing; it names the detector", key=True)
        elif function not in settings_types:
            message = f"there is no detector function {function}{did_you_mean(function, settings_types)}"
            document.report((*place, "function"), message)
        else:
            check(document, settings, settings_types[function], place, beside=STANZA_KEYS)
            if isinstance(settings.get("when"), str):
                _check_when(document, (*place, "when"), settings["when"])
            where = document.line(place)
            stanzas.append(
                Stanza(name=name, function=function, enabled=enabled is True, settings=settings, where=where)
            )
    return tuple(stanzas), found.budget if found else None


def _by_id(document: Document, section: str, key: str, entries: Iterable[T]) -> dict[str, T]:
    named: dict[str, T] = {}
    for i, entry in enumerate(entries):
        name = getattr(entry, key)
        if not name.strip():
            document.report((section, i, key), "is empty")
        if named.setdefault(name, entry) is not entry:
            document.report((section, i, key), f"{name} is listed twice")
    return named


def _check_span(document: Document, place: tuple[str | int, ...], begin: date, end: date | None) -> None:
    if end is not None and end <= begin:
        document.report((*place, "valid_to"), "must lie after valid_from; it is the first day without it")


def _check_breach(
    document: Document, place: tuple[str | int, ...], text: str, purposes: Mapping[str, str]
) -> None:
    try:
        condition = check_condition(text)
    except ConditionError as error:
        document.report(place, str(error))
        return
    named = {value for leaf in condition.leaves if "purpose" in leaf.fields for value in leaf.values}
    for value in sorted(map(str, named - purposes.keys())):
        message = f"the purpose {value!r} is not explained under purposes{did_you_mean(value, purposes)}"
        document.report(place, message)


def _check_when(document: Document, place: tuple[str | int, ...], text: str) -> None:
    try:
        compile_condition(text)
    except ConditionError as error:
        document.report(place, str(error))


def _check_example(document: Document, place: tuple[str | int, ...], fields: Mapping[str, Any]) -> None:
    known = {field.encode_name: field for field in msgspec.structs.fields(Search)}
    for key, value in fields.items():
        if key not in known:
            document.report((*place, key), f"a search has no such field{did_you_mean(key, known)}", key=True)
        else:
            check(document, value, known[key].type, (*place, key))


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
