"""The benchmark: a made-up city of 1,500 at three volumes, incidents in the last year alone."""

from __future__ import annotations

from bench.simulator import decoys
from bench.simulator.city import metropolis
from bench.simulator.demand import Wave
from bench.simulator.incident import LEVEL_SD
from bench.simulator.incidents import discover
from bench.simulator.protests import make_up
from bench.simulator.seeds import generator
from bench.simulator.world import World

#: Searches a year, by scale.
SCALES = {"20k": 20_000, "100k": 100_000, "1M": 1_000_000}
#: Incidents of each scenario at each level: officers are many, areas and sources few.
REPEATS = {"S6": 3, "S14": 1, "S15": 1}
USUALLY = 5
WAVES = 4
SUSPECTS = 2


def benchmark(scale: str, years: int, seed: int) -> World:
    """One world of the benchmark. Raises KeyError for a scale that is not known."""
    city = metropolis(SCALES[scale], years, seed)
    rng = generator(seed, "waves")
    last_year = max(0, city.days - 365)
    waves = []
    for _ in range(WAVES):
        first = int(rng.integers(last_year, city.days - 21))
        waves.append(
            Wave(int(rng.integers(len(city.units))), first, first + 21, float(rng.uniform(1.6, 2.4)))
        )
    world = World(city, seed, waves=tuple(waves), protests=make_up(city, seed))
    for scenario, make in discover().items():
        for level in LEVEL_SD:
            for repeat in range(REPEATS.get(scenario, USUALLY)):
                incident = make(world, level, generator(seed, "incident", scenario, level, repeat))
                if incident is not None:
                    world.add(incident)
    for _ in range(SUSPECTS):
        decoys.hot_suspect(world, world.scored_day(rng, 10), 10, 25, 45, rng)
    decoys.quiet_demonstrations(world)
    decoys.crime_waves(world)
    decoys.clock_changes(world)
    decoys.careers(world)
    return world
