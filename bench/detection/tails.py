"""Do the p-values of `high_count` mean what they say, where nobody misuses anything?

For honest key-days, by stratum of the expected count: how often p <= a is observed over how often it
should be, and the largest distance of p from uniform (Kolmogorov-Smirnov). Counts are whole numbers, so
that p <= a can be impossible for a small expectation however good the model; p is therefore drawn between
P(X > x) and P(X >= x), which is uniform when the model is true (randomised PIT, Brockwell 2007).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from bench.calibration import LEVELS
from bench.detection.log import Counts as Daily
from bench.detection.log import Floats, Ints
from bench.simulator.seeds import generator
from models.detectors.high_count import HighCountSettings
from models.reference import Reference
from models.roster import Roster
from models.statistics.counts import Counts, Expectation
from models.statistics.negative_binomial import upper_tail
from models.statistics.service import Service

#: Strata of the expected count of a window.
EDGES = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0, np.inf)
#: Cells of a Kolmogorov-Smirnov comparison, finer towards 0.
GRID = np.concatenate((np.geomspace(1e-5, 0.1, 41), np.linspace(0.1, 1.0, 91)[1:]))


class Tails:
    """Windows of key-days by stratum of the expected count: how many there are (`judged`), how many at
    or below each of `LEVELS` (`below`) and each point of `GRID` (`spread`)."""

    def __init__(self, edges: Sequence[float] = EDGES) -> None:
        self.edges = edges
        strata = len(edges) - 1
        self.judged: Ints = np.zeros(strata, np.int64)
        self.below: Ints = np.zeros((strata, len(LEVELS)), np.int64)
        self.spread: Ints = np.zeros((strata, len(GRID)), np.int64)

    def add(self, mean: Floats, p: Floats) -> None:
        """Count some in."""
        stratum = np.digitize(mean, self.edges) - 1
        for one in np.unique(stratum).tolist():
            ordered = np.sort(p[stratum == one])
            self.judged[one] += len(ordered)
            self.below[one] += np.searchsorted(ordered, LEVELS, side="right")
            self.spread[one] += np.searchsorted(ordered, GRID, side="right")

    def merge(self, other: Tails) -> None:
        """Add another's."""
        self.judged += other.judged
        self.below += other.below
        self.spread += other.spread

    def whole(self) -> Tails:
        """All strata as one."""
        found = Tails((self.edges[0], self.edges[-1]))
        found.judged[0], found.below[0] = self.judged.sum(), self.below.sum(axis=0)
        found.spread[0] = self.spread.sum(axis=0)
        return found

    def rows(self, least: int = 1_000) -> Iterator[tuple[str, int, list[float], float]]:
        """Stratum, windows, ratios at `LEVELS` and KS, for strata of at least so many windows."""
        for one, (low, high) in enumerate(pairwise(self.edges)):
            judged = int(self.judged[one])
            if judged >= least:
                name = f"{low:g} to {high:g}" if np.isfinite(high) else f"over {low:g}" if low else "all"
                ratios = (self.below[one] / judged / LEVELS).tolist()
                yield name, judged, ratios, float(np.abs(self.spread[one] / judged - GRID).max())


def tally(into: Tails, told: Expectation, judged: np.ndarray, day: int, rng: np.random.Generator) -> None:
    """Take the windows that end with a day: one day long every day, longer ones once a week, because
    they share days."""
    for place in range(len(told.mean)):
        if place and day % 7 != place % 7:
            continue
        at = np.flatnonzero(judged[place] & (told.mean[place] > 1e-6))
        observed, mean, variance = (part[place, at] for part in (told.observed, told.mean, told.variance))
        high, low = upper_tail(observed, mean, variance), upper_tail(observed + 1, mean, variance)
        into.add(mean, low + rng.random(len(at)) * (high - low))


def honest_tails(
    daily: Daily,
    settings: HighCountSettings,
    reference: Reference,
    agency_id: str,
    units: dict[str, str],
    span: tuple[int, int],
    seed: int,
) -> Tails:
    """Run the counts of `high_count` over requesters' daily counts up to the end of `span` and tally the
    days in it. `units` is where a requester without a roster entry searches."""
    counts = Counts(settings.windows, settings.half_life_days, settings.over != "none")
    service = Service(counts, reference.roster.of(agency_id), settings.over)
    return _run(daily, settings, counts, service, units, span, seed)


def unknown_tails(daily: Daily, settings: HighCountSettings, span: tuple[int, int]) -> Tails:
    """The same for a log without a roster, all requesters in one group."""
    counts = Counts(settings.windows, settings.half_life_days)
    return _run(daily, settings, counts, Service(counts, Roster(), settings.over), {}, span, 0)


def _run(
    daily: Daily,
    settings: HighCountSettings,
    counts: Counts,
    service: Service,
    units: dict[str, str],
    span: tuple[int, int],
    seed: int,
) -> Tails:
    beyond = np.maximum(daily.cases, daily.searches - settings.allowance)
    today_of = daily.searches if settings.of == "searches" else beyond
    rng, tails, past = generator(seed, "tails"), Tails(), counts.history
    for number in range(daily.first, span[1]):
        column = number - daily.first
        seen = np.flatnonzero(daily.searches[:, column])
        service.follow(number)
        names = [daily.keys[key] for key in seen.tolist()]
        rows = np.array(
            [
                past.rows[name] if name in past.rows else service.enter(name, units.get(name, ""), number)
                for name in names
            ],
            np.int64,
        )
        told = counts.close(number, rows, today_of[seen, column], daily.searches[seen, column])
        if number >= span[0]:
            served = past.active & (past.days > settings.minimum_history_days)
            judged = np.broadcast_to(served, told.mean.shape) & (past.days > counts.windows[:, None])
            tally(tails, told, judged, number, rng)
    return tails
