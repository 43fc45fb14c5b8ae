"""Searches that break a clause of the policy that was in force when they were made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, ClassVar

import msgspec

from models.alert import Finding, Kind, Severity
from models.days import LocalDays
from models.detectors.base import Arrivals, Day, Detector, Settings
from models.judging import JudgedDay, Ways
from models.search import Search
from models.wording import day_text, plural

if TYPE_CHECKING:
    from models.policy import Clause
    from models.reference import Reference


#: Breaches that are remembered; a log of so many would have other worries.
MOST_TOLD = 20_000


class PolicySettings(Settings, kw_only=True, frozen=True):
    """No settings of its own: what is forbidden stands in `config/policy/`."""


class PolicyClause(Detector):
    """Judges every search by the register of policy clauses, each at its event time.

    A clause is a dated condition taken from a published policy or law, with its source. One alert
    is raised per clause, requester and day; a use that goes on amends it. A search made before a
    clause came into force is lawful under it, and late searches are judged like all others.

    Innocent explanations: a wrong entry in the log (purpose, image source), a register of tools or
    trainings that was not kept up to date, an emergency recorded elsewhere.
    Blind spots: what the log does not say. A false purpose satisfies every clause about purposes.

    Source: the documents named in each pack of `config/policy/`.
    """

    function = "policy_clause"
    kind: ClassVar[Kind] = "policy"
    settings_type = PolicySettings
    #: One mark for each remembered breach.
    bytes_per_key = 18 * MOST_TOLD

    def __init__(self, name: str, settings: Settings, reference: Reference, agency_id: str) -> None:
        super().__init__(name, settings, reference, agency_id)
        agency = reference.agency(agency_id)
        self._days = LocalDays.of(agency.timezone)
        self._policy = reference.policy.bind(
            agency_id, agency.policies, timezone=agency.timezone, tools=reference.tools
        )
        self._breaches: dict[int, dict[tuple[str, str, str], tuple[Clause, ...]]] = {}
        """By open day, event, requester and source what `observe` found; what breaks nothing is not in it."""
        self._ways = Ways(self._policy)
        self._judged: dict[int, JudgedDay] = {}
        self._told: dict[str, None] = {}
        """Breaches of closed days, oldest first, so that a log that is sent again tells nothing twice."""

    def observe(self, arrivals: Sequence[Arrivals]) -> Iterable[tuple[int, Finding]]:
        """A breach goes out at once; the book drops what an alert of the day already says."""
        for day, first, places in arrivals:
            judged = self._judged.get(day.number)
            if judged is None:
                judged = self._judged[day.number] = JudgedDay(self._ways, day)
            for row, clauses in judged.breaches(first):
                search, at = day.search(row), float(day.times[row])
                self._breaches.setdefault(day.number, {})[_place(search)] = clauses
                for clause in clauses:
                    yield int(places[row - first]), self._finding(clause, [search], [at], day.number)

    def judge(self, search: Search, at: float) -> Sequence[Finding]:
        """A search that came too late for its window."""
        day = self._days.at(at).day
        clauses = [
            clause
            for clause in self._policy.violations(search, at)
            if _mark(clause, search) not in self._told
        ]
        self._tell(_mark(clause, search) for clause in clauses)
        return [self._finding(clause, [search], [at], day) for clause in clauses]

    def _tell(self, marks: Iterable[str]) -> None:
        self._told.update(dict.fromkeys(marks))
        while len(self._told) > MOST_TOLD:
            del self._told[next(iter(self._told))]

    def close(self, day: Day) -> Iterable[Finding]:
        """All breaches of the day, one finding per clause and requester."""
        found = self._breaches.pop(day.number, {})
        self._judged.pop(day.number, None)
        breaches: dict[tuple[str, str], tuple[Clause, list[Search], list[float]]] = {}
        who, codes = day.column("requester_id")
        sources, source_codes = day.column("source_id")
        events = {event_id for event_id, _, _ in found}
        for row in (row for row, event_id in enumerate(day.event_ids) if event_id in events):
            requester, source = who[codes[row]], sources[source_codes[row]]
            for clause in found.get((day.event_ids[row], requester, source), ()):
                _, searches, times = breaches.setdefault((clause.id, requester), (clause, [], []))
                searches.append(day.search(row))
                times.append(float(day.times[row]))
        self._tell(_mark(clause, search) for clause, searches, _ in breaches.values() for search in searches)
        return [
            self._finding(clause, searches, times, day.number)
            for _, (clause, searches, times) in sorted(breaches.items(), key=lambda item: item[0])
        ]

    def _finding(self, clause: Clause, searches: list[Search], times: list[float], day: int) -> Finding:
        first = searches[0]
        severity: Severity = clause.severity
        tools = sorted({self.reference.tools.canonical(search.tool) for search in searches})
        return Finding(
            entity_kind="requester",
            entity=first.requester_id,
            unit_id=first.unit_id,
            window_start=self._days.start(day),
            window_end=self._days.end(day),
            first_seen=times[0],
            decided_at=times[0],
            severity=severity,
            observed=float(len(searches)),
            expected=0.0,
            interval=(0.0, 0.0),
            clause=clause.id,
            evidence=tuple(search.event_id for search in searches),
            explanation=(
                f"{plural(len(searches), 'search')} on {day_text(day)} (tool {', '.join(tools)}, "
                f"image source {first.image_source}, purpose {first.purpose}) where policy allows 0 [0-0]: "
                f"{clause.title} (clause {clause.id}, in force since {day_text(clause.valid_from)})."
            ),
        )

    def snapshot(self) -> dict[str, bytes]:
        """The breaches that were told."""
        return {"told": msgspec.msgpack.encode(list(self._told))} if self._told else {}

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take back what `snapshot` gave."""
        self._breaches.clear()
        self._judged.clear()
        with self.reading():
            told = msgspec.msgpack.decode(blocks["told"], type=list[str]) if blocks else []
        self._told = dict.fromkeys(told)


def _place(search: Search) -> tuple[str, str, str]:
    return search.event_id, search.requester_id, search.source_id


def _mark(clause: Clause, search: Search) -> str:
    """A short name of one breach: 64 bits, so that two of a million share one once in 37 million times."""
    said = f"{clause.id}\0{search.event_id}\0{search.requester_id}"
    return blake2b(said.encode(), digest_size=8).hexdigest()
