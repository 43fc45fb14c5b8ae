"""S6: a unit searches people after a demonstration, naming no crime.

The pattern is that of Long Beach in 2020: searches rose four- to fivefold after the demonstrations
at the end of May, and over a thousand of about four thousand named no crime (forthe.org).
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from bench.simulator.clock import DAY, draw_seconds
from bench.simulator.incident import EVADING, Incident
from bench.simulator.matters import UNSTATED
from bench.simulator.protests import large
from bench.simulator.searches import IMAGES, UNSET, Table, rows
from bench.simulator.world import World

SCENARIO = "S6"
CITING = ("protest", "protest 5/31", "demonstration", "civil unrest", "looting", "George Floyd protest", "")
VAGUE = ("investigation", "ID", "suspect", "")


def searches_after(
    world: World, unit: int, day_of: np.ndarray[tuple[int], np.dtype[np.int64]], citing: float, rng: Generator
) -> tuple[Table, tuple[int, ...]]:
    """One search of the unit for each given day, by up to nine of its officers; returns the officers
    too. A share `citing` names the demonstration, the rest is vague or gives a crime."""
    count = len(day_of)
    posted = np.flatnonzero(world.roster.unit_on[: world.city.officers, day_of.min()] == unit)
    team = rng.permutation(posted)[:9]
    officer = rng.choice(team, count)
    second = draw_seconds(rng, world.roster.shift_on[officer, day_of]) % DAY
    # Two searches in three share the case number of another: one report, several faces.
    opened = world.cases.open(day_of, np.full(count, unit), second)
    case = np.where(rng.random(count) < 0.4, np.roll(opened, 1), opened)
    case[0] = opened[0]
    named = rng.random(count)
    texts = np.array([world.reasons.index(text) for text in CITING + VAGUE])
    cites = rng.choice(texts[: len(CITING)], count)
    vague = rng.choice(texts[len(CITING) :], count)
    reason = np.where(named < citing, cites, vague)
    matter = np.full(count, UNSTATED)
    crime = named > 0.75
    burglary = 1
    reason[crime] = world.reasons.index("looting burglary")
    matter[crime] = burglary
    image = rng.choice([IMAGES.index("social_media"), IMAGES.index("cctv")], count, p=[0.8, 0.2])
    table = rows(
        count, officer=officer, day=day_of, second=second, case=case, subject=world.cases.meet(count),
        unit=unit, reason=reason, matter=matter, image=image,
    )  # fmt: skip
    return table, tuple(int(one) for one in team)


def surge(
    world: World, unit: int, first: int, days: int, factor: float, level: int, rng: Generator
) -> Incident:
    """The unit makes `factor` times its usual searches from day `first` for some weeks, fewer as
    time goes by, on top of what it does anyway."""
    usual = float((world.honest["unit"] == unit).sum()) / world.city.days
    count = max(3, round(usual * days * (factor - 1)))
    decay = np.exp(-np.arange(days) / (0.6 * days)) + 0.35
    day_of = np.sort(first + rng.choice(days, count, p=decay / decay.sum()))
    table, team = searches_after(world, unit, day_of, 0.5, rng)
    return _incident(
        world, unit, level, table, team, f"unit searches {factor:.1f}-fold after a demonstration"
    )


def benchmark(world: World, level: int, rng: Generator) -> Incident | None:
    """Extra searches of one area from the day before to two days after a large demonstration;
    evading, under ordinary crimes and with ordinary images."""
    held = [one for one in large(world.protests) if world.city.days - 365 <= one.day < world.city.days - 3]
    taken = {str(one.keys["unit"]) + str(one.days) for one in world.incidents if one.scenario == SCENARIO}
    for choice in rng.permutation(len(held)):
        protest = held[int(choice)]
        unit = next(n for n, one in enumerate(world.city.units) if one.area == protest.area)
        days = (protest.day - 1, protest.day + 3)
        if str((world.city.units[unit].unit_id,)) + str(days) in taken or days[0] < world.city.days - 365:
            continue
        here = world.roster.unit_on[:, days[0] : days[1]] == unit
        expected = float((world.expected[:, days[0] : days[1]] * here).sum())
        day_of = np.sort(rng.integers(days[0], days[1], world.excess(expected, level)))
        table, team = searches_after(world, unit, day_of, 0.4, rng)
        if level == EVADING:
            disguise(table)
        incident = _incident(
            world, unit, level, table, team, f"extra searches round a demonstration of {protest.size}"
        )
        incident.days = days
        return incident
    return None


def disguise(table: Table) -> None:
    """Take away what betrays the searches: matter, reason and image become those of honest cases."""
    for name in ("matter", "reason", "image"):
        table[name][:] = UNSET


def _incident(
    world: World, unit: int, level: int, table: Table, team: tuple[int, ...], title: str
) -> Incident:
    return Incident(
        scenario=SCENARIO,
        level=level,
        kind="anomaly",
        title=f"{world.city.units[unit].unit_id}: {title}",
        keys={
            "unit": (world.city.units[unit].unit_id,),
            "area": (world.city.units[unit].area,),
            "requester": tuple(world.requester(officer) for officer in team),
        },
        detectors=("demonstration_spike",),
        rows=table,
    )
