"""Uses of case numbers: what is found again, and what a history says."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.statistics import uses as module
from models.statistics.uses import Rest, Today, Use, Uses, persons_new, rest_before

DAYS = st.lists(
    st.lists(st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(0, 4)), max_size=6), max_size=40
)


def today(found: list[tuple[int, int, int]]) -> Today:
    """Searches by case, requester and person."""
    columns = np.array(found, np.uint64).reshape(-1, 3).T
    hand = np.ones(len(found), np.bool_)
    return Today(np.arange(len(found)), hand, columns[0], *columns[1:].astype(np.uint32))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(days=DAYS, horizon=st.integers(7, 60), restart=st.integers(0, 40))
def test_uses_are_found_again_as_a_plain_list_has_them(
    days: list[list[tuple[int, int, int]]], horizon: int, restart: int
) -> None:
    kept, plain = Uses(), set[tuple[int, Use]]()
    for day, found in enumerate(days, 7):
        kept.forget(day - horizon)
        plain = {(case, use) for case, use in plain if use.day // 7 * 7 + 7 > day - horizon}
        kept.remember(day, today(found))
        plain |= {(case, Use(day, who, whom)) for case, who, whom in found}
        if day - 7 == restart:
            blocks = kept.snapshot()
            kept = Uses()
            kept.restore(blocks)
    places = kept.where(np.arange(1, 6, dtype=np.uint64))
    for case in range(1, 6):
        assert kept.between(places[case - 1]) == sorted(use for number, use in plain if number == case)


def test_the_latest_uses_join_the_many_without_a_trace() -> None:
    kept = Uses()
    for day in range(7, 27):
        kept.remember(day, today([(case, 1, day) for case in range(1, 120)]))
    assert module.LATEST < 119 * 20
    assert [use.day for use in kept.between(kept.where(np.array([5], np.uint64))[0])] == list(range(7, 27))


def test_one_number_keeps_no_more_than_its_uses_of_a_day() -> None:
    kept = Uses()
    kept.remember(7, today([(1, 1, person) for person in range(1, 2 * module.MOST_USES)]))
    assert len(kept.between(kept.where(np.array([1], np.uint64))[0])) == module.MOST_USES


def test_a_person_is_new_to_a_case_once() -> None:
    history = [Use(10, 1, 7), Use(11, 2, 7), Use(12, 2, 8), Use(13, 2, 8), Use(14, 2, 0)]
    assert persons_new(history, 1) == {7: 10}
    assert persons_new(history, 2) == {8: 12}


def test_a_rest_counts_for_who_took_the_number_up_alone() -> None:
    before = [Use(10, 1, 7)]
    assert rest_before([*before, Use(100, 2, 8), Use(102, 2, 8)], 2, 2) == Rest(90, 2, 1)
    assert rest_before([*before, Use(100, 2, 8)], 2, 2) is None
    assert rest_before([*before, Use(100, 2, 7), Use(102, 2, 7)], 2, 2) is None
    assert rest_before([*before, Use(100, 2, 8), Use(101, 3, 9), Use(102, 2, 8)], 2, 2) is None
