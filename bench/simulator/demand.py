"""How many cases each officer opens on each day: load, weekday, season, holidays, crime waves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import holidays
import numpy as np
from numpy.random import Generator

from bench.simulator.city import City, Habits
from bench.simulator.clock import WEEKDAYS, Floats, Ints
from bench.simulator.roster import Roster
from bench.simulator.seeds import generator

#: Demand on a public holiday against an ordinary day of the same weekday.
HOLIDAY = 0.65
#: Demand of a newcomer in the first three weeks, and of one back from long leave in the first.
NEWCOMER, RETURNED = 1.25, 1.4


@dataclass(frozen=True)
class Wave:
    """Real crime: a unit's demand is multiplied by `factor` on days `first` to `last` (exclusive)."""

    unit: int
    first: int
    last: int
    factor: float


def case_sizes(habits: Habits) -> Floats:
    """Distribution of the searches a case yields, 1 to `longest_case`: a truncated geometric one."""
    size = np.arange(1, habits.longest_case + 1)
    weight = habits.case_tail**size
    return np.asarray(weight / weight.sum())


def intensity(city: City, roster: Roster, seed: int, waves: tuple[Wave, ...] = ()) -> Floats:
    """Expected cases of each officer on each day (officers x days).

    The mean over time gives `city.per_day` searches a day before the waves are added.
    """
    days = city.days
    rhythm = _rhythm(city)
    shock = _unit_shocks(generator(seed, "shocks"), len(city.units), days, city.habits.shock)
    unit = roster.unit_on[:, :days]
    expected = roster.load[:, None] * rhythm * shock[unit.clip(0), np.arange(days)]
    expected *= roster.on_duty[:, :days]
    for officer, day in roster.joined:
        expected[officer, day : day + 21] *= NEWCOMER
    for officer, day in roster.returned:
        expected[officer, day : day + 7] *= RETURNED
    sizes = case_sizes(city.habits)
    mean_size = float((sizes * np.arange(1, len(sizes) + 1)).sum())
    expected *= city.per_day * days / mean_size / expected.sum()
    for wave in waves:
        span = slice(wave.first, wave.last)
        expected[:, span] *= np.where(unit[:, span] == wave.unit, wave.factor, 1.0)
    return np.asarray(expected)


def draw_cases(expected: Floats, rng: Generator) -> tuple[Ints, Ints]:
    """Officer and day of every case that is opened, in order of day."""
    count = rng.poisson(expected)
    day, officer = np.nonzero(count.T)
    times = count.T[day, officer]
    return np.repeat(officer, times), np.repeat(day, times)


def public_holidays(city: City) -> dict[int, str]:
    """The public holidays by day index."""
    years = range(city.first.year, city.last.year + 1)
    closed = holidays.country_holidays("US", subdiv="CA", years=years)
    return {(on - city.first).days: name for on, name in sorted(closed.items())}


def _rhythm(city: City) -> Floats:
    """Weekday, season and holidays, mean about 1, one value a day."""
    closed = public_holidays(city)
    weekday = np.asarray(WEEKDAYS) / np.mean(WEEKDAYS)
    value = np.empty(city.days)
    for day in range(city.days):
        on = city.first + timedelta(days=day)
        season = 1.0 + 0.06 * np.sin(2 * np.pi * (on.timetuple().tm_yday - 100) / 365.25)
        value[day] = weekday[on.weekday()] * season * (HOLIDAY if day in closed else 1.0)
    return value


def _unit_shocks(rng: Generator, units: int, days: int, sigma: float) -> Floats:
    """Each unit's good and bad weeks: a lognormal first-order autoregression, mean about 1."""
    memory = 0.7
    noise = rng.normal(0.0, sigma * np.sqrt(1 - memory**2), (units, days))
    level = np.empty((units, days))
    level[:, 0] = rng.normal(0.0, sigma, units)
    for day in range(1, days):
        level[:, day] = memory * level[:, day - 1] + noise[:, day]
    return np.asarray(np.exp(level - sigma**2 / 2))
