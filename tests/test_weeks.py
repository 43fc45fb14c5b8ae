"""Weekly counts against what was usual months ago: p-values under normal use, and what must not teach."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from models.detectors.poisoning import LEAST_TREND, late
from models.statistics.weeks import Compared, Weeks

FIRST = date(2021, 3, 1).toordinal()
KEYS, LAG = 60, 13
NAMES = [f"r{number}" for number in range(KEYS)]


def weekly(daily: np.ndarray, windows: tuple[int, ...] = (1, 4, 13)) -> tuple[Weeks, list[Compared]]:
    """Every Sunday's comparison of daily counts (days x keys)."""
    weeks = Weeks(windows, LAG, 26.0, peers=True)
    rows = weeks.enter(NAMES, ["unit"] * KEYS)
    told = [weeks.close(FIRST + number, rows[day > 0], day[day > 0]) for number, day in enumerate(daily)]
    return weeks, [one for one in told if one is not None]


@pytest.mark.parametrize("low", [True, False])
def test_p_values_are_uniform_under_normal_use(low: bool) -> None:
    rng = np.random.default_rng(5)
    rate = rng.gamma(2.0, 0.8, KEYS)
    _, told = weekly(rng.poisson(rate, (140 * 7, KEYS)))
    for window in range(3):
        p = np.concatenate([one.p_values(low=low)[window] for one in told[40:]])
        for level in (0.2, 0.05, 0.01):
            # Whole counts make p a little too large; weeks of one key share what is not known of its rate.
            assert 0.4 * level <= (p <= level).mean() <= 1.25 * level, (window, level)


def test_the_trend_is_uniform_too_and_sees_growth() -> None:
    rng = np.random.default_rng(6)
    daily = rng.poisson(1.5, (60 * 7, KEYS))
    weeks, told = weekly(daily)
    p = late(weeks, told[-1])
    assert p.shape == (2, KEYS) and 0.3 < p[1].mean() < 0.7
    growing = daily.copy()
    growing[-91:, 0] = rng.poisson(1.5 * 1.02 ** np.arange(91))
    weeks, told = weekly(growing)
    assert late(weeks, told[-1])[1, 0] == LEAST_TREND
    assert told[-1].p_values(low=False)[2, 0] < 1e-3


def test_neither_a_silence_nor_growth_teaches_what_is_usual() -> None:
    rng = np.random.default_rng(7)
    daily = rng.poisson(2.0, (60 * 7, KEYS))
    calm = weekly(daily)[1][-1].mean
    changed = daily.copy()
    changed[-LAG * 7 :, 0] = 0
    changed[-LAG * 7 :, 1] *= 3
    assert np.allclose(weekly(changed)[1][-1].mean[:, :2], calm[:, :2], rtol=0.1)


def test_days_without_any_search_are_no_days_of_service() -> None:
    rng = np.random.default_rng(8)
    daily = rng.poisson(2.0, (60 * 7, KEYS))
    daily[-14:] = 0
    weeks, told = weekly(daily)
    assert told[-1].p_values(low=True).min() > 1e-6
    assert (weeks.pauses()[0] < 14).all()


def test_state_comes_back_as_it_was() -> None:
    rng = np.random.default_rng(9)
    daily = rng.poisson(0.4, (31 * 7 + 3, KEYS))
    weeks, _ = weekly(daily)
    other = Weeks((1, 4, 13), LAG, 26.0, peers=True)
    other.restore(weeks.snapshot())
    assert other.snapshot() == weeks.snapshot()
    rows = np.arange(KEYS)
    for number in range(11):
        day, counts = FIRST + len(daily) + number, rng.poisson(0.4, KEYS)
        mine, its = weeks.close(day, rows, counts), other.close(day, rows, counts)
        assert (mine is None) == (its is None)
        if mine is not None and its is not None:
            assert np.array_equal(mine.p_values(low=True), its.p_values(low=True))


def test_a_tool_that_was_tried_a_few_times_owes_nothing_to_the_one_that_all_use() -> None:
    rng = np.random.default_rng(8)
    names, tried, again = ("busy", "tried", "again"), (278, 328), (*range(274, 282), *range(324, 330))
    weeks = Weeks((1, 4, 13), LAG, 26.0, peers=False)
    least = 1.0
    for number in range(70 * 7):
        counts = np.array([rng.poisson(1.2), number in tried, number in again], np.int64)
        used = np.flatnonzero(counts)
        rows = weeks.enter([names[place] for place in used], [""] * len(used))
        told = weeks.close(FIRST + number, rows, counts[used])
        if told is not None and len(weeks) == 3:
            others = [weeks.rows[name] for name in names[1:]]
            least = min(least, told.p_values(low=True)[:, others].min(), weeks.pauses()[2][others].min())
    assert least > 5e-5
