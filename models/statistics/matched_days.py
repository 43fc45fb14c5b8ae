"""Demonstrations: did a key search more round one than on quiet days like it?

The window reaches from the day before an event to two days after it, when photographs taken there
are searched. Two comparisons have to agree: with what the key's own past makes expected, and with
the same window round matched control days. A busy season alone satisfies the second, a
demonstration that fell on a busy weekday the first, misuse both. Light events weigh less: their
p-values are divided by the event's weight.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.calendar import Calendar, Event
from models.statistics.counts import Counts, Expectation
from models.statistics.history import RING
from models.statistics.negative_binomial import Floats, upper_tail

#: The window is [-1, +2] days round the event, 4 days long.
BEFORE, AFTER = 1, 2
LENGTH = BEFORE + 1 + AFTER
#: Control days sought, and the number needed for a comparison.
CONTROLS, ENOUGH = 4, 2


@dataclass(frozen=True, slots=True)
class MatchedDays:
    """The event, the number of its control days, and by key the mean count round those."""

    event: Event
    controls: int
    mean: Floats
    p: Floats
    """The larger of the two chances of as many as observed, over the event's weight, at most 1."""


def compare(
    calendar: Calendar,
    agency_id: str,
    day: int,
    least_weight: float,
    counts: Counts,
    told: Expectation,
    among: np.ndarray,
) -> MatchedDays | None:
    """Compare the window that ends with `day`, if an event of enough weight lies in its middle.

    `told` are the windows that end with the day, one of them 4 days long, and the mask `among` says
    which are worth it. The controls predict by a gamma distribution with the shape
    (sum + 1/2) / phi. None when there is no event, or fewer than two controls lie within 90 days.
    """
    events = [one for one in calendar.on(agency_id, day - AFTER) if one.weight >= least_weight]
    if not events:
        return None
    event = max(events, key=lambda one: one.weight)
    centres = [
        centre
        for centre in calendar.controls(agency_id, event.date, CONTROLS)
        if centre - BEFORE > day - RING and centre + AFTER < event.date - BEFORE
    ]
    if len(centres) < ENOUGH:
        return None
    past, four = counts.history, counts.windows.tolist().index(LENGTH)
    around = [[(centre + step) % RING for step in range(-BEFORE, AFTER + 1)] for centre in centres]
    number = np.stack([past.exposure[days].sum(0) > 0 for days in around]).sum(0)
    totals = np.stack([past.counts[days].sum(0) for days in around]).sum(0)
    pool = counts.pool[past.group]
    phi, tau = counts.dispersion.phi[pool, four], counts.dispersion.tau[pool, four]
    mean = np.where(number >= ENOUGH, (totals + 0.5) / np.maximum(number, 1), 0.0)
    # A hair above the mean, which a negative binomial's variance must exceed.
    variance = (phi * mean + (tau + phi / (totals + 0.5)) * mean * mean) * (1 + 1e-9)
    beside = upper_tail(told.observed[four], mean, variance)
    mask = np.zeros(among.shape, np.bool_)
    mask[four] = among[four]
    both = np.maximum(told.p_values(mask)[four], beside) / event.weight
    return MatchedDays(event, len(centres), mean, np.where(mask[four], np.minimum(1.0, both), 1.0))
