"""The police department that is simulated: its units, the feeds of its audit log, its habits."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from typing import Literal

from bench.simulator.seeds import generator

Delivery = Literal["stream", "hourly", "nightly"]

#: Police areas of Los Angeles that use the county's system in the demo, with their numbers.
AREAS = {
    "central": 1, "rampart": 2, "southwest": 3, "hollenbeck": 4, "harbor": 5, "hollywood": 6,
    "wilshire": 7, "west-la": 8, "van-nuys": 9, "west-valley": 10, "northeast": 11, "77th-street": 12,
    "newton": 13, "pacific": 14, "north-hollywood": 15, "foothill": 16, "southeast": 18, "mission": 19,
}  # fmt: skip
VALLEY = frozenset({"van-nuys", "west-valley", "north-hollywood", "foothill", "mission"})
#: Areas with more staff than the others.
LARGE_AREAS = {"central": 1.3, "wilshire": 1.6, "77th-street": 1.3}
#: First day of the directive that ended the use of third-party services.
BAN = date(2020, 11, 13)


@dataclass(frozen=True)
class Feed:
    """One log that the agency sends. Hours are local; delays stay far within 48 h."""

    source_id: str
    delivery: Delivery


@dataclass(frozen=True)
class Unit:
    """A unit. `area` is empty for specialists; `busyness` multiplies its officers' case loads."""

    unit_id: str
    number: int
    feed: int
    area: str = ""
    weight: float = 1.0
    busyness: float = 1.0


@dataclass(frozen=True)
class Habits:
    """Honest behaviour in numbers. The defaults meet the targets in `bench.simulator.targets`."""

    spread: float = 1.10
    """Sigma of the lognormal case load between officers."""
    case_tail: float = 0.48
    """Chance that a case yields yet another search, in (0, 1)."""
    longest_case: int = 12
    shock: float = 0.22
    """Sigma of a unit's daily demand, lognormal, with a memory of a few days."""
    same_day: float = 0.75
    """Share of a case's further searches made on its first day."""
    colleague: float = 0.06
    """Share of later days' further searches made by a colleague of the unit."""
    known_subject: float = 0.05
    """Share of cases about a subject who has been looked up before."""
    vague: float = 0.036
    """Share of cases with a vague reason by day; over three times as many from 1 to 5 am."""
    pool: float = 0.12
    """Share of an officer's weeks at a workstation of the unit's pool."""
    outside: float = 0.012
    """Share of cases worked for another agency, where that is allowed."""
    edited: float = 0.06
    """Share of probes that were edited."""
    reviewed: float = 0.7
    """Share of leads that a second person looked at."""
    corroborated: float = 0.88
    """Share of leads with other evidence on record."""
    arrested: float = 0.25
    """Share of corroborated leads after which somebody was arrested."""

    def perturbed(self, seed: int) -> Habits:
        """The same city on another footing: every habit moved by up to about a tenth."""
        rng = generator(seed, "habits")
        moved = {
            name: getattr(self, name) * float(rng.uniform(0.9, 1.1))
            for name in ("spread", "shock", "same_day", "colleague", "known_subject", "vague", "pool")
        }
        moved["case_tail"] = self.case_tail * float(rng.uniform(0.97, 1.03))
        for name in ("outside", "edited", "reviewed", "corroborated", "arrested"):
            moved[name] = getattr(self, name) * float(rng.uniform(0.9, 1.1))
        return replace(self, **moved)


