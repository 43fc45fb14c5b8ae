"""Habits: the chances are probabilities, add up, and every value counts once a day."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.columns import Column
from models.statistics.habits import Habit, Priors, Shown, product_chance
from models.windows import grouped

VALUES = st.sampled_from(["a", "b", "c", "d", "e"])
DAYS = st.lists(st.sets(VALUES, max_size=3), max_size=30)


def habit(days: list[set[str]], weight: float = 1.0) -> Habit:
    found = Habit.new(0, 1)
    for number, values in enumerate(days):
        found.add(0, values, weight, 64)
        found.lived(number)
    return found


@given(DAYS, DAYS, DAYS, VALUES, st.floats(0.5, 4))
def test_chances_are_what_the_sum_over_all_values_says(
    own: list[set[str]], unit: list[set[str]], agency: list[set[str]], value: str, weight: float
) -> None:
    # Whoever searches belongs to the unit, and the unit to the agency.
    unit, agency = [*own, *unit], [*own, *unit, *agency]
    priors = Priors(habit(own, weight), habit(unit, weight), habit(agency, weight), weight)
    known = sorted({one for days in agency for one in days})
    p = {one: priors.probability(0, one) for one in known}
    unseen = 1 - math.fsum(p.values())
    assert 0 < unseen <= 1 + 1e-9 and all(0 < one < 1 for one in p.values())
    bound = max(priors.probability(0, value), unseen) * (1 + 1e-6)
    expected = unseen + math.fsum(one for one in p.values() if one <= bound)
    assert priors.chance(0, value) == pytest.approx(min(1.0, expected))
    # It does not matter in what unit weights are counted.
    twice = 2 * weight
    doubled = Priors(habit(own, twice), habit(unit, twice), habit(agency, twice), twice)
    assert doubled.chance(0, value) == pytest.approx(priors.chance(0, value))


def test_two_spellings_of_one_value_count_once_a_day() -> None:
    who = grouped(Column(["x", "y"], np.array([0, 0, 1, 0])), np.arange(4))
    shown = Shown(who, Column(["lacris", "lacris", "other"], np.array([0, 1, 1, 2])))
    assert sorted(zip(shown.groups, shown.values, strict=True)) == [
        (0, "lacris"),
        (0, "other"),
        (1, "lacris"),
    ]
    assert shown.by(np.array([7, 7])) == {7: ["lacris", "other"]}


def test_the_rarest_values_make_room() -> None:
    found = habit([{"a", "b"}, {"a"}, {"c"}])
    found.add(0, ["c", "d"], 1.0, 2)
    assert found.counts == [{"a": 2.0, "c": 2.0}] and found.totals == [4.0]
    assert found.share(0, "a") == 0.5 and found.days == 3


@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=5))
def test_a_product_of_chances_is_no_smaller_than_it_looks(parts: list[float]) -> None:
    chance = product_chance(parts)
    assert math.prod(parts) * (1 - 1e-9) <= chance <= 1
    assert product_chance([1.0] * len(parts)) == 1
