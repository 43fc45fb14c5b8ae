"""S13: for a year one area is searched far beyond its share. A matter for the report, not an alert."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from bench.simulator.incident import EVADING, Incident
from bench.simulator.world import World

SCENARIO = "S13"


def benchmark(world: World, level: int, rng: Generator) -> Incident | None:
    """Searches that bureaus would have made elsewhere, or without a place, are made in one area:
    nobody searches more than before. Evading, they come from all units."""
    table, areas = world.honest, np.array(world.city.areas)
    taken = {name for one in world.incidents if one.scenario == SCENARIO for name in one.keys["area"]}
    free = [unit for unit in areas if world.city.units[unit].area not in taken]
    if not free:
        return None
    area = int(rng.choice(free))
    year = table["day"] >= world.city.scored
    count = world.excess(float((year & (table["area"] == area)).sum()), level)
    elsewhere = year & (table["area"] != area) & (table["label"] < 0) & (table["decoy"] < 0)
    if level < EVADING:
        elsewhere &= ~np.isin(table["unit"], areas)
    pool = np.flatnonzero(elsewhere)
    moved = rng.choice(pool, min(count, len(pool)), replace=False)
    number = len(world.incidents)
    table["area"][moved] = area
    table["label"][moved] = number
    return Incident(
        scenario=SCENARIO,
        level=level,
        kind="report",
        title=f"{world.city.units[area].unit_id}: {len(moved)} searches beyond its share in a year",
        keys={"area": (world.city.units[area].area,)},
        detectors=("disparity",),
        where=lambda log: log["label"] == number,
    )
