"""The format of the case files in `tests/cases/`: one case is a made-up log and what must come of it.

    background   groups of officers with their usual searches, laid out by check sums: no chance
    events       who does what, from when, how many times, how often
    lost         spans in which nothing is recorded, or whose records are removed afterwards
    expect       the alerts that must stand in the end, these and no others, or `silence`

All times of a case are local to its agency.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec
import yaml
from msgspec import Struct

from models.alert import Severity, Status

FOLDER = Path(__file__).parent / "cases"
#: The source of a search that names none.
SOURCE = "county"


class _Strict(Struct, frozen=True, forbid_unknown_fields=True):
    """Unknown keys are refused: a misspelled one would make a case say less than it seems to."""


class Group(_Strict, frozen=True):
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


class Event(_Strict, frozen=True):
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


class Lost(_Strict, frozen=True):
    """A span of local time. `outage`: nothing is recorded. `removed`: records are taken out."""

    how: Literal["outage", "removed"]
    begins: str
    ends: str
    source: str = SOURCE
    only: int | None = None
    """How many records at most are removed."""


class Rule(_Strict, frozen=True):
    """A clause in force on local days, for cases that the shipped policies do not cover."""

    id: str
    condition: str
    valid_from: date
    valid_to: date | None = None
    severity: Severity = "high"


class Demonstration(_Strict, frozen=True):
    """An entry of the calendar, beside those of the shipped one."""

    held: date
    size: int
    area: str = ""
    interventions: int = 0


class Expected(_Strict, frozen=True):
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


class Case(_Strict, frozen=True):
    """One case; see the module's text."""

    name: str
    why: str
    begins: date
    days: int
    background: tuple[Group, ...]
    expect: Literal["silence"] | tuple[Expected, ...]
    settings: dict[str, Any] = {}
    beside: tuple[str, ...] = ()
    """Other detectors that run too, with their default settings; of what they say nothing is expected."""
    timezone: str = "America/Los_Angeles"
    policies: tuple[str, ...] = ()
    clauses: tuple[Rule, ...] = ()
    numbered: bool = True
    lateness_hours: float = 48.0
    events: tuple[Event, ...] = ()
    lost: tuple[Lost, ...] = ()
    demonstrations: tuple[Demonstration, ...] = ()
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


class CaseFile(_Strict, frozen=True):
    """All cases of one detector."""

    detector: str
    cases: tuple[Case, ...]


def read(file: Path) -> CaseFile:
    """A case file. Raises msgspec.ValidationError for unknown keys and wrong types."""
    return msgspec.convert(yaml.safe_load(file.read_text()), CaseFile)


def files() -> dict[str, Path]:
    """The case files by name."""
    return {file.stem: file for file in sorted(FOLDER.glob("*.yaml"))}
