"""The negative binomial, and the statistics built on it, against slow references."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from models.statistics.counts import Counts, Expectation
from models.statistics.dispersion import Dispersion
from models.statistics.exposure import LEAST_SHOCK, MOST_SHOCK, SHOCK_LEAN, peer_shock
from models.statistics.history import RING
from models.statistics.negative_binomial import central_interval, critical_count, lower_tail, upper_tail
from models.statistics.prior import credibility
from models.statistics.rule import Rule, factors
from models.statistics.tally import NEVER
from tests.counting_oracle import Oracle

means = st.floats(1e-3, 500)
excesses = st.floats(1e-2, 20)


@given(st.integers(1, 600), means, excesses)
def test_upper_tail_is_scipys_survival_function(count: int, mean: float, excess: float) -> None:
    variance = mean * (1 + excess)
    size = mean / excess
    expected = stats.nbinom.sf(count - 1, size, size / (size + mean))
    assert float(upper_tail(count, mean, variance)) == pytest.approx(expected, rel=1e-6, abs=1e-290)


@given(st.integers(0, 600), means, excesses)
def test_lower_tail_is_scipys_distribution_function(count: int, mean: float, excess: float) -> None:
    size = mean / excess
    expected = stats.nbinom.cdf(count, size, size / (size + mean))
    found = float(lower_tail(count, mean, mean * (1 + excess)))
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-290)


@given(means, excesses, st.floats(1e-9, 0.9))
def test_critical_count_is_the_least_that_is_rare_enough(mean: float, excess: float, p: float) -> None:
    variance = mean * (1 + excess)
    count = int(critical_count(mean, variance, p))
    assert count >= 1
    assert upper_tail(count, mean, variance) <= p
    assert count == 1 or upper_tail(count - 1, mean, variance) > p


@given(st.lists(st.tuples(st.just(0.0) | means, excesses), min_size=1, max_size=9), st.floats(1e-9, 0.9))
def test_critical_counts_of_many_are_those_of_each(pairs: list[tuple[float, float]], p: float) -> None:
    mean = np.array([mu for mu, _ in pairs])
    variance = np.array([mu * (1 + excess) for mu, excess in pairs])
    alone = [int(critical_count(mu, v, p)) for mu, v in zip(mean, variance, strict=True)]
    assert critical_count(mean, variance, p).tolist() == alone


@given(means, excesses)
def test_the_central_interval_holds_at_least_95_percent(mean: float, excess: float) -> None:
    low, high = central_interval(mean, mean * (1 + excess))
    size = mean / excess
    law = stats.nbinom(size, size / (size + mean))
    assert law.cdf(high) - law.cdf(low - 1) >= 0.95 - 1e-9
    assert low == law.ppf(0.025) and high == law.ppf(0.975)


@given(st.lists(st.tuples(means, st.floats(1e-2, 60)), min_size=1, max_size=4), st.floats(1e-8, 1e-2))
def test_the_fast_lanes_screen_never_lies_above_what_is_critical(
    windows: list[tuple[float, float]], alpha: float
) -> None:
    mean = np.array([[mu] for mu, _ in windows])
    variance = np.array([[mu * (1 + excess)] for mu, excess in windows])
    outlook = Expectation(np.zeros(mean.shape, np.int64), mean, variance)
    places = tuple(range(len(windows)))
    rule = Rule(places, factors([7] * len(windows)), alpha, 1, 30, 7, 60, 7)
    screen = int(rule.screen(outlook, np.ones(mean.shape, bool), alpha)[0])
    judged = np.ones(mean.shape, bool)
    assert screen >= 1
    assert not any(
        rule.reaches(outlook, judged, 0, count, alpha) for count in range(max(0, screen - 40), screen)
    )
    assert rule.screen(outlook, np.zeros(mean.shape, bool), alpha)[0] == NEVER


def test_nothing_expected_is_nothing_proved() -> None:
    assert upper_tail([5, 0], [0.0, 3.0], [0.0, 4.0]).tolist() == [1.0, 1.0]


@given(st.lists(st.tuples(st.integers(0, 40), st.floats(0, 5)), min_size=2, max_size=12), st.data())
def test_a_peer_shock_leaves_its_own_member_out(
    members: list[tuple[int, float]], data: st.DataObject
) -> None:
    counts, expected = (np.array(column, dtype=float) for column in zip(*members, strict=True))
    group = np.array([data.draw(st.integers(0, 1)) for _ in members])
    shock = peer_shock(counts, expected, group, 2)
    for own in range(len(members)):
        others = (group == group[own]) & (np.arange(len(members)) != own)
        by_hand = (counts[others].sum() + SHOCK_LEAN) / (expected[others].sum() + SHOCK_LEAN)
        assert shock[own] == pytest.approx(min(max(by_hand, LEAST_SHOCK), MOST_SHOCK))
        louder = counts.copy()
        louder[own] += 1000
        assert peer_shock(louder, expected, group, 2)[own] == pytest.approx(shock[own])


def test_credibility_finds_the_spread_between_members() -> None:
    rng = np.random.default_rng(5)
    days, true_mean, true_variation = 300.0, 0.4, 0.5
    rates = rng.gamma(1 / true_variation, true_mean * true_variation, 4000)
    counts = rng.poisson(rates * days).astype(float)
    prior = credibility(counts, np.full(4000, days), np.zeros(4000, int), np.zeros(1, int), np.ones(1))
    assert prior.mean[0] == pytest.approx(true_mean, rel=0.05)
    assert prior.variation[0] == pytest.approx(true_variation, rel=0.1)
    assert prior.established[0]


def test_a_small_unit_leans_on_the_agency() -> None:
    counts = np.array([90.0, *np.full(200, 10.0)])
    group = np.array([0, *np.ones(200, int)])
    prior = credibility(counts, np.full(201, 100.0), group, np.zeros(2, int), np.ones(1))
    whole = (counts.sum() + 0.5) / 20101
    assert prior.mean[0] == pytest.approx((90.5 / 101 + 20 * whole) / 21)


def test_dispersion_is_learned_from_residuals() -> None:
    rng = np.random.default_rng(3)
    phi, tau = 2.2, 0.4
    spread = Dispersion(np.array([1]))
    spread.grow(1)
    mean = rng.gamma(1.0, 4.0, 60_000)
    variance = phi * mean + tau * mean**2
    size = mean**2 / (variance - mean)
    counts = rng.poisson(rng.gamma(size, mean / size))
    spread.learn(0, np.zeros(len(mean), int), mean, (counts - mean) ** 2)
    spread.fit(1.0)
    assert spread.phi[0, 0] == pytest.approx(phi, rel=0.1)
    assert spread.tau[0, 0] == pytest.approx(tau, rel=0.15)


histories = st.lists(st.lists(st.integers(0, 12), min_size=5, max_size=5), min_size=20, max_size=60)


@settings(max_examples=25, deadline=None)
@given(histories, st.booleans(), st.integers(730_000, 730_006))
def test_columns_agree_with_a_slow_reference(table: list[list[int]], pooled: bool, first: int) -> None:
    """Everything at once: windows, discounting, weekdays, shocks, caps, priors and dispersion."""
    windows = (1, 3, 10)
    counts, oracle = Counts(windows, 30.0, pooled), Oracle(windows, 30.0, pooled)
    names = ["a", "a", "a", "b", "b"] if pooled else ["0", "1", "2", "3", "4"]
    for key, name in enumerate(names):
        counts.history.enter(str(key), counts.group(name))
        oracle.enter(str(key), name)
    for number, row in enumerate(table, first):
        today = np.array(row)
        told = counts.close(number, np.arange(5), today, today)
        p = told.p_values(np.ones(told.observed.shape, bool))
        for place, expected in enumerate(oracle.close(number, row)):
            for key, (observed, mean, variance) in enumerate(expected):
                assert told.observed[place, key] == observed
                assert told.mean[place, key] == pytest.approx(mean, rel=1e-9)
                assert told.variance[place, key] == pytest.approx(variance, rel=1e-9)
                size = mean**2 / (variance - mean)
                tail = stats.nbinom.sf(observed - 1, size, size / (size + mean))
                assert p[place, key] == pytest.approx(tail, rel=1e-6)


def test_the_fast_lane_expects_what_the_slow_lane_finds() -> None:
    """With peers as usual and nothing counted, the outlook of the next day is that day's expectation."""
    counts = Counts((1, 7, 28, 90), pooled=False)
    rng = np.random.default_rng(8)
    counts.history.enter("one", counts.group("one"))
    for number in range(737_000, 737_150):
        before = counts.outlook(number) if number > 737_000 else None
        today = rng.poisson(2.0, 1)
        told = counts.close(number, np.array([0]), today, today)
        if before is not None and number % 7 and number > 737_030:
            assert np.allclose(before.mean, told.mean, rtol=1e-9)
            assert (before.observed + today == told.observed).all()


