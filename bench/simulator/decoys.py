"""Honest life that looks odd and must not alarm. Each trap is labelled in decoys.jsonl.

The form default, the change of vocabulary and the automatic hot-list job are scaled copies of what
the real logs show: a default text used 182 times in one season, vague reasons falling from 77% to
2% in three months (Eugene), one plate looked up 964 times in 19 days.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bench.simulator.city import Unit
from bench.simulator.clock import draw_seconds
from bench.simulator.demand import Wave, public_holidays
from bench.simulator.incident import Incident
from bench.simulator.matters import FORM_DEFAULT, VAGUE
from bench.simulator.protests import everywhere, large
from bench.simulator.searches import IMAGES, MODES, Table, rows
from bench.simulator.world import CLIENT, World
from models.alert import Kind

Pick = Callable[[Table], NDArray[np.bool_]]

#: How long each change explains an officer's unusual behaviour, days.
SETTLING, RETURNING = 30, 14
#: How long something new is a trap, days.
ROLLED_OUT = 30
HOMICIDE, ROBBERY = 6, 0


def decoy(
    scenario: str, title: str, keys: Mapping[str, tuple[str, ...]], first: int, last: int,
    where: Pick | None = None, table: Table | None = None, kind: Kind = "anomaly",
) -> Incident:  # fmt: skip
    """A trap on days `first` to `last` (exclusive): rows that are picked, or rows that are added."""
    return Incident(
        scenario=scenario, level=0, kind=kind, title=title, keys=dict(keys), days=(first, last),
        where=where, rows=table,
    )  # fmt: skip


def careers(world: World) -> None:
    """First weeks, transfers, new shifts and returns of everybody whom no incident concerns."""
    roster, end = world.roster, world.city.days
    accused = {name for one in world.incidents for name in one.keys.get("requester", ())}
    for scenario, title, changes, length in (
        ("newcomer", "first weeks of a newcomer", roster.joined, SETTLING),
        ("transfer", "first weeks after a transfer", roster.transferred, SETTLING),
        ("shift-change", "first weeks in another shift", roster.reshifted, SETTLING),
        ("return", "back from long leave", roster.returned, RETURNING),
    ):
        for officer, day in changes:
            last = min(day + length, end)
            if day < end and world.requester(officer) not in accused:
                keys = {"requester": (world.requester(officer),)}
                world.add_decoy(decoy(scenario, title, keys, day, last, _of_officer(officer, day, last)))


def crime_waves(world: World) -> None:
    """A unit is busy because there is more crime: more cases, each with its own number."""
    for wave in world.waves:
        unit = world.city.units[wave.unit]
        title = f"{unit.unit_id}: {wave.factor:.1f} times the crime for {wave.last - wave.first} days"
        where, keys = _of_unit(wave), _of_place(unit)
        world.add_decoy(decoy("crime-wave", title, keys, wave.first, wave.last, where))


def quiet_demonstrations(world: World) -> None:
    """Large demonstrations after which nobody searched more than usual."""
    told = {(one.keys["unit"], one.days) for one in world.incidents if one.days and "unit" in one.keys}
    for protest in large(world.protests):
        number = next(n for n, one in enumerate(world.city.units) if one.area == protest.area)
        unit, first, last = world.city.units[number], protest.day - 1, protest.day + 3
        if first >= 0 and last <= world.city.days and ((unit.unit_id,), (first, last)) not in told:
            title = f"{unit.unit_id}: a demonstration of {protest.size} and no more searches than usual"
            where, keys = _of_unit(Wave(number, first, last, 1.0)), _of_place(unit)
            world.add_decoy(decoy("quiet-demonstration", title, keys, first, last, where))


def quiet_marches(world: World) -> None:
    """Marches through the whole city in the scored year, after which nobody searched more."""
    told = {one.days for one in world.incidents if "agency" in one.keys and "unit" in one.keys}
    areas = [world.city.units[number] for number in world.city.areas]
    keys = {"unit": tuple(one.unit_id for one in areas), "area": tuple(one.area for one in areas)}
    for protest in everywhere(world.protests):
        first, last = protest.day - 1, protest.day + 3
        if first >= world.city.scored and last <= world.city.days and (first, last) not in told:
            title = f"marches of {protest.size} and no more searches than usual"
            world.add_decoy(decoy("quiet-march", title, keys, first, last, _on_days(first, last)))


def holidays(world: World) -> None:
    """Public holidays of the scored year, on which little is searched; not those of which a silence
    of the whole agency leaves nothing."""
    outages = [one.outage for one in world.incidents if one.outage and "agency" in one.keys]
    silent = {day for one in outages for day in range(one.first, one.last)}
    for day, name in public_holidays(world.city).items():
        if world.city.scored <= day < world.city.days and day not in silent:
            world.add_decoy(decoy("holiday", name, {}, day, day + 1, _on_days(day, day + 1)))


def major_incident(world: World, first: int, days: int, count: int, rng: Generator) -> None:
    """Something terrible: all units work on it for some days, under very few report numbers."""
    officers = min(400, max(40, count // 3))
    duty = np.flatnonzero(world.roster.on_duty[: world.city.officers, first : first + days].all(axis=1))
    who = rng.choice(rng.permutation(duty)[:officers], count)
    day = np.sort(first + rng.geometric(0.5, count).clip(max=days) - 1)
    second = draw_seconds(rng, world.roster.shift_on[who, day])
    area = int(rng.choice(np.array(world.city.areas)))
    reports = world.cases.open(np.full(3, first), np.full(3, area), np.full(3, 36_000))
    table = rows(
        count, officer=who, day=day, second=second, case=rng.choice(reports, count), matter=HOMICIDE,
        subject=world.cases.meet(count), area=area, image=IMAGES.index("cctv"),
        reason=world.reasons.index("shooting at the fairground, person of interest"),
    )  # fmt: skip
    keys = {"unit": (world.city.units[area].unit_id,), "agency": (world.city.agency_id,)}
    title = f"{count} searches of all units after a shooting"
    trap = decoy("major-incident", title, keys, first, first + days, table=table)
    trap.cases = tuple(int(case) for case in reports)
    world.add_decoy(trap)


# What follows changes honest life itself and comes before the incidents.


def tool_rollout(world: World, unit: int, first: int) -> None:
    """A bureau gets a tool that is approved from that day on, and uses it for one case in three."""
    tool = world.tool("State Photo System")
    world.approved[tool] = first
    table = world.honest
    table["tool"][
        (table["unit"] == unit) & (table["day"] >= first) & (table["tool"] == 0) & (table["case"] % 3 == 2)
    ] = tool
    keys = {"tool": (world.tools[tool],)}
    last = min(first + ROLLED_OUT, world.city.days)
    title = f"{world.city.units[unit].unit_id} begins to use a tool that was just approved"
    world.add_decoy(decoy("tool-rollout", title, keys, first, last, _on_days(first, last, "tool", (tool,))))


def new_workstations(world: World, unit: int, first: int) -> None:
    """Everybody in a unit gets a new workstation on one day."""
    table, station_on = world.honest, world.roster.station_on
    new = {}
    for officer in np.flatnonzero(world.roster.unit_on[: world.city.officers, first] == unit).tolist():
        new[officer] = len(world.stations)
        world.stations.append(f"ws-{world.city.units[unit].unit_id}-{len(new)}")
        world.new_desks[officer] = (first, new[officer])
        seat = station_on[officer, first:]
        seat[seat == officer] = new[officer]
    # By officer, so that the table is walked through once.
    desk = np.arange(len(world.roster.requester_ids))
    desk[list(new)] = list(new.values())
    own = (table["station"] == table["officer"]) & (table["day"] >= first)
    table["station"][own] = desk[table["officer"][own]]
    last = min(first + ROLLED_OUT, world.city.days)
    title = f"{world.city.units[unit].unit_id}: {len(new)} new workstations"
    where = _on_days(first, last, "station", tuple(new.values()))
    world.add_decoy(decoy("new-workstations", title, {}, first, last, where))


def vendor_rename(world: World, first: int) -> None:
    """The county's client goes by another name from one day on; the register knows it as an alias."""
    new = world.tool("LACRIS Photo Manager")
    world.renamed[CLIENT] = new
    table = world.honest
    table["tool"][(table["tool"] == CLIENT) & (table["day"] >= first)] = new
    last = min(first + ROLLED_OUT, world.city.days)
    title = f"{world.tools[CLIENT]} is now called {world.tools[new]}"
    keys = {"tool": (world.tools[new],)}
    where = _on_days(first, last, "tool", (new,))
    world.add_decoy(decoy("vendor-rename", title, keys, first, last, where))


