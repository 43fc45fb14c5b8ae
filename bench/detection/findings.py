"""Scored days, the alerts that a threshold makes of them, and the threshold that meets a budget."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from bench.baselines.base import Scores
from bench.detection.log import Counts, Floats, Ints
from models.alert import Finding

#: Findings about one key that are no further apart are one alert.
EPISODE_DAYS = 7
#: Cells of a method that are kept: many times the alerts of the largest budget.
KEPT_PER_YEAR = 15_000


@dataclass(frozen=True)
class Findings:
    """Scored days of keys, in order of key and day; equally long arrays.

    `entities` names the keys as (kind, name); `day` is an ordinal, `window` the days that end with
    it, `score` whatever the method ranks by, the higher the more suspicious.
    """

    entities: tuple[tuple[str, str], ...]
    key: Ints
    day: Ints
    window: Ints
    score: Floats

    def between(self, first: int, last: int) -> Findings:
        """Those of the days `first` to `last` (exclusive)."""
        return self.chosen((self.day >= first) & (self.day < last))

    def chosen(self, which: np.ndarray) -> Findings:
        """Those that a mask picks."""
        return Findings(
            self.entities, self.key[which], self.day[which], self.window[which], self.score[which]
        )


@dataclass(frozen=True)
class Raised:
    """One alert: the places of its findings, in order of day."""

    places: tuple[int, ...]


def of_detectors(told: Iterable[tuple[int, Finding]], length: float = 86_400.0) -> Findings:
    """What detectors found, each with the ordinal of the day that was closed. Several findings about
    one entity on one day are one, that with the highest score."""
    best: dict[tuple[str, str, int], tuple[float, int]] = {}
    for day, finding in told:
        reach = max(1, round((finding.window_end - finding.window_start) / length))
        about = (str(finding.entity_kind), finding.entity, day)
        best[about] = max(best.get(about, (-1.0, 0)), (finding.score, reach))
    entities = tuple(sorted({found[:2] for found in best}))
    place = {entity: number for number, entity in enumerate(entities)}
    rows = sorted((place[found[:2]], found[2], reach, score) for found, (score, reach) in best.items())
    table = np.array([row[:3] for row in rows], np.int64).reshape(-1, 3)
    score = np.array([row[3] for row in rows], np.float64)
    return Findings(entities, table[:, 0], table[:, 1], table[:, 2], score)


def of_scores(counts: Counts, scores: Scores, years: tuple[tuple[int, int], tuple[int, int]]) -> Findings:
    """The highest scores of a baseline in each of two spans of days (ordinals), ties included. Days
    without a search are left out: nobody would be called to them."""
    first = counts.first
    made = counts.served & (counts.searches > 0)
    keep = np.zeros(scores.value.shape, np.bool_)
    for begin, end in years:
        part = np.where(made, scores.value, -np.inf)[:, begin - first : end - first]
        most = min(KEPT_PER_YEAR, part.size)
        least = np.partition(part, part.size - most, axis=None)[part.size - most]
        keep[:, begin - first : end - first] = (part >= least) & np.isfinite(part)
    key, day = np.nonzero(keep)
    window = np.broadcast_to(scores.window, keep.shape)[key, day]
    entities = tuple((counts.kind, name) for name in counts.keys)
    return Findings(entities, key, day + first, np.asarray(window, np.int64), scores.value[key, day])


def alerts(findings: Findings, least: float, apart: int = EPISODE_DAYS) -> list[Raised]:
    """The alerts of a threshold, by the rule that the product has.

    Findings no further apart than `apart` days are one alert. A window that reaches back to what has
    raised an alert may amend that alert, and raises no other.
    """
    made: list[list[int]] = []
    current, told, last = -1, 0, 0
    kept = np.flatnonzero(findings.score >= least)
    columns = (kept, findings.key[kept], findings.day[kept], findings.window[kept])
    for place, key, day, window in zip(*(column.tolist() for column in columns), strict=True):
        fresh = key != current or window <= day - told
        if not fresh and day - told > apart:
            continue
        if key == current and day - last <= apart + 1:
            made[-1].append(place)
        else:
            made.append([place])
        if fresh:
            told = day
        current, last = key, day
    return [Raised(tuple(places)) for places in made]


def threshold(honest: Findings, allowed: float) -> float:
    """The lowest score from which on upwards honest days raise at most `allowed` alerts.

    Minus infinity when all that was scored raises no more. Going down from the top, because so low a
    threshold that every day alerts makes one endless alert of a key, and few of them in all.
    """
    levels = np.unique(honest.score)[::-1]

    def within(number: int) -> bool:
        return number < 0 or len(alerts(honest, float(levels[number]))) <= allowed

    # In steps of a fiftieth: the stretch of scores that raise too many may be short.
    good, bad = -1, 0
    while bad < len(levels) and within(bad):
        good, bad = bad, min(bad + 1 + bad // 50, max(len(levels) - 1, bad + 1))
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if within(middle) else (good, middle)
    if good == len(levels) - 1:
        return -np.inf
    return float(levels[good]) if good >= 0 else float(np.nextafter(levels[0], np.inf))
