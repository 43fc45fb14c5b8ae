"""Local wall-clock time of the city as UTC instants, vectorised, and the hours people work.

The hours of the day and the days of the week are those of a real police search log (Eugene,
Oregon, 4,294 searches from June to December 2025, published by the department's transparency
portal, CC0-1.0), local time.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

#: Searches by local hour 0-23 and by weekday from Monday, as counted in the real log.
HOURS = (
    85, 95, 63, 46, 62, 46, 88, 176, 228, 244, 239, 293,
    316, 305, 308, 287, 255, 210, 170, 187, 155, 161, 136, 139,
)  # fmt: skip
WEEKDAYS = (591, 709, 905, 775, 555, 417, 342)

#: Core hours of each shift, first and last; an hour either side is overtime.
SHIFTS = {"day": (6, 15), "evening": (14, 23), "night": (21, 6)}
SHIFT_NAMES = tuple(SHIFTS)
OVERTIME = 0.25
OFF_SHIFT = 0.015

DAY = 86_400


def shift_hours() -> tuple[Floats, Floats]:
    """Split the hours of the real log among the shifts, so that together they give it back.

    Returns the share of all searches that each shift makes (shape 3, sums to 1) and each shift's
    distribution over the hours (shape 3 x 24, rows sum to 1).
    """
    cover = np.full((len(SHIFTS), 24), OFF_SHIFT)
    for row, (first, last) in enumerate(SHIFTS.values()):
        length = (last - first) % 24 + 1
        cover[row, [(first - 1) % 24, (last + 1) % 24]] = OVERTIME
        cover[row, [(first + step) % 24 for step in range(length)]] = 1.0
    split = np.asarray(HOURS) / sum(HOURS) * cover / cover.sum(axis=0)
    share = split.sum(axis=1)
    return share, split / share[:, None]


def draw_seconds(rng: Generator, shifts: NDArray[np.int8]) -> Ints:
    """A local second of the day for each search, given the index of the officer's shift."""
    _, hours = shift_hours()
    cumulative = hours.cumsum(axis=1)
    hour = (rng.random(len(shifts))[:, None] > cumulative[shifts]).sum(axis=1).clip(0, 23)
    return np.asarray(hour * 3600 + rng.integers(0, 3600, len(shifts)), dtype=np.int64)


class LocalClock:
    """Turns (day index, local second) into epoch milliseconds, daylight saving included.

    Day 0 is `first`; days up to `days` + 40 are known, so that follow-ups and uploads fit. A time
    that the spring change skips is read as the old offset gives it, so 02:30 becomes 03:30; of the
    hour that autumn repeats, odd seconds fall in its second pass.
    """

    def __init__(self, zone: str, first: date, days: int) -> None:
        self.zone = ZoneInfo(zone)
        self.first = first
        self.days = days
        midnight = datetime.combine(first, time(), ZoneInfo("UTC"))
        self._base = int(midnight.timestamp())
        span = range(days + 40)
        offsets = np.empty((len(span), 24, 2), dtype=np.int64)
        for day in span:
            on = first + timedelta(days=day)
            for hour in range(24):
                for fold in (0, 1):
                    local = datetime(on.year, on.month, on.day, hour, fold=fold, tzinfo=self.zone)
                    offset = local.utcoffset()
                    offsets[day, hour, fold] = 0 if offset is None else int(offset.total_seconds())
        # A skipped hour has its offsets the other way round; only a repeated hour may use fold 1.
        gap = offsets[:, :, 1] > offsets[:, :, 0]
        offsets[gap, 1] = offsets[gap, 0]
        self._offsets = offsets

    def milliseconds(self, day: Ints, second: Ints) -> Ints:
        """Epoch milliseconds of local times. A second of 86,400 or more runs into the next day."""
        day = day.astype(np.int64) + second // DAY
        second = second % DAY
        offset = self._offsets[day, second // 3600, second % 2]
        return np.asarray((self._base + day * DAY + second - offset) * 1000, dtype=np.int64)

    def index(self, on: date) -> int:
        """Day index of a date; negative before the first day."""
        return (on - self.first).days

    def date(self, day: int) -> date:
        """The date of a day index."""
        return self.first + timedelta(days=day)

    def changes(self) -> list[int]:
        """Day indices on which the clocks change."""
        first = self._offsets[: self.days, 0, 0]
        return [int(day) for day in np.flatnonzero(first[1:] != first[:-1])]
