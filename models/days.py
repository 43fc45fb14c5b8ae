"""Local days and hours of an agency, cheap enough to ask for every search.

Windows are local days because shifts, demonstrations and rosters are; a day is 23, 24 or 25
hours long where the clocks change. All results are pure functions of the instant and the zone.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

#: Every UTC offset in use is a whole number of quarter hours, so local time is constant in one.
QUARTER = 900


class LocalHour(NamedTuple):
    """A local calendar day (proleptic ordinal, see `date.toordinal`) and the hour 0-23 in it."""

    day: int
    hour: int


class LocalDays:
    """Where instants fall in one time zone.

    >>> days = LocalDays("America/Los_Angeles")
    >>> at = datetime(2020, 5, 31, 6, 30, tzinfo=UTC).timestamp()
    >>> days.at(at).hour, date.fromordinal(days.at(at).day).isoformat()
    (23, '2020-05-30')
    """

    def __init__(self, zone: str) -> None:
        self.zone = ZoneInfo(zone)
        self._hours: dict[int, LocalHour] = {}
        self._starts: dict[int, float] = {}

    @classmethod
    @cache
    def of(cls, zone: str) -> LocalDays:
        """Those of a zone, the same for all who ask: what is worked out serves thousands of agencies."""
        return cls(zone)

    def at(self, instant: float) -> LocalHour:
        """Local day and hour of an instant in epoch seconds."""
        quarter = int(instant // QUARTER)
        found = self._hours.get(quarter)
        if found is None:
            if len(self._hours) > 200_000:
                self._hours.clear()
            local = datetime.fromtimestamp(quarter * QUARTER, UTC).astimezone(self.zone)
            found = self._hours[quarter] = LocalHour(local.toordinal(), local.hour)
        return found

    def all_at(self, instants: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Local day and hour of many instants, two arrays of their shape."""
        quarters, which = np.unique((instants // QUARTER).astype(np.int64), return_inverse=True)
        places = np.array([self.at(quarter * QUARTER) for quarter in quarters.tolist()], np.int64)
        found = places.reshape(-1, 2)[which]
        return found[:, 0], found[:, 1]

    def start(self, day: int) -> float:
        """Epoch seconds at which a local day begins."""
        found = self._starts.get(day)
        if found is None:
            if len(self._starts) > 50_000:
                self._starts.clear()
            midnight = datetime.combine(date.fromordinal(day), time(), self.zone)
            found = self._starts[day] = midnight.timestamp()
        return found

    def end(self, day: int) -> float:
        """Epoch seconds at which a local day ends and the next begins."""
        return self.start(day + 1)


def instant(seconds: float) -> datetime:
    """Epoch seconds as an aware UTC datetime, exact to the microsecond."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=round(seconds * 1e6))
