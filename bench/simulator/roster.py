"""Who serves where and when: joins, departures, transfers, shift changes, leave and training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from statistics import NormalDist

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bench.simulator.city import City
from bench.simulator.clock import SHIFT_NAMES, Floats, Ints, shift_hours
from bench.simulator.seeds import generator

#: Training is renewed every two years, at least a month before it expires.
TRAINING_DAYS = 730
RENEWED_BEFORE = 30
POOL_STATIONS = 3

#: Shares of the staff that see each change in the time simulated.
JOINING, LEAVING, TRANSFERRED, RESHIFTED, LONG_LEAVE = 0.12, 0.07, 0.07, 0.08, 0.05


@dataclass(frozen=True)
class Posting:
    """One line of the roster, as day indices; `last` is exclusive, None while it lasts."""

    officer: int
    unit: int
    shift: int
    first: int
    last: int | None


@dataclass
class Roster:
    """Everybody who may search. Matrices are officers x days (with 40 spare days at the end)."""

    city: City
    requester_ids: list[str]
    load: Floats
    """Relative case load of each officer, mean about 1; 0 for the service account."""
    unit_on: NDArray[np.int16]
    """Unit index, -1 when not posted."""
    shift_on: NDArray[np.int8]
    away: NDArray[np.bool_]
    """On leave: posted, but not searching."""
    station_on: NDArray[np.int32]
    """Workstation index: the officer's own, or one of the unit's pool."""
    expiry: Ints
    """Day index of one training expiry; others follow every TRAINING_DAYS."""
    postings: list[Posting] = field(default_factory=list)
    joined: list[tuple[int, int]] = field(default_factory=list)
    transferred: list[tuple[int, int]] = field(default_factory=list)
    reshifted: list[tuple[int, int]] = field(default_factory=list)
    returned: list[tuple[int, int]] = field(default_factory=list)
    """(officer, day) of each change, the honest explanations of a changed behaviour."""

    @property
    def service(self) -> int:
        """The officer index of the automatic hot-list account."""
        return len(self.requester_ids) - 1

    @property
    def on_duty(self) -> NDArray[np.bool_]:
        """Officers x days: posted and not on leave."""
        return (self.unit_on >= 0) & ~self.away

    def stations(self) -> list[str]:
        """Names of the workstations, by index."""
        own = [f"ws-{1000 + officer}" for officer in range(len(self.requester_ids))]
        pool = [
            f"pool-{unit.unit_id}-{number}"
            for unit in self.city.units
            for number in range(1, POOL_STATIONS + 1)
        ]
        return own + pool

    def training_expiry(self, officer: Ints, day: Ints) -> Ints:
        """Day index on which the training expires that is valid on the day."""
        cycles = np.ceil((day + RENEWED_BEFORE - self.expiry[officer]) / TRAINING_DAYS)
        return np.asarray(self.expiry[officer] + cycles.astype(np.int64) * TRAINING_DAYS)

    def lines(self) -> Iterator[dict[str, str]]:
        """The rows of roster.csv, by officer and date."""
        for posting in sorted(self.postings, key=lambda line: (line.officer, line.first)):
            until = self.city.days if posting.last is None else posting.last
            trained = int(self.training_expiry(np.array([posting.officer]), np.array([until]))[0])
            yield {
                "requester_id": self.requester_ids[posting.officer],
                "agency_id": self.city.agency_id,
                "unit_id": self.city.units[posting.unit].unit_id,
                "role": self.role(posting.officer, posting.unit),
                "shift": SHIFT_NAMES[posting.shift],
                "valid_from": self._on(posting.first),
                "valid_to": "" if posting.last is None else self._on(posting.last),
                "trained_until": self._on(trained),
            }

    def role(self, officer: int, unit: int) -> str:
        """What somebody is in a unit: three in four of an area's staff are officers."""
        if officer == self.service:
            return "service"
        return "officer" if self.city.units[unit].area and officer % 4 else "detective"

    def _on(self, day: int) -> str:
        return date.isoformat(self.city.first + timedelta(days=day))


def recruit(city: City, seed: int) -> Roster:
    """Staff the city. The last one is the service account of the automatic hot-list job."""
    rng = generator(seed, "roster")
    people, span = city.officers + 1, city.days + 40
    weight = np.array([unit.weight for unit in city.units])
    unit = _spread(weight, people)
    rng.shuffle(unit)
    unit[-1] = len(city.units) - 1
    sigma = city.habits.spread
    load = np.exp(sigma * _even_normal(rng, people) - sigma * sigma / 2).clip(0.02, 11.0)
    load *= np.array([one.busyness for one in city.units])[unit]
    load[-1] = 0.0
    shift = _balanced_shifts(load)
    serials = rng.permutation(np.arange(20_000, 70_000))[:people]
    roster = Roster(
        city=city,
        requester_ids=[f"s{serial}" for serial in serials[:-1]] + ["svc-hotlist"],
        load=load,
        unit_on=np.repeat(unit.astype(np.int16)[:, None], span, axis=1),
        shift_on=np.repeat(shift[:, None], span, axis=1),
        away=_short_leave(rng, people, span),
        station_on=np.zeros((people, span), dtype=np.int32),
        expiry=rng.integers(60, TRAINING_DAYS, people),
    )
    _change_careers(roster, rng)
    _record_postings(roster, rng)
    _seat(roster, rng)
    return roster


