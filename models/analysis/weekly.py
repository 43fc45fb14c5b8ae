"""How many alerts staff get week by week, by detector and unit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from models.alert import Alert


class WeekOf(NamedTuple):
    """Alerts of one detector about one unit in one week. `unit_id` is empty where an alert names none."""

    week: date
    """Its Monday, in UTC."""
    detector: str
    unit_id: str
    alerts: int


def week_of(moment: datetime) -> date:
    """The Monday of a moment's week, in UTC."""
    day = moment.astimezone(UTC).date()
    return day - timedelta(days=day.weekday())


def weekly(alerts: Iterable[Alert]) -> list[WeekOf]:
    """Alerts by the week in which they were first decided, in order of week, detector and unit."""
    found = Counter((week_of(one.decided_at), one.detector, one.unit_id or "") for one in alerts)
    return [WeekOf(*key, number) for key, number in sorted(found.items())]


def weeks_between(first: date, last: date) -> list[date]:
    """The Mondays from one to another, both included; those of quiet weeks too."""
    return [first + timedelta(weeks=number) for number in range((last - first).days // 7 + 1)]
