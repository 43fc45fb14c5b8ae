"""Growth so slow that every baseline follows it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

import numpy as np
from msgspec import Meta
from scipy.special import ndtr

from models.alert import Finding
from models.detectors.base import Day, Settings
from models.statistics.negative_binomial import Floats, Ints, central_interval
from models.statistics.weeks import DAYS, Compared, Weeks
from models.weekly_detector import LEAST_P, WeeklyDetector
from models.wording import chance, day_text, figure, plural

#: p-values of the trend, a normal approximation, are not told below this.
LEAST_TREND = 1e-3
#: Part of what is beyond the expected that one week alone may hold: more is a burst. Twice an even share
#: is always allowed.
MOST_OF_ONE_WEEK = 0.4


class PoisoningSettings(Settings, kw_only=True, frozen=True):
    """Settings of `poisoning`."""

    episode_days: Annotated[int, Meta(ge=0, le=365)] = 28
    """Findings about one entity that are no further apart than this belong to one alert."""
    by: Literal["requester", "unit", "tool", "agency"] = "requester"
    """Whose cases are counted."""
    window_weeks: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=52)], ...], Meta(min_length=1, max_length=8)
    ] = (8, 13, 26)
    """Lengths of the windows that end with each Sunday, weeks; at most `lag_weeks`."""
    lag_weeks: Annotated[int, Meta(ge=2, le=52)] = 26
    """Only weeks further back than this say what is usual."""
    half_life_weeks: Annotated[float, Meta(ge=4, le=200)] = 52.0
    """Weeks after which a count weighs half in what is usual."""
    alpha: Annotated[float, Meta(gt=0, lt=1)] = 5e-4
    """Largest p-value of a key and week that raises an alert."""
    minimum_count: Annotated[int, Meta(ge=1)] = 6
    """Fewest cases in a window that can raise an alert."""
    minimum_history_days: Annotated[int, Meta(ge=1, le=1000)] = 270
    """Days of the agency's log before the first alert."""

    def __post_init__(self) -> None:
        """Refuse what does not go together."""
        if max(self.window_weeks) > self.lag_weeks:
            raise ValueError(
                f"window_weeks: {max(self.window_weeks)} weeks are more than lag_weeks ({self.lag_weeks})"
            )


