"""S7: after marches through the whole city every area searches a little more, none very much."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from bench.simulator.incident import EVADING, Incident
from bench.simulator.incidents.demonstration import disguise, searches_after
from bench.simulator.protests import Protest, everywhere
from bench.simulator.searches import Table, concatenate
from bench.simulator.world import World

SCENARIO = "S7"
CITING = 0.4


def benchmark(world: World, level: int, rng: Generator) -> Incident | None:
    """Extra searches of all areas, in proportion to what they do anyway, from the day before to two
    days after; the level counts deviations of the city, not of an area. Evading, under ordinary
    crimes and with ordinary images."""
    protest = _free(world, rng)
    if protest is None:
        return None
    days = (protest.day - 1, protest.day + 3)
    span, areas = slice(*days), np.array(world.city.areas)
    posted = world.roster.unit_on[:, span]
    expected = np.array([float((world.expected[:, span] * (posted == unit)).sum()) for unit in areas])
    count = world.excess(expected, level)
    unit_of = rng.choice(areas, count, p=expected / expected.sum())
    tables: list[Table] = []
    teams: list[int] = []
    for unit in np.unique(unit_of):
        day_of = np.sort(rng.integers(*days, int((unit_of == unit).sum())))
        table, team = searches_after(world, int(unit), day_of, CITING, rng)
        tables.append(table)
        teams.extend(team)
    table = concatenate(tables)
    if level == EVADING:
        disguise(table)
    return Incident(
        scenario=SCENARIO,
        level=level,
        kind="anomaly",
        title=f"all areas: {count} extra searches round marches of {protest.size}",
        keys={
            "agency": (world.city.agency_id,),
            "unit": tuple(world.city.units[unit].unit_id for unit in areas),
            "area": tuple(world.city.units[unit].area for unit in areas),
            "requester": tuple(world.requester(officer) for officer in teams),
        },
        detectors=("demonstration_spike",),
        rows=table,
        days=days,
    )


def _free(world: World, rng: Generator) -> Protest | None:
    """Marches of the scored year of which no incident has the days; overlapping ones if need be."""
    taken = [one.days for one in world.incidents if one.scenario in ("S6", SCENARIO) and one.days]
    inside = range(world.city.scored + 1, world.city.days - 3)
    held = [protest for protest in everywhere(world.protests) if protest.day in inside]
    for own in (False, True):
        for choice in rng.permutation(len(held)):
            protest = held[int(choice)]
            days = (protest.day - 1, protest.day + 3)
            if own:
                free = days not in taken
            else:
                free = all(days[1] <= first or last <= days[0] for first, last in taken)
            if free:
                return protest
    return None
