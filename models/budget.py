"""How many anomaly alerts a day: which findings become alerts and which are held back.

Staff say how many new alerts they can read a day and which share q of them may be false. At the close
of a day the findings that have a p-value are ranked by their calibrated chance
(`models.statistics.tail`). The procedure of Benjamini & Hochberg (1995) at the rate q over all keys
that were tested on the day, once over people and once over groups, keeps so many that at most the
share q of them is expected to be false; of these the strongest are told. Where nobody misuses
anything, q is also the chance that a day has a false alert about people, and that it has one about
groups; it is less in an agency of less than `least_people`. What amends an alert that is out takes
nothing from the budget. Breaches of policy and findings without a p-value are never held back, nor
is what is found about sources.

What is held back is counted, weighs in the accumulated risk, and is judged again when the next day
adds to it. Until a day is complete a provisional alert goes out only if its chance is a tenth of what
keeps it whatever else the day may bring, and no more of them than can be read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta, Struct

from models.alert import EntityKind
from models.statistics.tail import Tail

#: Kinds of entities that are no people, few of which are tested beside many people.
GROUPS: frozenset[EntityKind] = frozenset({"unit", "agency", "tool", "area"})


#: A provisional alert needs a chance so many times smaller: one that is withdrawn costs trust.
SURER = 10.0
#: People tested for one group, in the least numbers that they are taken for.
PEOPLE_A_GROUP = 10


class BudgetSettings(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The section `budget` of `config/detectors.yaml`."""

    alerts_a_day: Annotated[int, Meta(ge=1, le=100_000)] = 10
    """New anomaly alerts that the staff of one agency can read a day."""
    false_discovery_rate: Annotated[float, Meta(gt=0, le=0.5)] = 0.05
    """Share of the alerts of a day that may be false, of those about people and of those about groups."""
    least_people: Annotated[int, Meta(ge=1, le=1_000_000)] = 1000
    """People tested a day are taken for at least so many, and groups for a tenth: staff of a small agency
    would else be called to what happens by chance in any large one."""

    @property
    def promised(self) -> float:
        """Most false alerts a day that an agency without misuse has: q / (1 - q)^2 about people and as
        many about groups, because where one is told by chance the next is told more easily."""
        rate = self.false_discovery_rate
        return 2 * rate / (1 - rate) ** 2


class Stanza(NamedTuple):
    """What the budget needs to know of a detector."""

    name: str
    about: EntityKind
    alpha: float
    """Largest p-value of its findings."""
    episode_days: int


class Candidate(NamedTuple):
    """A finding with a p-value: of which stanza, about which key, and whether its alert is out already."""

    stanza: str
    key: str
    p: float
    running: bool


class _State(Struct, array_like=True):
    tails: dict[str, Tail]
    tests: dict[str, int]
    """Keys that each stanza tested on the last closed day."""


class Budget:
    """The budget of one agency. Its state is a few numbers a stanza, and the episodes that go on."""

    def __init__(self, settings: BudgetSettings, stanzas: Sequence[Stanza]) -> None:
        self.settings = settings
        self._stanzas = {stanza.name: stanza for stanza in stanzas}
        self._state = _State({name: Tail() for name in self._stanzas}, {})
        self._draw()

    @property
    def stanzas(self) -> Collection[str]:
        """Names of the stanzas that it rations."""
        return self._stanzas

    def close(self, day: int, tests: Mapping[str, int], found: Sequence[Candidate]) -> list[bool]:
        """Which findings of a complete day, an ordinal, are told; in the order of `found`.

        `tests` has the number of keys that each stanza tested. The order of `found` says nothing.
        """
        kept = [one.running for one in found]
        chances = [self._laws[one.stanza].chance(one.p) for one in found]
        ranked = sorted(
            (self._grouped(one.stanza), chances[place], one.stanza, one.key, place)
            for place, one in enumerate(found)
            if not one.running
        )
        passed = []
        for grouped, family in groupby(ranked, key=lambda one: one[0]):
            members = list(family)
            whole = self._whole(grouped, tests)
            rate = self.settings.false_discovery_rate
            number = max(
                (rank for rank, one in enumerate(members, 1) if one[1] <= rate * rank / whole), default=0
            )
            passed += members[:number]
        for *_, place in sorted(passed, key=lambda one: one[1:])[: self.settings.alerts_a_day]:
            kept[place] = True
        by_stanza = sorted(found, key=attrgetter("stanza", "key", "p"))
        made = {name: list(own) for name, own in groupby(by_stanza, key=attrgetter("stanza"))}
        for name, stanza in self._stanzas.items():
            own_found = [(one.key, one.p) for one in made.get(name, ())]
            self._state.tails[name].learn(
                day, tests.get(name, 0), own_found, stanza.alpha, stanza.episode_days
            )
        self._state.tests = dict(tests)
        self._draw()
        return kept

    def line(self, stanza: str) -> float:
        """The largest p-value of a finding that is told before its day is complete: a tenth of the chance
        of one that is told whatever else is found, if the day tests as many keys as the last one."""
        return self._lines.get(stanza, 1.0)

    def _draw(self) -> None:
        """Work out what holds until the next day closes: the law of every stanza, and its line."""
        self._laws = {name: self._state.tails[name].law(one.alpha) for name, one in self._stanzas.items()}
        rate, tests = self.settings.false_discovery_rate, self._state.tests
        chance = {grouped: rate / self._whole(grouped, tests) / SURER for grouped in (False, True)}
        self._lines = {name: law.line(chance[self._grouped(name)]) for name, law in self._laws.items()}

    def _grouped(self, stanza: str) -> bool:
        return self._stanzas[stanza].about in GROUPS

    def _whole(self, grouped: bool, tests: Mapping[str, int]) -> int:
        """Keys tested among people or among groups."""
        least = self.settings.least_people
        if grouped:
            least = -(-least // PEOPLE_A_GROUP)
        return max(least, sum(tests.get(name, 0) for name in self._stanzas if self._grouped(name) == grouped))

    def snapshot(self) -> bytes:
        """The state; equal states give equal bytes."""
        return _pack(self._state)

    def restore(self, block: bytes) -> None:
        """Take back what `snapshot` gave; stanzas that are new start anew. Raises ValueError when it
        cannot be read."""
        try:
            known = msgspec.msgpack.decode(block, type=_State)
        except msgspec.DecodeError as error:
            raise ValueError(f"the budget of alerts cannot be read: {error}") from error
        tails = {name: known.tails.get(name) or Tail() for name in self._stanzas}
        self._state = _State(tails, known.tests)
        self._draw()


_pack = msgspec.msgpack.Encoder(order="deterministic").encode