def clock_changes(world: World) -> None:
    """Nights with a missing or a repeated hour."""
    for day in world.clock.changes():
        title = f"the clocks change on {world.clock.date(day).isoformat()}"
        world.add_decoy(decoy("clock-change", title, {}, day, day + 1, _at_night(day)))


def form_default(world: World, feed: int, first: int, last: int, count: int, rng: Generator) -> None:
    """For one season a form leaves its default text in the reason of everyone who does not type."""
    table = world.honest
    season = (table["day"] >= first) & (table["day"] < last)
    mine = np.flatnonzero((table["feed"] == feed) & season)
    chosen = rng.choice(mine, min(count, len(mine)), replace=False)
    text = world.reasons.index(FORM_DEFAULT)
    table["reason"][chosen] = text
    title = f"{len(chosen)} reasons hold a form's default text"
    world.add_decoy(decoy("form-default", title, {}, first, last, lambda log: log["reason"] == text))


def new_vocabulary(world: World, units: list[int], until: int, rng: Generator) -> None:
    """Vague reasons of some units fall from 77% to 2% within three months that end on day `until`."""
    table = world.honest
    share = np.interp(table["day"], [until - 90, until - 60, until - 30, until], [0.77, 0.5, 0.26, 0.02])
    here = np.isin(table["unit"], units) & (table["day"] < until)
    vague = here & (rng.random(len(here)) < share)
    table["reason"][vague] = world.reasons.vague + rng.integers(0, len(VAGUE), int(vague.sum()))
    keys = {"unit": tuple(world.city.units[unit].unit_id for unit in units)}
    title = "reasons are worded more fully after an instruction"

    def during(log: Table) -> NDArray[np.bool_]:
        return np.isin(log["unit"], units) & (log["day"] >= until - 90) & (log["day"] < until)

    world.add_decoy(decoy("new-vocabulary", title, keys, until - 90, until, during))


