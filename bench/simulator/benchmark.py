"""The benchmark: a made-up city of 1,500 at four volumes, incidents in the last year alone."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from bench.simulator import decoys
from bench.simulator.city import metropolis
from bench.simulator.demand import Wave
from bench.simulator.incident import LEVEL_SD
from bench.simulator.incidents import discover
from bench.simulator.protests import make_up
from bench.simulator.seeds import generator
from bench.simulator.world import World

#: Searches a year, by scale.
SCALES = {"5k": 5_000, "20k": 20_000, "100k": 100_000, "1M": 1_000_000}
#: Incidents of each scenario at each level. Most for those that science compares by recall; areas,
#: sources and marches are few; S14 has one for each of what can fall silent.
REPEATS = {
    "S1": 5, "S2": 5, "S3": 5, "S5": 5, "S9": 5, "S7": 2, "S8": 2, "S13": 1, "S14": 4, "S15": 2, "S17": 1,
}  # fmt: skip
USUALLY = 3
#: These come last: they choose days on which nothing else gets lost.
OUTAGES = ("S14", "S15")
WAVES = 5
#: Searches of a season that hold a form's default text, and of a major incident, by those of a year.
DEFAULTS, MAJOR = 0.009, 0.003
SUSPECTS = 2


def benchmark(scale: str, years: int, seed: int) -> World:
    """One world of the benchmark. Raises KeyError for a scale that is not known."""
    city = metropolis(SCALES[scale], years, seed)
    rng = generator(seed, "waves")
    last_year = max(0, city.days - 365)
    waves = []
    for unit in rng.choice(len(city.units), WAVES, replace=False).tolist():
        first = int(rng.integers(last_year, city.days - 21))
        waves.append(Wave(unit, first, first + 21, float(rng.uniform(1.6, 2.4))))
    world = World(city, seed, waves=tuple(waves), protests=make_up(city, seed))
    _changes(world, generator(seed, "changes"))
    found = discover()
    for scenario in sorted(found, key=lambda name: name in OUTAGES):
        for level in LEVEL_SD:
            for repeat in range(REPEATS.get(scenario, USUALLY)):
                incident = found[scenario](world, level, generator(seed, "incident", scenario, level, repeat))
                if incident is not None:
                    world.add(incident)
    for _ in range(SUSPECTS):
        decoys.hot_suspect(world, world.scored_day(rng, 10), 10, 25, 45, rng)
    major = max(60, round(MAJOR * SCALES[scale]))
    decoys.major_incident(world, world.scored_day(rng, 3), 3, major, rng)
    decoys.hotlist_job(world, world.scored_day(rng, 19), 19, 964, rng)
    decoys.quiet_demonstrations(world)
    decoys.quiet_marches(world)
    decoys.holidays(world)
    decoys.crime_waves(world)
    decoys.clock_changes(world)
    decoys.careers(world)
    return world


def _changes(world: World, rng: Generator) -> None:
    """What changes in honest life in the scored year, for all to see: tools, desks, forms, words."""
    city, scored = world.city, world.city.scored
    units, bureaus = rng.permutation(np.array(city.areas)), len(city.areas)

    def some_day() -> int:
        return scored + int(rng.integers(60, 270))

    decoys.tool_rollout(world, int(rng.integers(bureaus, len(city.units))), some_day())
    decoys.new_workstations(world, int(units[0]), some_day())
    decoys.vendor_rename(world, some_day())
    season = some_day()
    count = round(DEFAULTS * 365.25 * city.per_day)
    decoys.form_default(world, city.feed("south-feed"), season, season + 91, count, rng)
    decoys.new_vocabulary(world, [int(units[1])], scored + int(rng.integers(95, 130)), rng)
