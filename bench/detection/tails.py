"""Do the p-values of `high_count` mean what they say, where nobody misuses anything?

For honest key-days, by stratum of the expected count: how often p <= a is observed over how often it
should be, and the largest distance of p from uniform (Kolmogorov-Smirnov). Counts are whole numbers, so
that p <= a can be impossible for a small expectation however good the model; p is therefore drawn between
P(X > x) and P(X >= x), which is uniform when the model is true (randomised PIT, Brockwell 2007).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

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


@dataclass
class Tails:
    """Key-days by stratum: how many, how many at or below each level, and below each point of `GRID`."""

    judged: Ints = field(default_factory=lambda: np.zeros(len(EDGES) - 1, np.int64))
    below: Ints = field(default_factory=lambda: np.zeros((len(EDGES) - 1, len(LEVELS)), np.int64))
    spread: Ints = field(default_factory=lambda: np.zeros((len(EDGES) - 1, len(GRID)), np.int64))

    def add(self, mean: Floats, p: Floats) -> None:
        """Count some key-days in."""
        stratum = np.digitize(mean, EDGES) - 1
        self.judged += np.bincount(stratum, minlength=len(EDGES) - 1)
        for place, level in enumerate(LEVELS):
            self.below[:, place] += np.bincount(stratum[p <= level], minlength=len(EDGES) - 1)
        for one in np.unique(stratum).tolist():
            self.spread[one] += np.searchsorted(np.sort(p[stratum == one]), GRID, side="right")

    def rows(self, least: int = 1_000) -> Iterator[tuple[str, int, list[float], float]]:
        """Stratum, key-days, ratios at `LEVELS` and KS, for strata of at least so many key-days."""
        for one, (low, high) in enumerate(zip(EDGES, EDGES[1:], strict=False)):
            judged = int(self.judged[one])
            if judged >= least:
                name = f"{low:g} to {high:g}" if np.isfinite(high) else f"over {low:g}"
                ratios = [self.below[one, n] / judged / level for n, level in enumerate(LEVELS)]
                yield name, judged, ratios, float(np.abs(self.spread[one] / judged - GRID).max())

    def merge(self, other: Tails) -> None:
        """Add another's key-days."""
        self.judged += other.judged
        self.below += other.below
        self.spread += other.spread


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
