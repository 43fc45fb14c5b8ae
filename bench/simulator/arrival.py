"""When the log is delivered: outages, numbering by source, upload delays, arrival order."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bench.simulator.clock import DAY, Ints
from bench.simulator.incident import Outage
from bench.simulator.searches import Table
from bench.simulator.seeds import generator
from bench.simulator.world import World

#: Local second of the day at which nightly logs are uploaded: half past two.
NIGHTLY = 9_000
#: Milliseconds between two rows of one upload.
SPACING = 40
FIRST_SEQUENCE = 1


def deliver(world: World) -> Table:
    """All searches that reach the log, in arrival order, with `sequence` and `arrival` (epoch ms).

    Each feed counts its rows in the order of event time and sends them in that order. A streaming
    feed takes some seconds; an hourly one uploads after each full hour; a nightly one in the night.
    """
    table = world.searches()
    rng = generator(world.seed, "arrival")
    outages = [incident.outage for incident in world.incidents if incident.outage is not None]
    silent = np.zeros(len(table["time"]), dtype=np.bool_)
    for outage in outages:
        missed = _missed(table, outage, rng)
        if outage.renumbered:
            silent |= missed
        else:
            table["lost"][missed] = 1
    table = {name: values[~silent] for name, values in table.items()}
    _number(table, len(world.city.feeds))
    table["arrival"] = _arrivals(world, table, rng)
    table = {name: values[table["lost"] == 0] for name, values in table.items()}
    order = np.lexsort((table["sequence"], table["feed"], table["arrival"]))
    return {name: values[order] for name, values in table.items()}


def _missed(table: Table, outage: Outage, rng: Generator) -> NDArray[np.bool_]:
    draw = rng.random(len(table["time"]))
    eligible = outage.takes(table)
    if outage.share < 1:
        # Rows of other incidents stay as long as that does not give the outage away.
        eligible &= (table["label"] < 0) & (table["decoy"] < 0)
    # A loss of nothing would be no incident: in a quiet week the likeliest row goes.
    least = draw[eligible].min(initial=1.0)
    return np.asarray(eligible & (draw <= max(outage.share, least)))


def _number(table: Table, feeds: int) -> None:
    table["sequence"] = np.empty(len(table["time"]), dtype=np.int64)
    for feed in range(feeds):
        mine = np.flatnonzero(table["feed"] == feed)
        table["sequence"][mine] = np.arange(FIRST_SEQUENCE, FIRST_SEQUENCE + len(mine))


def _arrivals(world: World, table: Table, rng: Generator) -> Ints:
    time = table["time"]
    streamed = time + 400 + (rng.lognormal(7.6, 0.8, len(time))).astype(np.int64)
    hour = 3_600_000
    hourly = (time // hour + 1) * hour + 60_000
    after = (table["second"] >= NIGHTLY).astype(np.int64)
    nightly = world.clock.milliseconds(table["day"] + after, np.full(len(time), NIGHTLY))
    # Before an autumn change "02:30 today" may lie behind a search of the repeated hour.
    nightly = np.where(nightly <= time, nightly + DAY * 1000, nightly)
    arrival = np.empty(len(time), dtype=np.int64)
    for number, feed in enumerate(world.city.feeds):
        mine = np.flatnonzero(table["feed"] == number)
        due = {"stream": streamed, "hourly": hourly, "nightly": nightly}[feed.delivery][mine]
        due = np.maximum.accumulate(due) if len(due) else due
        arrival[mine] = _spaced(due) if feed.delivery != "stream" else due
    return arrival


def _spaced(due: Ints) -> Ints:
    """Rows of one upload come one after another: each at least SPACING after the one before."""
    steps = np.arange(len(due)) * SPACING
    return np.asarray(np.maximum.accumulate(due - steps) + steps) if len(due) else due
