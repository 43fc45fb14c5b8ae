"""Everything one simulation knows, and the primitives that incidents and decoys are made of."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator

from bench.simulator.city import City
from bench.simulator.clock import DAY, Floats, Ints, LocalClock
from bench.simulator.customs import Customs
from bench.simulator.demand import Wave, draw_cases, intensity
from bench.simulator.incident import LEVEL_SD, Incident, Outage
from bench.simulator.matters import Reasons
from bench.simulator.protests import Protest
from bench.simulator.roster import Roster, recruit
from bench.simulator.searches import (
    Casebook,
    Table,
    complete,
    concatenate,
    honest_searches,
    rows,
    spread_over,
)
from bench.simulator.seeds import generator

#: Tools as logs spell them; the first is the county's own system.
LACRIS, CLIENT, SECOND = 0, 1, 2
TOOLS = ("LACRIS", "LACRIS DMS", "NGI-IPS")
#: Of so many cases of a specialist unit one is run in the county's desktop client, which keeps a
#: log of its own, and one in the second gallery.
SPECIAL_CASES = 3
#: Case loads, relative to the mean, of officers who neither hardly search nor search all day.
AVERAGE_LOAD = (0.25, 3.0)
ANY_LOAD = (0.0, np.inf)


@dataclass
class World:
    """One city over one span of time. `protests` are the entries of its calendar."""

    city: City
    seed: int
    waves: tuple[Wave, ...] = ()
    protests: list[Protest] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = LocalClock(self.city.timezone, self.city.first, self.city.days)
        self.roster: Roster = recruit(self.city, self.seed)
        self.customs = Customs(self.city, self.roster, self.seed)
        self.reasons = Reasons()
        self.tools = list(TOOLS)
        self.stations = self.roster.stations()
        self.cases = Casebook(self.seed, self.city.habits.vague)
        self.expected: Floats = intensity(self.city, self.roster, self.seed, self.waves)
        self.incidents: list[Incident] = []
        self.decoys: list[Incident] = []
        self.approved: dict[int, int] = {}
        """Tools that are rolled out, with the day from which they are approved."""
        self.renamed: dict[int, int] = {}
        """Tools that go by a new name, with the tool whose name that is."""
        self.new_desks: dict[int, tuple[int, int]] = {}
        """Officers who get a new workstation: from which day on, and its index."""
        self._used: set[int] = set()
        self._added: Table | None = None
        self._tables = [self._honest()]

    def _honest(self) -> Table:
        rng = generator(self.seed, "searches")
        officer, day = draw_cases(self.expected, generator(self.seed, "demand"))
        table = honest_searches(self.roster, self.cases, officer, day, rng)
        complete(table, self.roster, self.cases, self.customs.lists, rng)
        self.customs.record(table, generator(self.seed, "customs", "honest"))
        specialist = np.array([not unit.area for unit in self.city.units])
        special = specialist[table["unit"]]
        client = special & (table["case"] % SPECIAL_CASES == 0)
        table["tool"][client] = CLIENT
        table["feed"][client] = self.city.feed("dms-client")
        allowed = table["day"] < self.city.until(self.city.second_tool_until)
        table["tool"][special & allowed & (table["case"] % (4 * SPECIAL_CASES) == 1)] = SECOND
        return table

    @property
    def honest(self) -> Table:
        """The searches of honest life, before incidents."""
        return self._tables[0]

    def add(self, incident: Incident) -> None:
        """Take an incident's rows into the log, completed as honest life has it."""
        self._take(incident, "label", self.incidents)

    def add_decoy(self, decoy: Incident) -> None:
        """Take a decoy's rows into the log."""
        self._take(decoy, "decoy", self.decoys)

    def _take(self, incident: Incident, column: str, known: list[Incident]) -> None:
        if incident.rows is not None:
            table = incident.rows
            rng = generator(self.seed, "complete", column, len(known))
            complete(table, self.roster, self.cases, self.customs.lists, rng)
            self.customs.record(table, generator(self.seed, "customs", column, len(known)))
            table[column][:] = len(known)
            self._tables.append(table)
            self._added = None
        known.append(incident)

    def searches(self) -> Table:
        """All searches so far, within the time simulated, in order of event time, with `time` (epoch
        milliseconds) added."""
        table = concatenate(self._tables)
        table["time"] = self.clock.milliseconds(table["day"], table["second"]) + table["jitter"]
        keep = np.flatnonzero((table["day"] >= 0) & (table["day"] < self.city.days))
        order = keep[np.argsort(table["time"][keep], kind="stable")]
        return {name: values[order] for name, values in table.items()}

    # What incidents are made of.

    def tool(self, spelling: str) -> int:
        """The index of a tool as a log spells it."""
        if spelling not in self.tools:
            self.tools.append(spelling)
        return self.tools.index(spelling)

    def requester(self, officer: int) -> str:
        """The requester id of an officer."""
        return self.roster.requester_ids[officer]

    def desk(self, officer: int, day: int) -> int:
        """The index of an officer's own workstation."""
        since, new = self.new_desks.get(officer, (self.city.days, officer))
        return new if day >= since else officer

    def unit_of(self, officer: int, day: int) -> str:
        """The unit id of an officer on a day."""
        return self.city.units[int(self.roster.unit_on[officer, day])].unit_id

    def pick_officer(
        self,
        rng: Generator,
        first: int,
        days: int,
        unit: int | None = None,
        load: tuple[float, float] = AVERAGE_LOAD,
    ) -> int:
        """An officer with a load in the range given, long in the posting, on duty for most of `days`
        days from `first`, whom no other incident has. Raises ValueError when there is none."""
        span = slice(max(0, first - 120), first + days)
        duty = self.roster.on_duty[:, first : first + days].mean(axis=1)
        here = self.roster.unit_on[:, span]
        settled = (here == here[:, :1]).all(axis=1) & (here[:, 0] >= 0)
        same_shift = (self.roster.shift_on[:, span] == self.roster.shift_on[:, span][:, :1]).all(axis=1)
        low, high = load
        fit = settled & same_shift & (duty >= 0.6) & (self.roster.load > low) & (self.roster.load < high)
        fit &= (self.roster.unit_on[:, first] == unit) if unit is not None else True
        free = [int(officer) for officer in np.flatnonzero(fit) if int(officer) not in self._used]
        if not free:
            raise ValueError(f"nobody is free for an incident of {days} days from day {first}")
        officer = int(rng.choice(free))
        self._used.add(officer)
        return officer

    def reserve(self, officer: int) -> bool:
        """Claim an officer for an incident; False when another one has them."""
        fresh = officer not in self._used
        self._used.add(officer)
        return fresh

    def scored_day(self, rng: Generator, length: int) -> int:
        """A random first day of something of `length` days in the last year simulated."""
        return int(rng.integers(self.city.scored, self.city.days - length))

    def excess(self, expected: float | Floats, level: int, deviation: float = 0.5) -> int:
        """Cases to add to `expected` ones for a level: so many standard deviations, at least two.

        Several expectations are those of units that are busy independently. `deviation` is the
        least standard deviation: what is done less than once in four such spans is measured as if
        it were, and what honest life hardly has by whole searches.
        """
        shock = self.city.habits.shock
        variance = float(np.sum(expected + (shock * np.asarray(expected)) ** 2 / 4))
        return max(2, int(np.ceil(LEVEL_SD[level] * max(deviation, np.sqrt(variance)))))

    def harm(self, outage: Outage) -> float:
        """The largest share of its rows that an incident would have lost once this outage, too, takes
        rows of it out of the log."""
        if self._added is None:
            added = concatenate([rows(0), *self._tables[1:]])
            mine = added["label"] >= 0
            self._added = {name: values[mine] for name, values in added.items()}
        label, count = self._added["label"], len(self.incidents)
        taken = outage.takes(self._added)
        touched = np.unique(label[taken])
        for other in self.incidents:
            if other.outage is not None and other.outage.share == 1:
                taken |= other.outage.takes(self._added)
        lost = np.bincount(label[taken], minlength=count) / np.bincount(label, minlength=count).clip(1)
        return float(lost[touched].max(initial=0.0))

    def colleague(self, officer: int, first: int, days: int, rng: Generator) -> int:
        """Somebody of the same unit whom no other incident has. Raises ValueError without one."""
        unit = int(self.roster.unit_on[officer, first])
        return self.pick_officer(rng, first, days, unit, load=ANY_LOAD)

    def old_case(self, unit: int, before: int, rng: Generator) -> int | None:
        """A case that a unit worked on before a day; None when there was none."""
        older = np.flatnonzero((self.honest["unit"] == unit) & (self.honest["day"] < before))
        return int(self.honest["case"][rng.choice(older)]) if len(older) else None

    def misuse(
        self, officer: int, first: int, days: int, count: int, rng: Generator, **columns: int | Ints
    ) -> Table:
        """`count` searches of one officer over some days in duty hours, each a case of its own."""
        day, second = spread_over(self.roster, officer, first, days, count, rng)
        case = self.cases.open(day, self.roster.unit_on[officer, day].astype(np.int64), second)
        given = {"case": case, "subject": self.cases.meet(count), **columns}
        return rows(count, officer=officer, day=day, second=second % DAY, **given)
