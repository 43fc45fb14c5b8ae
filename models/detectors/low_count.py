"""Fewer cases than a requester, unit, tool or agency should have, or none at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

import numpy as np
from msgspec import Meta

from models.alert import Finding
from models.detectors.base import Day, Settings
from models.statistics.negative_binomial import central_interval
from models.statistics.weeks import DAYS, Compared
from models.weekly_detector import LEAST_P, WeeklyDetector
from models.wording import chance, day_text, figure, plural


class LowCountSettings(Settings, kw_only=True, frozen=True):
    """Settings of `low_count`."""

    episode_days: Annotated[int, Meta(ge=0, le=365)] = 28
    """Findings about one entity that are no further apart than this belong to one alert."""
    by: Literal["requester", "unit", "tool", "agency"] = "requester"
    """Whose cases are counted."""
    window_weeks: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=52)], ...], Meta(min_length=1, max_length=8)
    ] = (1, 2, 4, 8, 13)
    """Lengths of the windows that end with each Sunday, weeks; at most `lag_weeks`."""
    lag_weeks: Annotated[int, Meta(ge=1, le=52)] = 13
    """Only weeks further back than this say what is usual, so that a silence does not teach."""
    half_life_weeks: Annotated[float, Meta(ge=4, le=200)] = 26.0
    """Weeks after which a count weighs half in what is usual."""
    alpha: Annotated[float, Meta(gt=0, lt=1)] = 3e-5
    """Largest p-value of a key and week that raises an alert."""
    minimum_expected: Annotated[float, Meta(gt=0)] = 3.0
    """Cases that a window must be expected to hold: of who searches seldom, silence says nothing."""
    minimum_share: Annotated[float, Meta(gt=0, le=1)] = 0.5
    """Least share of the expected cases that must be missing, of the window and of its last week."""
    minimum_history_days: Annotated[int, Meta(ge=1, le=1000)] = 180
    """Days of the agency's log before the first alert."""

    def __post_init__(self) -> None:
        """Refuse what does not go together."""
        if max(self.window_weeks) > self.lag_weeks:
            raise ValueError(
                f"window_weeks: {max(self.window_weeks)} weeks are more than lag_weeks ({self.lag_weeks})"
            )


class LowCount(WeeklyDetector):
    """Chance of as few cases as in the last weeks, given what was usual a quarter of a year ago.

    Once a week, keys with a past are compared with a gamma-Poisson rate learned from weeks at least
    `lag_weeks` back, for requesters and units times what befell their peers; the lower tail of a
    negative binomial, whose over-dispersion is learned, times the number of windows is the p-value.
    Of units, tools and agencies the days since the last search are judged every day as well, each
    weighted by what is usual on its weekday.

    People go on leave, which no roster shows. So a requester's silence must also be rare among all
    that were seen in the agency: the larger of that chance, by rank and with a generalised Pareto
    tail (`models/statistics/past_scores.py`), and the p-value is told. The roster says who has left or
    moved.

    Innocent explanations: long leave, light duty, a course, retirement that the roster does not know
    yet; a tool that was replaced; a change of policy that lowers the number of searches.
    Blind spots: officers and tools that are used less than `minimum_expected` times in the longest
    window; officers' silences no longer than usual leave; losses smaller than `minimum_share`; keys in
    their first half year; days on which the whole agency has no search (`silence`).

    Source: lower tail of the gamma-Poisson predictive, as `high_count` uses the upper one; tail by
    peaks over threshold (Hosking & Wallis 1987). An audit record must be complete (CJIS 5.4).
    """

    function = "low_count"
    version = 2
    settings_type = LowCountSettings
    judging = WeeklyDetector.judging | {"minimum_expected", "minimum_share"}

    settings: LowCountSettings

    @property
    def windows(self) -> Sequence[int]:
        """As the settings say."""
        return self.settings.window_weeks

    def close(self, day: Day) -> Iterable[Finding]:
        """Count the day; on Sundays judge all keys."""
        told = self._weekly.close(day)
        weeks, self._tested = self._weekly.weeks, 0
        if day.number - weeks.first_day < self.settings.minimum_history_days:
            return []
        found = self._pauses(day) if self.settings.by != "requester" else {}
        if self.settings.by != "requester" or told is not None:
            self._tested = int(weeks.active.sum())
        if told is not None:
            for row, finding in self._shortfalls(day, told).items():
                if row not in found or finding.score > found[row].score:
                    found[row] = finding
        return sorted(found.values(), key=lambda finding: finding.entity)

    def _pauses(self, day: Day) -> dict[int, Finding]:
        """Keys that have not been seen for longer than they should: told as long as it lasts."""
        weeks, windows = self._weekly.weeks, len(self._weekly.weeks.windows)
        mean, variance, chance_of_none = weeks.pauses()
        p = np.minimum(1.0, np.maximum(chance_of_none, LEAST_P) * (windows + 1))
        known = (mean >= self.settings.minimum_expected) & weeks.active
        self.p_values.add(p[known])
        raised = known & (p <= self.settings.alpha)
        return {
            row: self._finding(
                day,
                row,
                day.number - int(weeks.last[row]),
                0,
                float(mean[row]),
                float(variance[row]),
                float(p[row]),
            )
            for row in np.flatnonzero(raised).tolist()
        }

    def _shortfalls(self, day: Day, told: Compared) -> dict[int, Finding]:
        """Keys with too few cases in a window of weeks."""
        weeks = self._weekly.weeks
        usual = told.ripe & (told.mean >= self.settings.minimum_expected)
        p = np.where(usual, told.p_values(low=True), 1.0)
        place = p.argmin(axis=0)
        least = np.maximum(p.min(axis=0), LEAST_P)
        both = np.minimum(1.0, least * (len(weeks.windows) + (self.settings.by != "requester")))
        judged = np.flatnonzero(usual.any(axis=0))
        if self.settings.by == "requester":
            both[judged] = np.maximum(both[judged], self._weekly.chances(-np.log(least[judged])))
        if self.settings.by == "requester":  # else the pauses have been counted, of all keys
            self.p_values.add(both[judged])
        every = np.arange(len(weeks))
        left = 1 - self.settings.minimum_share
        low = told.observed[place, every] <= left * told.mean[place, every]
        low &= told.observed[0] <= left * told.mean[0]
        raised = judged[(both <= self.settings.alpha)[judged] & low[judged]]
        return {
            row: self._finding(
                day, row, DAYS * int(weeks.windows[place[row]]), int(told.observed[place[row], row]),
                float(told.mean[place[row], row]), float(told.variance[place[row], row]), float(both[row]),
            )
            for row in raised.tolist()
        }  # fmt: skip

    def _finding(
        self, day: Day, row: int, length: int, observed: int, mean: float, variance: float, p: float
    ) -> Finding:
        last = self._weekly.latest(row)[-1:]
        interval = central_interval(mean, variance)
        return self._told(
            day, row, length, observed, mean, interval, p,
            "high" if p < self.settings.alpha**2 else "medium",
            last,
            f"{plural(observed, 'case')} of {self.settings.by} {self._weekly.weeks.keys[row]} in "
            f"{plural(length, 'day')} to {day_text(day.number)}, where {figure(mean)} "
            f"[{figure(interval[0])}-{figure(interval[1])}] were expected; the last search that is on record "
            f"is {', '.join(last)}; {chance(p)}.",
        )  # fmt: skip
