"""Searches week by week, each with what was usual before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median

#: Weeks of the past that make the baseline of a week, and how many there must be.
PAST, LEAST = 26, 8


@dataclass(frozen=True)
class Week:
    """A week from Monday `begin`: its searches, and the usual number before it as median and range."""

    begin: date
    searches: int
    usual: float | None
    low: float | None
    high: float | None
    alerts: int = 0


def weeks_of(days: Mapping[date, int], alerts: Sequence[date], last: date) -> list[Week]:
    """Whole weeks from the first search to the week of `last`, each with the median and the range of
    nine tenths of the 26 weeks before it; none while fewer than 8 are known."""
    if not days:
        return []
    sums: dict[date, int] = {}
    for day, number in days.items():
        sums[_monday(day)] = sums.get(_monday(day), 0) + number
    told: dict[date, int] = {}
    for day in alerts:
        told[_monday(day)] = told.get(_monday(day), 0) + 1
    begin, end = min(sums), max(_monday(last), max(sums))
    found: list[Week] = []
    counts: list[int] = []
    for place in range((end - begin).days // 7 + 1):
        week = begin + timedelta(weeks=place)
        past = sorted(counts[-PAST:])
        usual = low = high = None
        if len(past) >= LEAST:
            cut = len(past) // 20
            usual, low, high = median(past), past[cut], past[-1 - cut]
        counts.append(sums.get(week, 0))
        found.append(Week(week, counts[-1], usual, low, high, told.get(week, 0)))
    return found


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())
