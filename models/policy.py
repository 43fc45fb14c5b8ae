"""The register of policy clauses: which rules bind an agency at a moment, and which one a search breaks.

A clause is one checkable rule of a published policy, with the local days on which it holds. A
search is judged by the clauses in force at its event time, never by today's: what was not yet
forbidden is not a breach. A condition describes the breach; a field that a search does not carry
cannot make one (see `models.expressions`) unless the rule is that it must be recorded.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import Struct

from models.alert import Severity
from models.days import LocalDays
from models.expressions import Condition, Function, Leaf, compile_condition
from models.fields import FIELDS, is_missing
from models.search import Search
from models.spelling import did_you_mean
from models.tools import ToolRegister, plain

#: Most remembered judgements of one agency in one interval between effective dates.
MEMORY = 20_000


class Examples(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Fields of a search that breaks the clause, and of one that comes close and does not."""

    breach: dict[str, Any]
    lawful: dict[str, Any]


class Clause(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One rule. It holds from `valid_from` up to, not including, `valid_to` (None: still).

    Both are local days of the agency, `date.toordinal()`.
    """

    id: str
    title: str
    text: str
    """The rule in our own words."""
    source: str
    """The document it comes from."""
    url: str
    """Where the public can read it."""
    valid_from: int
    valid_to: int | None = None
    condition: str
    severity: Severity
    examples: Examples | None = None

    def __hash__(self) -> int:
        return hash(self.id)

    def in_force(self, day: int) -> bool:
        """Whether the clause holds on a local day (`date.toordinal()`)."""
        return self.valid_from <= day and (self.valid_to is None or day < self.valid_to)


class Pack(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The clauses of one policy. `purposes` explains every identifier its clauses use."""

    name: str
    title: str
    jurisdiction: str
    purposes: dict[str, str] = msgspec.field(default_factory=dict)
    clauses: tuple[Clause, ...] = ()


class PolicyError(ValueError):
    """A pack that cannot be used, or one that does not exist. `clause_id` names the clause, if one."""

    def __init__(self, message: str, clause_id: str | None = None) -> None:
        super().__init__(message)
        self.clause_id = clause_id


def check_condition(text: str) -> Condition:
    """Compile a clause's condition to see whether it can be used; ConditionError when not.

    Besides the built-in functions of conditions a clause may call:

    * `approved_tool()`: whether the agency may use the search's tool on that day; unknown when the
      register has no approvals for the agency.
    * `trained()`: whether the certificate still held on that day, its last day included; unknown
      without a training_expires_on.
    * `shared_agency()`: whether the search was run for another agency.
    """
    return compile_condition(text, {name: Function(_never, reads) for name, reads in _CONTEXT.items()})


class Register:
    """All policy packs by name. Raises PolicyError for repeated names and unusable conditions."""

    def __init__(self, packs: Iterable[Pack] = ()) -> None:
        self.packs: dict[str, Pack] = {}
        self._clauses: dict[str, Clause] = {}
        for pack in packs:
            if pack.name in self.packs:
                raise PolicyError(f"two policy packs are called {pack.name}")
            self.packs[pack.name] = pack
            for clause in pack.clauses:
                self._add(clause)

    def _add(self, clause: Clause) -> None:
        if clause.id in self._clauses:
            raise PolicyError(f"two clauses have the id {clause.id}", clause.id)
        if clause.valid_to is not None and clause.valid_to <= clause.valid_from:
            raise PolicyError(f"clause {clause.id} ends on or before the day it begins", clause.id)
        try:
            check_condition(clause.condition)
        except ValueError as error:
            raise PolicyError(f"condition of clause {clause.id}: {error}", clause.id) from error
        self._clauses[clause.id] = clause

    def clause(self, clause_id: str) -> Clause:
        """One clause. Raises KeyError when there is none."""
        return self._clauses[clause_id]

    def clauses(self, policies: Iterable[str]) -> tuple[Clause, ...]:
        """All clauses of the named packs. Raises PolicyError naming the packs there are."""
        found: list[Clause] = []
        for name in dict.fromkeys(policies):
            if name not in self.packs:
                raise PolicyError(f"there is no policy pack {name}{did_you_mean(name, self.packs)}")
            found += self.packs[name].clauses
        return tuple(found)

    def in_force(self, policies: Iterable[str], day: int) -> tuple[Clause, ...]:
        """The clauses of the named packs that hold on a local day."""
        return tuple(clause for clause in self.clauses(policies) if clause.in_force(day))

    def bind(
        self, agency_id: str, policies: Iterable[str], timezone: str, tools: ToolRegister
    ) -> AgencyPolicy:
        """The named packs as they bind one agency. Raises PolicyError for an unknown pack."""
        return AgencyPolicy(self.clauses(policies), agency_id, timezone, tools)


class AgencyPolicy:
    """Judges the searches of one agency, in about a microsecond each.

    A judgement depends only on the values that the conditions look at and on which clauses and
    approvals are in force, so it is remembered under those values, per interval between effective
    days. What takes ever new values (case numbers, free text, certificates) enters the key as the
    answer to the question asked of it. Equal to judging every clause afresh; a test holds it to that.
    """

    def __init__(
        self, clauses: tuple[Clause, ...], agency_id: str, timezone: str, tools: ToolRegister
    ) -> None:
        self.agency_id = agency_id
        self.clauses = clauses
        self._tools = tools
        self._days = LocalDays.of(timezone)
        functions = self._functions()
        self._conditions = tuple(compile_condition(clause.condition, functions) for clause in clauses)
        #: Everything that the conditions ask of a search.
        self.leaves = [leaf for condition in self._conditions for leaf in condition.leaves]
        self._key = _key_of(self.leaves)
        edges = {day for clause in clauses for day in (clause.valid_from, clause.valid_to) if day is not None}
        self._edges = sorted(edges | tools.boundaries(agency_id))
        self._memories: dict[int, dict[object, tuple[Clause, ...]]] = {}
        # The local day last judged; searches come roughly in order, so it seldom changes.
        self._start = self._end = 0.0
        self._day = self._interval = 0
        self._today = ""
        self._memory: dict[object, tuple[Clause, ...]] = {}

    def violations(self, search: Search, at: float) -> tuple[Clause, ...]:
        """The clauses in force at `at` (the event time, epoch seconds) that the search breaks."""
        if not self._start <= at < self._end:
            self.turn(self._days.at(at).day)
        return self._violations(search)

    def violations_on(self, search: Search, day: int) -> tuple[Clause, ...]:
        """The same for a search whose local day is known."""
        self.turn(day)
        return self._violations(search)

    def _violations(self, search: Search) -> tuple[Clause, ...]:
        key = self._key(search)
        found = self._memory.get(key)
        if found is None:
            if len(self._memory) >= MEMORY:
                self._memory.clear()
            found = self._memory[key] = self._judge(search)
        return found

    def turn(self, day: int) -> int:
        """Go to a local day: what conditions ask is answered as of it. The number of the interval between
        effective days in which it lies."""
        if day == self._day:
            return self._interval
        self._day = day
        self._start, self._end = self._days.start(self._day), self._days.end(self._day)
        self._today = date.fromordinal(self._day).isoformat()
        self._interval = bisect_right(self._edges, self._day)
        self._memory = self._memories.setdefault(self._interval, {})
        return self._interval

    def _judge(self, search: Search) -> tuple[Clause, ...]:
        pairs = zip(self.clauses, self._conditions, strict=True)
        return tuple(clause for clause, holds in pairs if clause.in_force(self._day) and holds(search))

    def _functions(self) -> dict[str, Function]:
        def approved_tool(search: Search) -> bool | None:
            if not self._tools.judges(self.agency_id):
                return None
            return self._tools.approved_on(search.tool, self.agency_id, self._day)

        def trained(search: Search) -> bool | None:
            expires = search.training_expires_on
            return None if expires is None else expires >= self._today

        def shared_agency(search: Search) -> bool | None:
            asked_by = search.requesting_agency
            return (
                asked_by is not None and not is_missing(asked_by) and plain(asked_by) != plain(self.agency_id)
            )

        calls = {"approved_tool": approved_tool, "trained": trained, "shared_agency": shared_agency}
        return {name: Function(call, _CONTEXT[name]) for name, call in calls.items()}


#: What each function of a clause reads. Its answer may also depend on the day: for `trained` that
#: is safe because training_expires_on is a wide field, which is asked about anew every time; for
#: `approved_tool` because changes of approval are edges of the intervals.
_CONTEXT: Mapping[str, tuple[str, ...]] = {
    "approved_tool": ("tool",),
    "trained": ("training_expires_on",),
    "shared_agency": ("requesting_agency",),
}


def _never(search: Search) -> bool | None:
    return None


def _key_of(leaves: list[Leaf]) -> Callable[[Search], object]:
    """What tells two searches apart for these leaves, as cheaply as it can be had."""
    narrow: set[str] = set()
    present: set[str] = set()
    asked: list[Leaf] = []
    for leaf in leaves:
        wide = any(FIELDS[name].wide for name in leaf.fields)
        if not wide:
            narrow |= leaf.fields
        elif leaf.presence_of is not None and FIELDS[leaf.presence_of].kind == "text":
            present |= leaf.fields
        else:
            asked.append(leaf)
    # attrgetter gives a tuple for two names or more, so each list is filled up to two.
    values = attrgetter(*sorted(narrow), *["image_source"] * (2 - len(narrow)))
    texts = attrgetter(*sorted(present), *["event_id"] * (2 - len(present)))
    tests = tuple(dict.fromkeys(leaf.test for leaf in asked))

    def key(search: Search) -> object:
        blanks = [not text or text.isspace() for text in texts(search)]
        return (values(search), *blanks, *[test(search) for test in tests])

    def key_of_two(search: Search) -> object:
        one, other = texts(search)
        blank = not one or one.isspace(), not other or other.isspace()
        return (values(search), blank, *[test(search) for test in tests])

    return key_of_two if len(present) <= 2 else key