def _spread(weight: Floats, people: int) -> Ints:
    """Unit of each person, the units' sizes in proportion to their weights, nobody left out."""
    edges = (weight.cumsum() / weight.sum() * people).round().astype(np.int64)
    return np.asarray(np.searchsorted(edges, np.arange(people), side="right"), dtype=np.int64)


def _even_normal(rng: Generator, people: int) -> Floats:
    """Standard normal values, one in each of as many equally likely strata: few people would
    otherwise give a different concentration with every seed."""
    strata = (rng.permutation(people) + rng.random(people)) / people
    normal = NormalDist()
    return np.array([normal.inv_cdf(float(one)) for one in strata.clip(1e-9, 1 - 1e-9)])


def _balanced_shifts(load: Floats) -> NDArray[np.int8]:
    """Shifts whose shares of the work are those of the real log's hours: the busiest first, each
    to the shift that lacks most."""
    share, _ = shift_hours()
    lacking = share * load.sum()
    shift = np.zeros(len(load), dtype=np.int8)
    for officer in np.argsort(-load, kind="stable"):
        choice = int(np.argmax(lacking))
        shift[officer] = choice
        lacking[choice] -= load[officer]
    return shift


def _short_leave(rng: Generator, people: int, span: int) -> NDArray[np.bool_]:
    """Two weeks of holiday in each half year."""
    away = np.zeros((people, span), dtype=np.bool_)
    for start in range(0, span, 182):
        begin = start + rng.integers(0, 168, people)
        for offset in range(14):
            away[np.arange(people), (begin + offset).clip(0, span - 1)] = True
    return away


def _change_careers(roster: Roster, rng: Generator) -> None:
    """Joins, departures, transfers, shift changes and long leave, each to other people."""
    days, staff = roster.city.days, roster.city.officers
    order = iter(rng.permutation(staff))

    def some(share: float) -> list[int]:
        return [int(next(order)) for _ in range(round(staff * share))]

    def between(low: float, high: float) -> int:
        return int(rng.integers(int(days * low), int(days * high)))

    for officer in some(JOINING):
        day = between(0.05, 0.9)
        roster.unit_on[officer, :day] = -1
        roster.joined.append((officer, day))
    for officer in some(LEAVING):
        roster.unit_on[officer, between(0.15, 0.95) :] = -1
    for officer in some(TRANSFERRED):
        day = between(0.1, 0.9)
        others = [unit for unit in range(len(roster.city.units)) if unit != roster.unit_on[officer, 0]]
        roster.unit_on[officer, day:] = rng.choice(others)
        roster.transferred.append((officer, day))
    for officer in some(RESHIFTED):
        day = between(0.1, 0.9)
        roster.shift_on[officer, day:] = (roster.shift_on[officer, 0] + rng.integers(1, 3)) % len(SHIFT_NAMES)
        roster.reshifted.append((officer, day))
    for officer in some(LONG_LEAVE):
        day = between(0.1, 0.8)
        back = day + int(rng.integers(35, 91))
        roster.away[officer, day:back] = True
        roster.returned.append((officer, back))


def _record_postings(roster: Roster, rng: Generator) -> None:
    """The roster's lines: a new one whenever the unit or the shift changes."""
    days = roster.city.days
    served_before = -rng.integers(200, 4000, len(roster.requester_ids))
    for officer in range(len(roster.requester_ids)):
        unit, shift = roster.unit_on[officer, :days], roster.shift_on[officer, :days]
        changes = np.flatnonzero((np.diff(unit) != 0) | (np.diff(shift) != 0)) + 1
        edges = [0, *(int(day) for day in changes), days]
        for first, last in zip(edges, edges[1:], strict=False):
            if unit[first] >= 0:
                roster.postings.append(
                    Posting(
                        officer=officer,
                        unit=int(unit[first]),
                        shift=int(shift[first]),
                        first=int(served_before[officer]) if first == 0 else first,
                        last=None if last == days else last,
                    )
                )


def _seat(roster: Roster, rng: Generator) -> None:
    """A workstation for every officer and week, so that one session never has two."""
    people, span = roster.unit_on.shape
    weeks = span // 7 + 1
    draws = rng.random((people, weeks)).repeat(7, axis=1)[:, :span]
    pooled = draws < roster.city.habits.pool
    number = rng.integers(0, POOL_STATIONS, (people, weeks)).repeat(7, axis=1)[:, :span]
    pool = people + roster.unit_on.clip(0).astype(np.int32) * POOL_STATIONS + number
    roster.station_on[:] = np.where(pooled, pool, np.arange(people)[:, None])
