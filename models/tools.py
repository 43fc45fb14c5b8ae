"""The register of face-recognition tools: names, aliases, and who may use which one when.

Logs spell tools as people type them; `canonical` brings the spellings together. Approval is
judged at event time, by the agency's local calendar day: it begins and ends at local midnight.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping

from msgspec import Struct

from models.days import LocalDays

#: Most remembered spellings; a log that never repeats one must not fill the memory.
_MEMORY = 10_000


class Approval(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Leave to use a tool, from `valid_from` up to, not including, `valid_to` (None: open).

    `agency_id` "*" means every agency. Days are `date.toordinal()`.
    """

    agency_id: str
    valid_from: int
    valid_to: int | None = None
    source: str = ""


class Tool(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One tool. `tool` is its canonical name in windows, alerts and metrics."""

    tool: str
    name: str = ""
    aliases: tuple[str, ...] = ()
    approvals: tuple[Approval, ...] = ()


def plain(name: str) -> str:
    """A spelling without case, width, spaces and punctuation.

    >>> plain("Clear-view  AI") == plain("CLEARVIEWAI") == "clearviewai"
    True
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return "".join(letter for letter in folded if letter.isalnum()) or folded.strip()


class ToolRegister:
    """All known tools. `zones` gives the time zone of agencies (IANA names; "*" is the rest, UTC).

    Raises ValueError when two tools share a name or a spelling, or an approval ends before it begins.
    """

    def __init__(self, tools: Iterable[Tool] = (), zones: Mapping[str, str] | None = None) -> None:
        self.tools: tuple[Tool, ...] = tuple(tools)
        self._zones = dict(zones or {})
        self._spellings: dict[str, str] = {}
        self._seen: dict[str, str] = {}
        self._approvals: dict[str, dict[str, list[Approval]]] = {}
        ids = [tool.tool for tool in self.tools]
        if len(set(ids)) < len(ids):
            raise ValueError(f"two tools are called {max(ids, key=ids.count)}")
        for tool in self.tools:
            for spelling in {
                plain(tool.tool),
                plain(tool.name or tool.tool),
                *map(plain, tool.aliases),
            }:
                other = self._spellings.setdefault(spelling, tool.tool)
                if other != tool.tool:
                    raise ValueError(f"tools {other} and {tool.tool} are both spelled {spelling!r}")
            for approval in tool.approvals:
                self._approve(tool.tool, approval)

    def _approve(self, tool: str, approval: Approval) -> None:
        if approval.valid_to is not None and approval.valid_to <= approval.valid_from:
            raise ValueError(f"an approval of {tool} ends on or before the day it begins")
        self._approvals.setdefault(approval.agency_id, {}).setdefault(tool, []).append(approval)

    def canonical(self, name: str) -> str:
        """The id of the tool that goes by this name, else the name without case and punctuation."""
        found = self._seen.get(name)
        if found is None:
            if len(self._seen) >= _MEMORY:
                self._seen.clear()
            spelling = plain(name)
            found = self._seen[name] = self._spellings.get(spelling, spelling)
        return found

    def known(self, name: str) -> bool:
        """Whether the register has a tool that goes by this name."""
        return plain(name) in self._spellings

    def judges(self, agency_id: str) -> bool:
        """Whether anything was ever approved for the agency; without, nothing can be unapproved."""
        return agency_id in self._approvals or "*" in self._approvals

    def approved_on(self, name: str, agency_id: str, day: int) -> bool:
        """Whether the agency may use the tool on a local day."""
        tool = self.canonical(name)
        return any(
            approval.valid_from <= day and (approval.valid_to is None or day < approval.valid_to)
            for holder in (agency_id, "*")
            for approval in self._approvals.get(holder, {}).get(tool, ())
        )

    def approved(self, name: str, agency_id: str, at: float) -> bool:
        """Whether the agency may use the tool at an instant (epoch seconds)."""
        zone = self._zones.get(agency_id) or self._zones.get("*", "UTC")
        return self.approved_on(name, agency_id, LocalDays.of(zone).at(at).day)

    def boundaries(self, agency_id: str) -> frozenset[int]:
        """The days on which the agency's list of approved tools may change."""
        return frozenset(
            day
            for holder in (agency_id, "*")
            for approvals in self._approvals.get(holder, {}).values()
            for approval in approvals
            for day in (approval.valid_from, approval.valid_to)
            if day is not None
        )
