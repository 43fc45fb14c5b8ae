"""What the detectors are told besides the searches: who serves where, what is approved, what is
in force, what happened in the streets. Everything is judged at event time, never at "now"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec import Struct

from models.calendar import Calendar
from models.policy import Register
from models.roster import Roster
from models.serving import Artefacts, NoArtefacts
from models.tools import ToolRegister


class Agency(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One police agency. `agency_id: "*"` is the entry for agencies that are not listed."""

    agency_id: str
    name: str = ""
    timezone: str = "UTC"
    policies: tuple[str, ...] = ()
    """Names of the policy packs in `config/policy/` that bind it."""


class Source(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One log that an agency sends. Declared sources hold back the agency's windows until they
    have reported or been idle too long. `source_id: "*"` sets the values for undeclared ones."""

    source_id: str
    agency_id: str = "*"
    lateness_hours: float = 48.0
    """How late after its event_time a search of this source may arrive and still be counted."""
    idle_hours: float = 96.0
    """After so much silence the source no longer holds windows open; at least lateness_hours."""


@dataclass(frozen=True)
class Reference:
    """All reference data, validated. `digest` changes whenever any of it does."""

    agencies: Mapping[str, Agency] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)
    roster: Roster = field(default_factory=Roster)
    tools: ToolRegister = field(default_factory=ToolRegister)
    calendar: Calendar = field(default_factory=Calendar)
    policy: Register = field(default_factory=Register)
    digest: str = ""
    artefacts: Artefacts = field(default_factory=NoArtefacts)
    """Trained models; which of them judge is said in the log (`models.serving`)."""

    def agency(self, agency_id: str) -> Agency:
        """The agency's entry, else the entry "*", else one in UTC without policies."""
        found = self.agencies.get(agency_id) or self.agencies.get("*")
        return found or Agency(agency_id=agency_id)

    def source(self, source_id: str) -> Source:
        """The source's entry, else the entry "*", else the defaults."""
        found = self.sources.get(source_id) or self.sources.get("*")
        return found or Source(source_id=source_id)

    def declared_sources(self, agency_id: str) -> tuple[Source, ...]:
        """The sources that an agency is expected to send, by id."""
        return tuple(
            self.sources[name] for name in sorted(self.sources) if self.sources[name].agency_id == agency_id
        )
