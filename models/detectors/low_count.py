"""Fewer cases than a requester, unit, tool or agency should have, or none at all."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from msgspec import Meta

from models.alert import EntityKind, Finding
from models.days import LocalDays
from models.detectors.base import Day, Detector, Settings
from models.statistics.negative_binomial import central_interval
from models.statistics.weekly import Weekly
from models.statistics.weeks import DAYS, Compared
from models.wording import chance, day_text, figure, plural

if TYPE_CHECKING:
    from models.reference import Reference

#: p-values are not told below this.
LEAST_P = 1e-300


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


class LowCount(Detector):
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
    settings_type = LowCountSettings
    judging = Detector.judging | {"alpha", "minimum_expected", "minimum_history_days", "minimum_share"}
    #: Columns, two names, eight event ids; scores are kept by the agency.
    bytes_per_key = 52 * 8 + 100 + 2 * 140 + 8 * 131

    settings: LowCountSettings

    def __init__(self, name: str, settings: Settings, reference: Reference, agency_id: str) -> None:
        super().__init__(name, settings, reference, agency_id)
        self._days = LocalDays.of(reference.agency(agency_id).timezone)
        self._reset()

    def _reset(self) -> None:
        self._tested = 0
        own, reference = self.settings, self.reference
        self._weekly = Weekly(
            own.by, own.window_weeks, own.lag_weeks, own.half_life_weeks, reference.roster.of(self.agency_id),
            reference.tools.canonical,
        )  # fmt: skip

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

    @property
    def about(self) -> EntityKind:
        """Those whose searches are counted."""
        return self.settings.by

    def tested(self, day: Day) -> int:
        """Those with a past that were compared when the day closed: of people on most days none."""
        return self._tested

    def _pauses(self, day: Day) -> dict[int, Finding]:
        """Keys that have not been seen for longer than they should: told as long as it lasts."""
        weeks, windows = self._weekly.weeks, len(self._weekly.weeks.windows)
        mean, variance, chance_of_none = weeks.pauses()
        p = np.minimum(1.0, np.maximum(chance_of_none, LEAST_P) * (windows + 1))
        raised = (p <= self.settings.alpha) & (mean >= self.settings.minimum_expected) & weeks.active
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
        weekly = self._weekly
        key = weekly.weeks.keys[row]
        interval = central_interval(mean, variance)
        start = self._days.start(day.number - length + 1)
        unit = {"requester": str(weekly.units[row]) or None, "unit": key}
        last = weekly.latest(row)[-1:]
        return Finding(
            entity_kind=self.settings.by,
            entity=key,
            unit_id=unit.get(self.settings.by),
            window_start=start,
            window_end=day.end,
            first_seen=start,
            severity="high" if p < self.settings.alpha**2 else "medium",
            p_value=p,
            score=-math.log(p),
            observed=float(observed),
            expected=mean,
            interval=interval,
            evidence=tuple(last),
            explanation=(
                f"{plural(observed, 'case')} of {self.settings.by} {key} in {plural(length, 'day')} to "
                f"{day_text(day.number)}, where {figure(mean)} [{figure(interval[0])}-{figure(interval[1])}] "
                f"were expected; the last search that is on record is {', '.join(last)}; {chance(p)}."
            ),
        )

    def snapshot(self) -> dict[str, bytes]:
        """Blocks of the weekly counts."""
        return self._weekly.snapshot()

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take back what `snapshot` gave."""
        self._reset()
        if blocks:
            self._weekly.restore(blocks)
