"""What becomes an alert: calibration of p-values, the daily budget, and both in a whole pipeline."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.alert import decode_alert
from models.budget import Budget, BudgetSettings, Candidate, Stanza
from models.pipeline import Pipeline
from models.statistics.tail import LEAN, TRUNCATED, Tail
from tests.logs import LATENESS, SOURCES, Log, Plan, alerts_of, reference, run, sensitive

ALPHA = 5e-3
PEOPLE = Stanza("people", "requester", ALPHA, 7)
UNITS = Stanza("units", "unit", ALPHA, 7)


def learned(
    per_day: int = 1500, days: int = 700, level: float = 1.0, scale: float = 1.0, misuse: float = 0.0
) -> Tail:
    """A tail that saw exponential excesses, and misuse far beyond them."""
    rng, tail = np.random.default_rng(3), Tail()
    for day in range(1, days):
        excess = scale * rng.exponential(size=rng.poisson(ALPHA * level * per_day))
        strong = 8 + rng.exponential(size=rng.poisson(misuse))
        found = [(f"{day}/{n}", ALPHA * float(np.exp(-e))) for n, e in enumerate([*excess, *strong])]
        tail.learn(day, per_day, found, ALPHA, 7)
    return tail


@pytest.mark.parametrize(("level", "scale"), [(1.0, 1.0), (0.2, 1.0), (0.2, 1.2), (2.0, 0.8)])
def test_a_tail_finds_how_often_findings_as_strong_are_made(level: float, scale: float) -> None:
    tail = learned(level=level, scale=scale)
    for p in (2e-3, 3e-4, 1e-5):
        expected = ALPHA * level * (p / ALPHA) ** (1 / scale)
        assert 0.6 < tail.law(ALPHA).chance(p) / expected < 1.6


def test_misuse_does_not_teach_the_tail_what_chance_is() -> None:
    assert 0.6 < learned(misuse=0.5).law(ALPHA).chance(1e-5) / 1e-5 < 1.6


def test_a_tail_without_a_past_believes_the_p_value() -> None:
    assert Tail().law(ALPHA).chance(1e-5) == pytest.approx(1e-5, rel=1e-3)
    assert Tail().law(ALPHA).line(1e-5) == pytest.approx(1e-5, rel=1e-3)


def test_findings_of_one_episode_count_once_at_their_peak() -> None:
    tail, once = Tail(), Tail()
    for day, p in enumerate([4e-3, 1e-3, 3e-3], 1):
        tail.learn(day, 100, [("a", p)], ALPHA, 7)
        once.learn(day, 100, [("a", 1e-3)] if day == 2 else [], ALPHA, 7)
    assert tail.episodes == pytest.approx(1, rel=0.02)
    assert tail.excess == pytest.approx(once.excess, rel=0.02)
    tail.learn(4, 100, [("a", ALPHA * np.exp(-TRUNCATED - 1))], ALPHA, 7)
    assert tail.episodes == pytest.approx(0, abs=0.02)
    tail.learn(20, 100, [("a", 1e-3)], ALPHA, 7)
    assert tail.episodes == pytest.approx(1, abs=0.02)
    assert LEAN > 0


@given(st.lists(st.floats(1e-12, ALPHA), min_size=2, max_size=2), st.integers(0, 200))
def test_a_smaller_p_value_never_has_a_larger_chance(both: list[float], episodes: int) -> None:
    tail = Tail(tests=1e5, episodes=float(episodes), excess=0.8 * episodes)
    small, large = sorted(both)
    assert tail.law(ALPHA).chance(small) <= tail.law(ALPHA).chance(large)
    line = tail.law(ALPHA).line(1e-6)
    assert tail.law(ALPHA).chance(line) <= 1e-6 * (1 + 1e-9) or line == ALPHA


def people(*p: float, running: bool = False) -> list[Candidate]:
    return [Candidate("people", f"{n:03d}", one, running) for n, one in enumerate(p)]


def test_benjamini_and_hochberg_over_all_keys_tested() -> None:
    budget = Budget(BudgetSettings(alerts_a_day=10, false_discovery_rate=0.1), [PEOPLE])
    # 0.1 / 1000 = 1e-4 for the first, 2e-4 for the second, 3e-4 for the third ...
    assert budget.close(1, {"people": 1000}, people(9e-5, 1.9e-4, 3.1e-4)) == [True, True, False]


def test_the_strongest_are_told_when_there_are_more_than_can_be_read() -> None:
    budget = Budget(BudgetSettings(alerts_a_day=2, false_discovery_rate=0.1), [PEOPLE])
    assert budget.close(1, {"people": 1000}, people(3e-9, 1e-9, 2e-9)) == [False, True, True]


def test_what_amends_an_alert_takes_nothing_from_the_budget() -> None:
    budget = Budget(BudgetSettings(alerts_a_day=1, false_discovery_rate=0.1), [PEOPLE])
    weak = Candidate("people", "known", 4e-3, running=True)
    assert budget.close(1, {"people": 1000}, [weak, *people(1e-9)]) == [True, True]


def test_groups_are_not_lost_among_many_people() -> None:
    budget = Budget(BudgetSettings(alerts_a_day=10, false_discovery_rate=0.1), [PEOPLE, UNITS])
    found = [Candidate("units", "harbor", 9e-4, False), Candidate("people", "one", 9e-4, False)]
    assert budget.close(1, {"people": 1000, "units": 20}, found) == [True, False]


@given(st.permutations(range(12)))
def test_the_order_of_findings_says_nothing(order: list[int]) -> None:
    found = people(*(10.0 ** -(3 + n % 4) for n in range(12)))
    plain, mixed = (Budget(BudgetSettings(alerts_a_day=3), [PEOPLE]) for _ in range(2))
    told = plain.close(1, {"people": 300}, found)
    again = mixed.close(1, {"people": 300}, [found[n] for n in order])
    assert {one.key for one, kept in zip(found, told, strict=True) if kept} == {
        found[n].key for n, kept in zip(order, again, strict=True) if kept
    }
    assert plain.snapshot() == mixed.snapshot()


def test_honest_days_keep_the_promise_whatever_the_level_of_the_p_values() -> None:
    rng, keys, days = np.random.default_rng(11), 1500, 1200
    for level in (0.2, 1.0, 3.0):
        budget = Budget(BudgetSettings(alerts_a_day=10, false_discovery_rate=0.2), [PEOPLE])
        days_told = 0
        for day in range(1, days):
            p = rng.uniform(size=rng.binomial(keys, ALPHA * level)) * ALPHA
            found = [Candidate("people", f"{day}/{n}", float(one), False) for n, one in enumerate(p)]
            days_told += any(budget.close(day, {"people": keys}, found)) and day > 200
        assert 0.7 * 0.2 < days_told / (days - 200) < 1.3 * 0.2, level


def pipeline(most: int, rate: float) -> Pipeline:
    """Everybody is a suspect to these detectors; only the budget keeps them silent."""
    chosen = [sensitive(name) for name in ("high_count", "rare", "repeat_subject", "risk", "policy_clause")]
    budget = BudgetSettings(alerts_a_day=most, false_discovery_rate=rate, least_people=1)
    return Pipeline(reference(SOURCES), chosen, "digest", budget=budget)


PLAN = Plan("city", 3, 30, 25, 1, frozenset({12}), 5)


def told(most: int, rate: float, messages: list[bytes]) -> list[bytes]:
    return alerts_of(run(messages, lambda: pipeline(most, rate))[0])


def test_a_smaller_budget_tells_less_and_keeps_breaches_of_policy() -> None:
    messages = Log(PLAN.searches(), 40).messages()
    _, rich = run(messages, lambda: pipeline(100, 0.5))
    _, poor = run(messages, lambda: pipeline(1, 0.01))
    kinds = [[alert.kind for alert in standing.alerts()] for standing in (rich, poor)]
    assert kinds[0].count("policy") == kinds[1].count("policy") > 0
    assert 0 < kinds[1].count("anomaly") < kinds[0].count("anomaly")


def test_what_is_held_back_is_counted() -> None:
    made = pipeline(1, 0.3)
    made.feed(Log(PLAN.searches(), 40).messages())
    assert made.counts["budget_held", ""] > 0
    assert made.counts["budget_told", ""] > 0
    assert made.counts["budget_days", ""] >= 40


@settings(max_examples=10, deadline=None, derandomize=True)
@given(seed=st.integers(0, 1000), splits=st.lists(st.integers(0, 10_000), max_size=8))
def test_batches_order_and_repeats_change_nothing_in_the_end(seed: int, splits: list[int]) -> None:
    chance = Random(seed)
    messages = Log(PLAN.searches(), 40).messages()
    said, standing = run(messages, lambda: pipeline(2, 0.1))
    assert alerts_of(run(messages, lambda: pipeline(2, 0.1), splits)[0]) == alerts_of(said)
    doubled = [one for one in messages for _ in range(chance.choice([1, 1, 2]))]
    assert alerts_of(run(doubled, lambda: pipeline(2, 0.1))[0]) == alerts_of(said)
    delays = [chance.uniform(0, LATENESS - 3600) for _ in PLAN.searches()]
    shuffled = run(Log(PLAN.searches(), 40, delays).messages(), lambda: pipeline(2, 0.1))[1]
    assert shuffled.lines() == standing.lines()


@settings(max_examples=10, deadline=None, derandomize=True)
@given(cut=st.integers(1, 10_000))
def test_a_restart_changes_nothing(cut: int) -> None:
    messages = Log(PLAN.searches(), 40).messages()
    whole = alerts_of(run(messages, lambda: pipeline(2, 0.1))[0])
    cut %= len(messages)
    first = pipeline(2, 0.1)
    said = first.feed(messages[:cut])
    second = pipeline(2, 0.1)
    second.ingest.restore(first.ingest.snapshot(full=True))
    second.watch.restore(first.watch.snapshot(full=True))
    second.resume(*first.position)
    assert alerts_of([*said, *second.feed(messages[cut:])]) == whole


def test_provisional_alerts_keep_to_the_budget() -> None:
    messages = Log(PLAN.searches(), 40).messages()
    said = [decode_alert(one) for one in told(1, 0.01, messages)]
    rich = [decode_alert(one) for one in told(100, 0.5, messages)]
    count = [sum(alert.status == "provisional" for alert in alerts) for alerts in (said, rich)]
    assert count[0] < count[1]
