"""The calendar: weights, the nearest event, and matched control days."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.calendar import Calendar, Event

BASE = date(2020, 6, 1).toordinal()


def event(day: int, size: int = 0, interventions: int = 0, agency: str = "lapd", area: str = "") -> Event:
    return Event(date=day, agency_id=agency, area=area, size=size, interventions=interventions)


@pytest.mark.parametrize(
    ("size", "interventions", "weight"),
    [
        (0, 0, 0.0),
        (10, 0, 0.0),
        (100, 0, 1 / 3),
        (10_000, 0, 1.0),
        (1_000_000, 0, 1.0),
        (0, 1, 0.5),
        (100, 2, 5 / 6),
    ],
)
def test_weights_by_hand(size: int, interventions: int, weight: float) -> None:
    assert event(1, size, interventions).weight == pytest.approx(weight)


@given(st.integers(0, 10**9), st.integers(0, 50), st.integers(0, 10**6), st.integers(0, 5))
def test_weight_lies_in_0_to_1_and_grows(size: int, interventions: int, more: int, worse: int) -> None:
    weight = event(1, size, interventions).weight
    assert 0.0 <= weight <= event(1, size + more, interventions + worse).weight <= 1.0


EVENTS = st.lists(
    st.builds(
        event,
        st.integers(BASE - 60, BASE + 60),
        st.sampled_from([0, 50, 100, 1000, 20_000]),
        st.integers(0, 3),
        st.sampled_from(["lapd", "x-pd", "*"]),
        st.sampled_from(["", "central"]),
    ),
    max_size=30,
)


@given(EVENTS, st.integers(BASE - 10, BASE + 10), st.integers(0, 4))
def test_look_ups_equal_a_scan(events: list[Event], day: int, within: int) -> None:
    calendar = Calendar(events)
    ours = [one for one in events if one.agency_id in ("lapd", "*")]
    assert sorted(calendar.on("lapd", day), key=repr) == sorted(
        (one for one in ours if one.date == day), key=repr
    )
    nearest = calendar.nearest("lapd", day, within)
    near = [one for one in ours if abs(one.date - day) <= within]
    assert (nearest is None) == (not near)
    if nearest is not None:
        rank = [(-one.weight, abs(one.date - day), one.date) for one in near]
        assert (-nearest.weight, abs(nearest.date - day), nearest.date) == min(rank)
    assert calendar.large("lapd", 0.5) == tuple(sorted({one.date for one in ours if one.weight >= 0.5}))


@given(EVENTS, st.integers(BASE - 10, BASE + 10), st.booleans())
def test_control_days_are_quiet_matched_and_nearest(events: list[Event], day: int, both: bool) -> None:
    calendar = Calendar(events)
    loud = {one.date for one in events if one.agency_id in ("lapd", "*") and one.weight >= 0.5}
    quiet = [
        day + 7 * week
        for week in range(-52, 53 if both else 0)
        if week and not loud & set(range(day + 7 * week - 1, day + 7 * week + 3))
    ]
    expected = sorted(quiet, key=lambda one: (abs(one - day), one))[:4]
    assert list(calendar.controls("lapd", day, both=both)) == expected


def test_controls_never_look_ahead_and_skip_the_days_round_an_event() -> None:
    calendar = Calendar([event(BASE - 7, 5000, 1), event(BASE - 13, 5000, 1), event(BASE, 5000, 1)])
    # A week earlier is loud; two weeks earlier lies the day before BASE - 13.
    assert calendar.controls("lapd", BASE, n=2) == (BASE - 21, BASE - 28)
    assert Calendar().controls("lapd", BASE, n=3, both=True) == (BASE - 7, BASE + 7, BASE - 14)


def test_equal_weights_prefer_the_nearest_then_the_earlier_day() -> None:
    calendar = Calendar([event(BASE - 2, 1000), event(BASE + 1, 1000), event(BASE - 1, 1000)])
    nearest = calendar.nearest("lapd", BASE)
    assert nearest is not None and nearest.date == BASE - 1
    assert calendar.nearest("x-pd", BASE) is None
