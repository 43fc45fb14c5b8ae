"""S14: a source, a whole agency, an officer or a tool falls silent; no counter knows what is missing."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.random import Generator

from bench.simulator.clock import Floats
from bench.simulator.incident import EVADING, LEVEL_SD, Incident, Outage
from bench.simulator.world import SECOND, World

SCENARIO = "S14"
DAYS = {1: 6, 2: 3, 3: 1, 4: 2}
Silent = Literal["source", "agency", "requester", "tool"]
SILENT: tuple[Silent, ...] = ("source", "agency", "requester", "tool")
#: Case load, relative to the mean, of officers whose silence can be noticed at all.
BUSY = (2.5, 12.0)
#: An officer or a tool is silent until so many searches for each standard deviation are missing,
#: or so many days.
MISSING, LONGEST = 2.0, 90
#: Days between two outages of the same rows.
APART = 8
#: Days that are tried, and the largest share of another incident's rows that may get lost.
TRIES, HARM = 300, 0.2
#: The first feeds are those that every day has rows of.
BUSY_FEEDS = 3


def silence(world: World, feed: int, first: int, days: int, level: int) -> Incident:
    """No rows of a feed for some days; afterwards the numbering goes on without a gap."""
    source = world.city.feeds[feed].source_id
    return _incident(source, {"source": (source,)}, Outage(feed, first, first + days), level, "silence")


def benchmark(world: World, level: int, rng: Generator) -> Incident:
    """Source, agency, officer and tool in turn. Evading, a silence that a pause explains: it begins
    on a Saturday, or an officer's with the end of a leave."""
    before = [one for one in world.incidents if one.scenario == SCENARIO and one.level == level]
    who = SILENT[len(before) % len(SILENT)]
    if who == "requester":
        return _officer(world, level, rng)
    if who == "tool":
        daily = float((world.honest["tool"] == SECOND).sum()) / world.city.days
        days = _enough(np.full(LONGEST, daily), level, DAYS[level])
        first = _on_saturday(world, world.scored_day(rng, days + 7), level)
        keys: dict[str, tuple[str, ...]] = {"tool": (world.tools[SECOND].lower(), world.tools[SECOND])}
        outage = Outage(None, first, first + days, tool=SECOND)
        return _incident(world.tools[SECOND], keys, outage, level, "low_count")
    if who == "agency":
        first = quiet_days(world, rng, None, DAYS[level], level)
        sources = tuple(feed.source_id for feed in world.city.feeds)
        keys = {"agency": (world.city.agency_id,), "source": sources}
        outage = Outage(None, first, first + DAYS[level])
        return _incident(world.city.agency_id, keys, outage, level, "silence")
    feed = int(rng.integers(0, BUSY_FEEDS))
    first = quiet_days(world, rng, feed, DAYS[level], level)
    return silence(world, feed, first, DAYS[level], level)


def quiet_days(world: World, rng: Generator, feed: int | None, length: int, level: int = 1) -> int:
    """A first day such that no other outage of the feed, or of all, could be taken for one with it,
    and that no other incident disappears in it. Raises ValueError without one."""
    taken = [one.outage for one in world.incidents if one.outage is not None]
    possible = []
    for _ in range(TRIES):
        first = _on_saturday(world, world.scored_day(rng, length + 7), level)
        outage = Outage(feed, first, first + length)
        if not any(outage.meets(one, APART) for one in taken):
            harm = world.harm(outage)
            if harm <= HARM:
                return first
            possible.append((harm, first))
    if not possible or min(possible)[0] >= 1:
        raise ValueError(f"no {length} days are free of other outages and incidents")
    return min(possible)[1]


def _officer(world: World, level: int, rng: Generator) -> Incident:
    """A busy officer of whom nothing is on record, though on duty."""
    first = world.scored_day(rng, LONGEST + 30)
    officer = world.pick_officer(rng, first, LONGEST, load=BUSY)
    if level == EVADING:
        away = world.roster.away[officer]
        back = np.flatnonzero(away[:-1] & ~away[1:]) + 1
        back = back[(back >= world.city.scored) & (back < world.city.days - LONGEST)]
        first = int(rng.choice(back)) if len(back) else first
    days = _enough(world.expected[officer, first : first + LONGEST], level, 1)
    outage = Outage(None, first, first + days, officer=officer)
    name = world.requester(officer)
    return _incident("one officer", {"requester": (name,)}, outage, level, "low_count")


def _enough(daily: Floats, level: int, least: int) -> int:
    """Days until enough is missing for a level."""
    return max(least, min(LONGEST, int(np.searchsorted(daily.cumsum(), MISSING * LEVEL_SD[level])) + 1))


def _on_saturday(world: World, day: int, level: int) -> int:
    """The day, or evading the Saturday after it."""
    return day + (5 - world.clock.date(day).weekday()) % 7 if level == EVADING else day


def _incident(
    who: str, keys: dict[str, tuple[str, ...]], outage: Outage, level: int, detector: str
) -> Incident:
    days = outage.last - outage.first
    return Incident(
        scenario=SCENARIO,
        level=level,
        kind="anomaly",
        title=f"{who} is silent for {days} day{'s' * (days > 1)}",
        keys=keys,
        detectors=(detector,),
        days=(outage.first, outage.last),
        outage=outage,
    )
