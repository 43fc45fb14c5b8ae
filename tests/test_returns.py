"""Coming back to one person: visits, pauses, and how rare they are among pairs of the same kind."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.statistics.returns import LONGEST, Returns
from models.statistics.visits import SITTING, Made, begun, begun_at

DAY = 86_400.0
HOURS = st.lists(st.floats(0, 400), max_size=30)


def made(*days: int) -> list[Made]:
    """Searches at noon of some days, under one case."""
    return [Made(day * DAY + DAY / 2, day, "21-1") for day in days]


def learned(pairs: list[list[Made]]) -> Returns:
    """What pairs taught, each day by day."""
    returns = Returns()
    for pair in pairs:
        for place in range(len(pair)):
            returns.learn(pair[:place], pair[place : place + 1])
    return returns


def honest(rng: np.random.Generator, pairs: int, again: float, longer: float) -> list[list[Made]]:
    """Pairs that come back with one chance each time, after pauses that are geometric."""
    return [
        made(*np.cumsum([0, *rng.geometric(longer, rng.geometric(1 - again) - 1)]).tolist())
        for _ in range(pairs)
    ]


@cache
def usual() -> Returns:
    """One in five comes back, half of them within two days."""
    return learned(honest(np.random.default_rng(2), 3_000, 0.2, 0.4))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(hours=HOURS)
def test_a_visit_holds_what_lies_within_four_hours_of_its_first_search(hours: list[float]) -> None:
    searches = [Made(hour * 3600, int(hour // 24), "") for hour in hours]
    first = begun(searches)
    for one in searches:
        assert any(visit.day == one.day and 0 <= one.at - visit.at <= SITTING for visit in first)
    for one, later in pairwise(first):
        assert later.day > one.day or later.at - one.at > SITTING
    for day in {one.day for one in searches}:
        times = np.sort(np.array([one.at for one in searches if one.day == day]))
        assert [one.at for one in first if one.day == day] == times[begun_at(times)].tolist()


@pytest.mark.parametrize(("again", "longer"), [(0.07, 0.5), (0.3, 0.2), (0.7, 0.1)])
def test_honest_pairs_are_no_more_often_surprising_than_their_chance_says(
    again: float, longer: float
) -> None:
    rng = np.random.default_rng(1)
    returns = learned(honest(rng, 8_000, again, longer))
    chances = np.array([returns.by_visits(pair) for pair in honest(rng, 16_000, again, longer)])
    for bound in (0.02, 0.005, 0.001):
        expected = bound * len(chances)
        assert (chances <= bound).sum() <= expected + 4 * np.sqrt(expected)
    # Pauses are whole days, so that it is less; but it is no empty promise.
    assert (chances <= 0.02).sum() >= 0.2 * 0.02 * len(chances)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    pauses=st.lists(st.integers(1, 40), min_size=1, max_size=8),
    place=st.integers(0, 7),
    more=st.integers(1, 30),
)
def test_longer_pauses_and_more_visits_are_never_less_surprising(
    pauses: list[int], place: int, more: int
) -> None:
    returns = usual()

    def chance(between: list[int]) -> float:
        return returns.by_visits(made(*np.cumsum([0, *between]).tolist()))

    longer = [*pauses]
    longer[place % len(pauses)] += more
    assert chance(longer) <= chance(pauses) * (1 + 1e-9)
    assert chance([*pauses, more - 1]) <= chance(pauses) * (1 + 1e-9)


def test_where_returns_take_weeks_weeks_are_no_surprise() -> None:
    rng = np.random.default_rng(3)
    quick, slow = (learned(honest(rng, 5_000, 0.2, longer)) for longer in (0.6, 0.05))
    visits = made(0, 20, 41, 60)
    assert quick.by_visits(visits) < 1e-3 * slow.by_visits(visits)
    assert quick.usual_pause() == 1
    assert (slow.usual_pause() or 0) in range(10, 19)


def test_a_pause_beyond_the_longest_is_as_long_as_that() -> None:
    returns = learned([made(0, 400)])
    assert returns.pauses[LONGEST] == 1


def test_pairs_met_once_and_cases_are_counted_by_themselves() -> None:
    returns = Returns()
    returns.met_once(7)
    returns.learn([], [Made(0.0, 0, "a"), Made(5 * 3600.0, 0, "a")])
    assert returns.visits[:3] == [8, 1, 0]
    assert returns.cases[:3] == [8, 0, 0]
    assert returns.pauses[0] == 1
    returns.learn([], [Made(0.0, 0, "a"), Made(60.0, 0, "b")])
    assert returns.visits[:2] == [9, 1]
    assert returns.cases[:2] == [9, 1]


def test_who_comes_for_years_does_not_become_the_habit_of_all() -> None:
    rng = np.random.default_rng(4)
    returns = learned(honest(rng, 600, 0.1, 0.5))
    stalker, before = made(0, 14, 28, 42), returns.by_visits(made(0, 14, 28, 42))
    for day in range(0, 1400, 14):
        returns.learn(made(*range(max(0, day - 84), day, 14)), made(day))
    assert returns.visits == sorted(returns.visits, reverse=True)
    assert sum(returns.pauses[14:]) <= 6
    assert returns.by_visits(stalker) <= 100 * before < 1e-3


@pytest.mark.parametrize("again", [0.5, 0.9, 0.97])
def test_however_usual_it_is_to_come_back_there_is_no_floor(again: float) -> None:
    returns = learned(honest(np.random.default_rng(5), 3_000, again, 0.5))
    assert returns.by_visits(made(*range(0, 700, 7))) < 1e-9
    assert returns.by_visits(made(0, 1, 2)) > 0.05