@dataclass(frozen=True)
class City:
    """Everything that is fixed before chance begins. `first` and `last` are local; `last` exclusive."""

    agency_id: str
    name: str
    timezone: str
    first: date
    last: date
    officers: int
    per_day: float
    """Honest searches a day, on average over the whole time."""
    units: tuple[Unit, ...]
    feeds: tuple[Feed, ...]
    policies: tuple[str, ...] = ("los-angeles-2021",)
    second_tool_until: date | None = None
    """First day on which specialists may no longer use the second gallery; None: they always may."""
    outside_until: date | None = None
    """First day on which nobody may search for another agency; None: it is always allowed."""
    clauses: str = "la"
    """What the ids of the policy's clauses begin with."""
    habits: Habits = field(default_factory=Habits)

    @property
    def days(self) -> int:
        """Number of local days simulated."""
        return (self.last - self.first).days

    @property
    def scored(self) -> int:
        """First day of the year that is scored, the last one."""
        return max(0, self.days - 365)

    @property
    def areas(self) -> list[int]:
        """Indices of the units that belong to an area."""
        return [number for number, unit in enumerate(self.units) if unit.area]

    def until(self, day: date | None) -> int:
        """Day index of a first day without something; behind the last day when it never comes."""
        return self.days if day is None else (day - self.first).days

    def clause(self, name: str) -> str:
        """The id of a clause of the city's policy, named by year and subject."""
        return f"{self.clauses}-{name}"

    def unit(self, unit_id: str) -> int:
        """Index of a unit. Raises ValueError for an unknown one."""
        return [unit.unit_id for unit in self.units].index(unit_id)

    def feed(self, source_id: str) -> int:
        """Index of a feed. Raises ValueError for an unknown one."""
        return [feed.source_id for feed in self.feeds].index(source_id)


def los_angeles() -> City:
    """The demo: 330 people, 17 searches a day (Los Angeles in 2020, ktla.com), two years and the
    first month under the policy of January 2021."""
    feeds = (
        Feed("county-feed", "stream"),
        Feed("valley-gateway", "hourly"),
        Feed("detective-bureau", "nightly"),
        Feed("dms-client", "hourly"),
    )
    areas = tuple(
        Unit(name, number, int(name in VALLEY), area=name, weight=LARGE_AREAS.get(name, 1.0))
        for name, number in AREAS.items()
    )
    specialists = (
        Unit("robbery-homicide", 31, 2, weight=1.3, busyness=1.5),
        Unit("gang-narcotics", 32, 2, weight=1.3, busyness=1.3),
        Unit("commercial-crimes", 33, 2, busyness=1.5),
        Unit("major-crimes", 34, 2, weight=0.8, busyness=1.2),
    )
    return City(
        agency_id="lapd",
        name="Los Angeles Police Department (simulated)",
        timezone="America/Los_Angeles",
        first=date(2019, 1, 1),
        last=date(2021, 2, 1),
        officers=330,
        per_day=17.0,
        units=areas + specialists,
        feeds=feeds,
        second_tool_until=BAN,
        outside_until=BAN,
    )


def metropolis(per_year: int, years: int, seed: int) -> City:
    """The benchmark's city: 1,500 people in 12 areas and 6 specialist units, `years` whole years
    that end with 2023. Habits differ a little from seed to seed. Its policy is that of Los Angeles,
    but for one clause: searches for other agencies are allowed."""
    feeds = (
        Feed("north-feed", "stream"),
        Feed("south-feed", "hourly"),
        Feed("detective-bureau", "nightly"),
        Feed("dms-client", "hourly"),
    )
    areas = tuple(
        Unit(f"area-{number:02d}", number, (number - 1) // 6, area=f"area-{number:02d}")
        for number in range(1, 13)
    )
    specialists = tuple(
        Unit(f"bureau-{number}", 30 + number, 2, weight=0.6, busyness=1.4) for number in range(1, 7)
    )
    return City(
        agency_id="metro-pd",
        name="Metropolis Police Department (simulated)",
        timezone="America/Los_Angeles",
        first=date(2024 - years, 1, 1),
        last=date(2024, 1, 1),
        officers=1500,
        per_day=per_year / 365.25,
        units=areas + specialists,
        feeds=feeds,
        policies=("metropolis",),
        clauses="metro",
        habits=Habits().perturbed(seed),
    )