def test_p_values_are_conservative_when_nobody_misuses_anything() -> None:
    """Gamma-Poisson officers in units: P(p <= 0.01) is at most 0.01 and not absurdly below."""
    rng = np.random.default_rng(17)
    officers, days = 400, 400
    counts = Counts((1, 7, 28, 90))
    for key in range(officers):
        counts.history.enter(str(key), counts.group(str(key % 20)))
    rates = rng.gamma(1.0, 0.3, officers)
    low = {place: 0 for place in range(4)}
    for number in range(737_000, 737_000 + days):
        today = rng.poisson(rates)
        told = counts.close(number, np.arange(officers), today, today)
        if number >= 737_120:
            p = told.p_values(told.beyond(0.0))
            for place in low:
                low[place] += int((p[place] <= 0.01).sum())
    judged = officers * (days - 120)
    for place, number in low.items():
        # Windows overlap, so few of the key-days are independent: 0.012 is three errors above 0.01.
        assert 0.001 <= number / judged <= 0.012, (place, number / judged)


def test_a_burst_teaches_no_more_than_the_cap() -> None:
    rng = np.random.default_rng(2)
    table = rng.poisson(1.0, (200, 30))
    calm, burst = Counts((1, 7)), Counts((1, 7))
    for counts in (calm, burst):
        for key in range(30):
            counts.history.enter(str(key), counts.group("unit"))
    for number, today in enumerate(table, 737_000):
        calm.close(number, np.arange(30), today, today)
        louder = today.copy()
        if number == 737_150:
            mean, variance = (float(values[0, 0]) for values in _tomorrow(burst, number))
            louder[0] = 500
        burst.close(number, np.arange(30), louder, louder)
        if number == 737_150:
            taught = burst.history.capped[number % RING, 0]
            assert burst.history.counts[number % RING, 0] == 500
            assert 3 <= taught <= math.ceil(mean + 4.5 * math.sqrt(variance)) < 20
    # Three weeks of half-lives later the expectation is still about one a day.
    assert burst.outlook(737_200).mean[0, 0] < 1.2 * calm.outlook(737_200).mean[0, 0] + 0.05


