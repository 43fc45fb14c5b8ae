"""The product's demo: Los Angeles from January 2019 to January 2021, with its incidents and traps.

The demonstrations are the real ones of 2020; officers, searches and misuse are made up.
"""

from __future__ import annotations

from datetime import date

from bench.simulator import decoys
from bench.simulator.city import los_angeles
from bench.simulator.demand import Wave
from bench.simulator.incidents import (
    body_worn,
    burst,
    demonstration,
    lost_rows,
    shared_account,
    silence,
    stalking,
    sustained,
    unapproved_tool,
)
from bench.simulator.seeds import generator
from bench.simulator.world import World


def demo(seed: int) -> World:
    """The demo's world, ready to be delivered."""
    city = los_angeles()

    def day(month: int, number: int, year: int = 2020) -> int:
        return (date(year, month, number) - city.first).days

    wave = Wave(city.unit("southeast"), day(9, 9, 2019), day(9, 30, 2019), 2.2)
    world = World(city, seed, waves=(wave,))
    rng = generator(seed, "demo")

    world.add(silence.silence(world, city.feed("valley-gateway"), day(2, 10), 9, 1))
    officer = world.pick_officer(rng, day(5, 14, 2019), 2)
    world.add(burst.burst(world, officer, day(5, 14, 2019), 2, 14, 1, rng))
    wilshire = city.unit("wilshire")
    world.add(demonstration.surge(world, wilshire, day(5, 30), 45, 4.5, 1, rng))
    officer = world.pick_officer(rng, day(7, 15), 2, load=shared_account.WELL_USED)
    world.add(shared_account.shared_account(world, officer, day(7, 15), 24, 1, rng))
    officer = world.pick_officer(rng, day(8, 3), 14)
    world.add(sustained.sustained(world, officer, day(8, 3), 14, 24, 1, rng))
    officer = world.pick_officer(rng, day(9, 1), 42)
    world.add(stalking.stalking(world, officer, day(9, 1), 42, 14, "reused", 1, rng))
    world.add(lost_rows.lost_rows(world, city.feed("detective-bureau"), day(10, 19), 6, 0.4, False, 1))
    _unapproved_tool(world, day(1, 20), day(11, 13))
    team = [world.pick_officer(rng, day(1, 13, 2021), 14) for _ in range(3)]
    world.add(body_worn.body_worn(world, team, day(1, 13, 2021), 14, 8, 1, rng))

    decoys.form_default(world, city.feed("valley-gateway"), day(6, 1, 2019), day(9, 1, 2019), 182, rng)
    changed = [city.unit(name) for name in ("harbor", "southwest", "pacific")]
    decoys.new_vocabulary(world, changed, day(8, 1, 2019), rng)
    decoys.hotlist_job(world, day(11, 4, 2019), 19, 964, rng)
    decoys.hot_suspect(world, day(12, 3, 2019), 10, 20, 40, rng)
    decoys.crime_waves(world)
    decoys.clock_changes(world)
    decoys.careers(world)
    return world


def _unapproved_tool(world: World, first: int, ban: int) -> None:
    """The same officers use the same tool before the ban, when no rule forbade it, and after it."""
    rng = generator(world.seed, "demo", "tool")
    unit = world.city.unit("gang-narcotics")
    officers = [world.pick_officer(rng, ban - 60, 100, unit) for _ in range(3)]
    spellings = unapproved_tool.SPELLINGS
    before = unapproved_tool.searches_in_tool(world, officers, first, ban - first, 25, spellings[:3], rng)
    after = unapproved_tool.searches_in_tool(world, officers, ban + 4, 40, 15, spellings, rng)
    world.add(unapproved_tool.breach(world, after, officers, 1))
    keys = {"requester": tuple(world.requester(officer) for officer in officers)}
    title = "25 searches in a tool that nothing forbade yet"
    world.add_decoy(decoys.decoy("lawful-tool", title, keys, first, ban, table=before, kind="policy"))