def hotlist_job(world: World, first: int, days: int, count: int, rng: Generator) -> None:
    """An automatic job looks up one wanted person day and night."""
    day = np.sort(first + rng.integers(0, days, count))
    second = rng.integers(0, 86_400, count)
    service = world.roster.service
    unit = int(world.roster.unit_on[service, first])
    case = world.cases.open(np.array([first]), np.array([unit]), np.array([36_000]))
    subject = world.cases.meet(1)
    table = rows(
        count, officer=service, day=day, second=second, case=int(case[0]), subject=int(subject[0]),
        unit=unit, feed=0, image=IMAGES.index("cctv"), mode=MODES.index("hotlist"), station=service,
        matter=ROBBERY, reason=world.reasons.index("hot list: wanted for robbery"), lead=0,
    )  # fmt: skip
    keys = {"requester": (world.requester(service),)}
    trap = decoy(
        "hotlist-job", f"{count} automatic look-ups of one person", keys, first, first + days, table=table
    )
    trap.subjects = (int(subject[0]),)
    world.add_decoy(trap)


def hot_suspect(world: World, first: int, days: int, officers: int, count: int, rng: Generator) -> None:
    """Many officers of many units look up one murder suspect, all under the same report."""
    duty = np.flatnonzero(world.roster.on_duty[: world.city.officers, first : first + days].all(axis=1))
    who = rng.choice(rng.permutation(duty)[:officers], count)
    day = np.sort(first + rng.geometric(0.25, count).clip(max=days) - 1)
    second = draw_seconds(rng, world.roster.shift_on[who, day])
    unit = next(number for number, one in enumerate(world.city.units) if not one.area)
    case = world.cases.open(np.array([first]), np.array([unit]), np.array([36_000]))
    subject = int(world.cases.meet(1)[0])
    table = rows(
        count, officer=who, day=day, second=second, case=int(case[0]), subject=subject,
        matter=HOMICIDE, reason=world.reasons.index("homicide suspect, wanted bulletin"),
    )  # fmt: skip
    title = f"one murder suspect looked up {count} times by many officers"
    trap = decoy("hot-suspect", title, {}, first, first + days, table=table)
    trap.subjects, trap.cases = (subject,), (int(case[0]),)
    world.add_decoy(trap)


def _of_officer(officer: int, first: int, last: int) -> Pick:
    return lambda log: (log["officer"] == officer) & (log["day"] >= first) & (log["day"] < last)


def _of_place(unit: Unit) -> dict[str, tuple[str, ...]]:
    """The keys of a unit, and of its area where it has one."""
    area = {"area": (unit.area,)} if unit.area else {}
    return {"unit": (unit.unit_id,), **area}


def _of_unit(wave: Wave) -> Pick:
    return lambda log: (log["unit"] == wave.unit) & (log["day"] >= wave.first) & (log["day"] < wave.last)


def _on_days(first: int, last: int, column: str = "", values: tuple[int, ...] = ()) -> Pick:
    """Rows of some days, all or those with one of the values in a column."""

    def pick(log: Table) -> NDArray[np.bool_]:
        days = (log["day"] >= first) & (log["day"] < last)
        return days & np.isin(log[column], values) if column else days

    return pick


def _at_night(day: int) -> Pick:
    return lambda log: (log["day"] == day) & (log["second"] < 6 * 3600)
