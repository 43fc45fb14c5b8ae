"""The fast lane of coming back to one person: searches arrive in any order and in batches of any size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.columns import Columns
from models.detectors.base import Arrivals
from models.detectors.repeat_subject import RepeatSubject, RepeatSubjectSettings
from models.search import Search
from models.windows import OpenDay
from tests.officers import DAYS, START, closed, reference, search

#: Minutes from the start of the first of two days on.
MINUTES = st.lists(st.integers(0, 2 * 1440 - 500), min_size=2, max_size=14, unique=True)


def watch() -> RepeatSubject:
    """A detector that tells of everybody who comes twice, with a first day behind it."""
    setting = RepeatSubjectSettings(alpha=0.999, minimum_visits=2, minimum_history_days=0)
    found = RepeatSubject("repeat", setting, reference(), "lapd")
    filler = [by_minute(-1440, who=f"officer-{number}", whom=f"other-{number}") for number in range(40)]
    assert not list(found.close(closed(START - 1, filler)))
    return found


def by_minute(minute: int, who: str = "officer-04", whom: str = "neighbour") -> Search:
    """A search so many minutes after 8 o'clock of the first day."""
    day, rest = divmod(minute, 1440)
    made = search(START + day, rest * 60, who, "harbor", "21-1")
    return Search(**{**{name: getattr(made, name) for name in made.__struct_fields__}, "subject_ref": whom})


def told(minutes: Sequence[int], splits: Sequence[int]) -> list[tuple[str, float | None, float | None]]:
    """Which searches raised a finding, with what was observed and its p-value; `splits` ends batches."""
    detector, days = watch(), dict[int, OpenDay]()
    searches = [by_minute(minute) for minute in minutes]
    edges = sorted({0, len(searches), *(split % (len(searches) + 1) for split in splits)})
    found = []
    for first, end in zip(edges, edges[1:], strict=False):
        came: dict[int, list[int]] = {}
        for place in range(first, end):
            came.setdefault(DAYS.at(searches[place].event_time.timestamp()).day, []).append(place)
        arrivals = []
        for number, places in came.items():
            day = days.setdefault(number, OpenDay(number))
            begins = len(day)
            day.add(Columns.of([searches[place] for place in places]))
            arrivals.append(Arrivals(day, begins, np.array(places) - first))
        for place, finding in detector.observe(arrivals):
            found.append((searches[first + place].event_id, finding.observed, finding.p_value))
    return found


@settings(max_examples=150, deadline=None, derandomize=True)
@given(minutes=MINUTES, splits=st.lists(st.integers(0, 14), max_size=6))
def test_batches_of_any_size_tell_the_same(minutes: list[int], splits: list[int]) -> None:
    one_by_one = told(minutes, range(len(minutes) + 1))
    assert told(minutes, splits) == one_by_one


@settings(max_examples=100, deadline=None, derandomize=True)
@given(minutes=MINUTES)
def test_no_more_visits_are_told_at_once_than_the_closed_days_show(minutes: list[int]) -> None:
    detector = watch()
    by_day: dict[int, list[Search]] = {}
    for one in map(by_minute, minutes):
        by_day.setdefault(DAYS.at(one.event_time.timestamp()).day, []).append(one)
    in_the_end = 0.0
    for number in range(min(by_day), max(by_day) + 1):
        for finding in detector.close(closed(number, by_day.get(number, []))):
            in_the_end = max(in_the_end, finding.observed or 0.0)
    early = [observed or 0.0 for _, observed, _ in told(minutes, [])]
    assert max(early, default=0.0) <= in_the_end


def test_ten_thousand_searches_of_one_person_in_an_hour_are_one_visit() -> None:
    detector = watch()
    day = OpenDay(START)
    for first in range(0, 10_000, 100):
        part = [search(START, (first + one) // 3, "officer-04", "harbor", str(one)) for one in range(100)]
        part = [
            Search(**{**{name: getattr(one, name) for name in one.__struct_fields__},
                      "subject_ref": "neighbour", "event_id": str(first + place)})
            for place, one in enumerate(part)
        ]  # fmt: skip
        begins = len(day)
        day.add(Columns.of(part))
        assert not list(detector.observe([Arrivals(day, begins, np.arange(100))]))