class Poisoning(WeeklyDetector):
    """Chance of as many cases as in the last months, and of as steady a growth, by what was usual before.

    Whoever searches two per cent more every day stays below every threshold that follows. So, once a
    week, windows of 8 to 26 weeks are compared with a gamma-Poisson rate learned from weeks at least
    `lag_weeks` back alone, for requesters and units times what befell their peers (upper tail of a
    negative binomial with learned over-dispersion). How late in the window its cases lie is asked
    by itself: their mean week has, if nothing grows, a known mean and variance given their number
    (score test for a log-linear trend, widened by the over-dispersion). The two are independent
    and become one p-value by the law of the product of uniforms; the smallest over the windows,
    times their number, must also be rare among the scores of all keys before. Where one week
    holds two fifths of what is beyond the expected, it is a burst and left to `high_count`.

    Innocent explanations: a growing duty, a new post in the same unit, a season, a newcomer who
    becomes experienced.
    Blind spots: growth over years; keys in their first year; a whole unit that grows together; a
    jump instead of growth (`high_count`).

    Source: baseline with a guard band as in Farrington et al. (1996) and Noufaily et al. (2013), here
    half a year wide; the score test of a trend in a Poisson log-linear model is that of Cox (1955).
    """

    function = "poisoning"
    settings_type = PoisoningSettings
    judging = WeeklyDetector.judging | {"minimum_count"}

    settings: PoisoningSettings

    @property
    def windows(self) -> Sequence[int]:
        """The last week, and as the settings say."""
        return (1, *self.settings.window_weeks)

    def close(self, day: Day) -> Iterable[Finding]:
        """Count the day; on Sundays judge all keys."""
        told = self._weekly.close(day)
        weeks, self._tested = self._weekly.weeks, 0
        if told is None or day.number - weeks.first_day < self.settings.minimum_history_days:
            return []
        level = told.p_values(low=False)[1:]
        most = np.maximum(MOST_OF_ONE_WEEK, 2 / weeks.windows[1:])
        steady = part_of_one_week(weeks, told) <= most[:, None]
        many = steady & told.ripe[1:] & (told.observed[1:] >= self.settings.minimum_count)
        product = np.where(many, np.maximum(level * late(weeks, told), LEAST_P), 1.0)
        p = product * (1 - np.log(product))
        place = p.argmin(axis=0) + 1
        least = np.maximum(p.min(axis=0), LEAST_P)
        both = np.minimum(1.0, least * len(self.settings.window_weeks))
        judged = np.flatnonzero(told.ripe[1:].any(axis=0))
        self._tested = len(judged)
        if self.settings.by == "requester":
            both[judged] = np.maximum(both[judged], self._weekly.chances(-np.log(least[judged])))
        self.p_values.add(both[judged])
        raised = judged[both[judged] <= self.settings.alpha]
        found = [self._finding(day, told, row, int(place[row]), float(both[row])) for row in raised.tolist()]
        return sorted(found, key=lambda finding: finding.entity)

    def _finding(self, day: Day, told: Compared, row: int, place: int, p: float) -> Finding:
        weeks, length = self._weekly.weeks, int(self._weekly.weeks.windows[place])
        observed, mean = int(told.observed[place, row]), float(told.mean[place, row])
        interval = central_interval(mean, float(told.variance[place, row]))
        series = weeks.counts[(weeks.week - 1 - np.arange(length)) % weeks.lag, row]
        third = max(1, length // 3)
        ids = self._weekly.latest(row)
        return self._told(
            day, row, DAYS * length, observed, mean, interval, p,
            "high" if p < self.settings.alpha / 30 else "medium",
            ids,
            f"{plural(observed, 'case')} of {self.settings.by} {weeks.keys[row]} in "
            f"{plural(length, 'week')} to {day_text(day.number)}, from {int(series[-third:].sum())} in the "
            f"first {third} weeks growing to {int(series[:third].sum())} in the last {third}, where "
            f"{figure(mean)} [{figure(interval[0])}-{figure(interval[1])}] were expected in all by what was "
            f"usual over {weeks.lag} weeks ago; {chance(p)}.",
            evidence_count=max(observed, len(ids)),
        )  # fmt: skip


def late(weeks: Weeks, told: Compared) -> Floats:
    """By window but the first, and key: the chance of cases as late as these, given their number."""
    spread = np.maximum(told.variance[0] / np.maximum(told.mean[0], 1e-9), 1.0)
    p = np.ones((len(weeks.windows) - 1, len(weeks)))
    for place, length in enumerate(weeks.windows[1:].tolist()):
        age: Ints = np.arange(length)
        order = (weeks.week - 1 - age) % weeks.lag
        counts, served = weeks.counts[order], weeks.served[order].astype(np.float64)
        whole = np.maximum(served.sum(axis=0), 1e-9)
        middle = (served * age[:, None]).sum(axis=0) / whole
        width = (served * (age[:, None] - middle) ** 2).sum(axis=0) / whole
        number = counts.sum(axis=0)
        lean = (counts * (middle - age[:, None])).sum(axis=0)
        deviation = np.sqrt(np.maximum(number * width * spread, 1e-9))
        p[place] = np.maximum(ndtr(-lean / deviation), LEAST_TREND)
    return p


def part_of_one_week(weeks: Weeks, told: Compared) -> Floats:
    """By window but the first, and key: the part of what is beyond the expected that the fullest week holds;
    infinite where nothing is."""
    found = np.full((len(weeks.windows) - 1, len(weeks)), np.inf)
    for place, length in enumerate(weeks.windows[1:].tolist()):
        order = (weeks.week - 1 - np.arange(length)) % weeks.lag
        mean = told.mean[place + 1]
        beyond = told.observed[place + 1] - mean
        served = weeks.served[order]
        usual = mean * served / np.maximum(served.sum(axis=0), 1e-9)
        most = (weeks.counts[order] - usual).max(axis=0)
        np.divide(most, beyond, out=found[place], where=beyond > 0)
    return found
