"""The calendar of demonstrations: the real one for Los Angeles, a made-up one for the benchmark."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from numpy.random import Generator

from bench.simulator.city import City
from bench.simulator.seeds import generator

COLUMNS = ("date", "agency_id", "area", "kind", "size", "interventions", "count", "source")
#: Largest estimate of people from which a made-up demonstration is one that people remember.
LARGE = 2_000
#: Days in which there is one large demonstration in an area, and one march through the whole city.
BETWEEN_LARGE, BETWEEN_MARCHES = 22, 20


@dataclass(frozen=True)
class Protest:
    """The demonstrations of one day in one place; "" is the whole city."""

    day: int
    area: str
    size: int
    interventions: int
    count: int

    def line(self, city: City) -> dict[str, str]:
        """Its row in calendar.csv."""
        return {
            "date": (city.first + timedelta(days=self.day)).isoformat(),
            "agency_id": city.agency_id,
            "area": self.area,
            "kind": "demonstration",
            "size": str(self.size),
            "interventions": str(self.interventions),
            "count": str(self.count),
            "source": "simulated",
        }


def read_real(path: Path, agency_id: str) -> list[dict[str, str]]:
    """The rows of a calendar file that concern the agency, as they stand.

    Raises FileNotFoundError without the file, ValueError when its columns are others.
    """
    with path.open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(line for line in lines if not line.startswith("#"))
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise ValueError(f"{path}: expected the columns {','.join(COLUMNS)}, found {reader.fieldnames}")
        return [row for row in reader if row["agency_id"] in (agency_id, "*")]


def make_up(city: City, seed: int) -> list[Protest]:
    """A demonstration on about two days in three, as in Los Angeles in 2020, nearly all of them
    small; somewhat more than one a month is large and belongs to one area, and as many are marches
    through the whole city."""
    rng = generator(seed, "protests")
    areas = [unit.area for unit in city.units if unit.area]
    protests = []
    local, marches = _one_in(BETWEEN_LARGE, city.days, rng), _one_in(BETWEEN_MARCHES, city.days, rng)
    for day in range(city.days):
        if day in marches:
            size = int(2 * LARGE * 10 ** rng.uniform(0, 1))
            protests.append(Protest(day, "", size, int(rng.integers(1, 6)), int(rng.integers(2, 6))))
        elif rng.random() < 0.65:
            size = int(10 ** rng.uniform(1.0, 2.8))
            protests.append(Protest(day, "", size, int(rng.random() < 0.05), int(rng.integers(1, 4))))
        if day in local:
            size = int(LARGE * 10 ** rng.uniform(0, 1))
            protests.append(Protest(day, str(rng.choice(areas)), size, int(rng.integers(1, 6)), 1))
    return protests


def _one_in(length: int, days: int, rng: Generator) -> set[int]:
    """A day out of each `length` days."""
    return {start + int(rng.integers(length)) for start in range(0, days, length)}


def large(protests: list[Protest]) -> list[Protest]:
    """Those of one area that people remember."""
    return [protest for protest in protests if protest.size >= LARGE and protest.area]


def everywhere(protests: list[Protest]) -> list[Protest]:
    """Those of the whole city that people remember."""
    return [protest for protest in protests if protest.size >= LARGE and not protest.area]