def _tomorrow(counts: Counts, number: int) -> tuple[np.ndarray, np.ndarray]:
    outlook = counts.outlook(number)
    return outlook.mean, outlook.variance


@pytest.mark.parametrize("pooled", [True, False])
def test_keys_outside_the_peer_group_do_not_matter(pooled: bool) -> None:
    """Without a pool a second key changes nothing; with one, it does."""
    rng = np.random.default_rng(4)
    alone, beside = Counts((1, 7), pooled=pooled), Counts((1, 7), pooled=pooled)
    alone.history.enter("one", alone.group("one"))
    for key in ("one", "two"):
        beside.history.enter(key, beside.group(key))
    for number in range(737_000, 737_080):
        one, two = rng.poisson(2.0), rng.poisson(20.0)
        a = alone.close(number, np.array([0]), np.array([one]), np.array([one]))
        b = beside.close(number, np.array([0, 1]), np.array([one, two]), np.array([one, two]))
    same = bool((a.mean[:, 0] == b.mean[:, 0]).all() and (a.variance[:, 0] == b.variance[:, 0]).all())
    assert same is not pooled


def test_days_must_follow_one_another() -> None:
    counts = Counts((1,))
    nothing = np.zeros(0, int)
    counts.close(737_000, nothing, nothing, nothing)
    with pytest.raises(ValueError, match="737002 cannot be closed after day 737000"):
        counts.close(737_002, nothing, nothing, nothing)


def test_a_damaged_block_is_named() -> None:
    counts = Counts((1, 7))
    counts.history.enter("one", counts.group("unit"))
    counts.close(737_000, np.array([0]), np.array([2]), np.array([2]))
    blocks = counts.snapshot()
    for name in ("shared", "rows/00000", "week/03/00000"):
        with pytest.raises(ValueError, match=name):
            Counts((1, 7)).restore({**blocks, name: blocks[name][:-3]})
    with pytest.raises(ValueError, match=r"written for windows of \[1, 7\] days"):
        Counts((1, 28)).restore(blocks)
