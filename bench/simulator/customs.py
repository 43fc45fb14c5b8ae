"""How units and officers record what comes of a search: thresholds, reviews, leads, arrests, and
for whom they search. Every unit and officer has customs of their own, which they mostly keep to.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bench.simulator.city import City
from bench.simulator.clock import Floats, Ints
from bench.simulator.roster import Roster
from bench.simulator.searches import LIST_LENGTHS, LIST_WEIGHTS, NONE, Table, fill
from bench.simulator.seeds import generator

#: Agencies nearby that ask for searches.
NEIGHBOURS = (
    "county-sheriff", "harbor-pd", "valley-pd", "highway-patrol", "campus-police", "transit-police",
)  # fmt: skip
#: Share of officers who are the ones to ask for another agency, and how much more often they are.
LIAISONS, LIAISON = 0.05, 38.0
#: Share of units whose form puts down the own agency as the one that asks.
NAMES_ITSELF = 0.15
#: Least score shown, in ten-thousandths, by unit; some do not record it. No honest hit scores less.
THRESHOLDS, THRESHOLD_WEIGHTS = (NONE, 3000, 3500, 4000), (0.2, 0.2, 0.3, 0.3)
#: Share of units that record edits of the probe, and whether somebody was arrested.
RECORDS_EDITS, RECORDS_ARRESTS = 0.8, 0.7
#: Share of leads without other evidence where that is said; otherwise nothing is recorded.
SAID = 0.3
REVIEWERS = 3
#: Share of a specialist unit's cases that happened in one area.
LOCAL = 0.5


def chance(number: Ints, salt: int) -> Floats:
    """A uniform value in [0, 1) for each number, the same whenever it is asked for."""
    value = number.astype(np.uint64) + np.uint64(salt * 0x9E3779B97F4A7C15 % 2**64)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray((value ^ (value >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53


class Customs:
    """The customs of one city. `agencies` are those that searches are made for, by index; the
    first is the city's own."""

    def __init__(self, city: City, roster: Roster, seed: int) -> None:
        rng = generator(seed, "customs")
        habits, units, people = city.habits, len(city.units), len(roster.requester_ids)
        self.city = city
        self.salt = 16 * (seed + 1)
        self.agencies = [city.agency_id, *NEIGHBOURS]
        self.lists: Ints = rng.choice(np.array(LIST_LENGTHS), people, p=LIST_WEIGHTS)
        usual = habits.outside / (1 + LIAISONS * (LIAISON - 1))
        self.outside: Floats = usual * np.where(rng.random(people) < LIAISONS, LIAISON, 1.0)
        self.edits: Floats = rng.beta(1.0, 1 / habits.edited - 1, people)
        self.neighbour: Ints = rng.integers(1, len(self.agencies), units)
        self.names_itself = rng.random(units) < NAMES_ITSELF
        self.threshold: Ints = rng.choice(np.array(THRESHOLDS), units, p=THRESHOLD_WEIGHTS)
        self.records_edits = rng.random(units) < RECORDS_EDITS
        self.records_arrests = rng.random(units) < RECORDS_ARRESTS
        self.reviewed = _around(habits.reviewed, units, rng)
        self.corroborated = _around(habits.corroborated, units, rng)
        self.arrested = _around(habits.arrested, units, rng)
        self.reviewers: Ints = np.stack([_staff(roster, unit, rng) for unit in range(units)])

    def record(self, table: Table, rng: Generator) -> None:
        """Fill in what is unset of a completed table. Whatever belongs to a case is the same in
        all its searches."""
        count = len(table["day"])
        unit, officer = table["unit"].astype(np.int64), table["officer"].astype(np.int64)
        manual = table["mode"] == 0
        fill(table, "area", self._areas(unit, table["case"]))
        fill(table, "asked", self._asked(table, unit, officer, manual))
        fill(table, "threshold", self.threshold[unit])
        edited = rng.random(count) < self.edits[officer]
        fill(table, "edited", np.where(manual & self.records_edits[unit], edited, NONE))
        lead = table["lead"] == 1
        reviewer = self.reviewers[unit, rng.integers(0, REVIEWERS, count)]
        seen = lead & (rng.random(count) < self.reviewed[unit]) & (reviewer != officer)
        fill(table, "reviewer", np.where(seen, reviewer, NONE))
        other_evidence = rng.random(count) < self.corroborated[unit]
        otherwise = np.where(rng.random(count) < SAID, 0, NONE)
        fill(table, "corroborated", np.where(lead, np.where(other_evidence, 1, otherwise), NONE))
        proven = lead & (table["corroborated"] == 1)
        arrest = proven & (rng.random(count) < self.arrested[unit])
        none_made = np.where(lead & self.records_arrests[unit], 0, NONE)
        fill(table, "arrest", np.where(arrest, 1, none_made))

    def agency(self, name: str) -> int:
        """The index of an agency as a log spells it."""
        if name not in self.agencies:
            self.agencies.append(name)
        return self.agencies.index(name)

    def _areas(self, unit: Ints, case: Ints) -> Ints:
        """Where it happened, as the index of the area's unit."""
        areas = np.array(self.city.areas)
        somewhere = areas[(chance(case, self.salt) * len(areas)).astype(np.int64)]
        local = chance(case, self.salt + 1) < LOCAL
        return np.where(np.isin(unit, areas), unit, np.where(local, somewhere, NONE))

    def _asked(self, table: Table, unit: Ints, officer: Ints, manual: NDArray[np.bool_]) -> Ints:
        allowed = table["day"] < self.city.until(self.city.outside_until)
        outside = allowed & manual & (chance(table["case"], self.salt + 2) < self.outside[officer])
        anybody = 1 + (chance(table["case"], self.salt + 3) * len(NEIGHBOURS)).astype(np.int64)
        usual = chance(table["case"], self.salt + 4) < 0.7
        asked = np.where(usual, self.neighbour[unit], anybody)
        return np.where(outside, asked, np.where(manual & self.names_itself[unit], 0, NONE))


def _around(share: float, units: int, rng: Generator) -> Floats:
    """A share for each unit: the spread is that of twenty throws."""
    return np.asarray(rng.beta(20 * share, 20 * (1 - share), units))


def _staff(roster: Roster, unit: int, rng: Generator) -> Ints:
    """Those of a unit who look at the results of others."""
    people = roster.city.officers
    here = np.flatnonzero((roster.unit_on[:people, : roster.city.days] == unit).mean(axis=1) > 0.5)
    return np.asarray(rng.choice(here if len(here) else np.arange(people), REVIEWERS))
