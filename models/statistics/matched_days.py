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
from models.statistics.history import RING, History
from models.statistics.negative_binomial import Floats, upper_tail

#: The window is [-1, +2] days round the event, 4 days long.
BEFORE, AFTER = 1, 2
LENGTH = BEFORE + 1 + AFTER
#: Control days sought, and the number needed for a comparison.
CONTROLS, ENOUGH = 4, 2


@dataclass(frozen=True, slots=True)
class MatchedDays:
    """The event and, by key, the mean count round its control days."""

    event: Event
    controls: int
    mean: Floats
    p: Floats
    """P(as many as observed), given the controls and the event's weight, at most 1."""


def compare(
    calendar: Calendar, agency_id: str, day: int, least_weight: float, past: History, phi: Floats, tau: Floats
) -> MatchedDays | None:
    """Compare the window that ends with `day`, if an event of enough weight lies in its middle.

    `phi` and `tau` are each key's dispersion over such a window. The controls predict by a gamma
    distribution with the shape (sum + 1/2) / phi. None when there is no event, or fewer than two
    controls lie within the last 90 days.
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
    around = [[(centre + step) % RING for step in range(-BEFORE, AFTER + 1)] for centre in centres]
    served = np.stack([past.exposure[days].sum(0) > 0 for days in around])
    totals = np.stack([past.counts[days].sum(0) for days in around]).sum(0)
    number = served.sum(0)
    shape = (totals + 0.5) / phi
    mean = np.where(number >= ENOUGH, (totals + 0.5) / np.maximum(number, 1), 0.0)
    variance = phi * mean + (tau + 1 / shape) * mean * mean
    observed = past.counts[[(day - back) % RING for back in range(LENGTH)]].sum(0)
    p = np.minimum(1.0, upper_tail(observed, mean, variance * (1 + 1e-9)) / event.weight)
    return MatchedDays(event, len(centres), mean, p)
