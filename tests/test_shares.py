"""Shares: the exact tail, what honest shares give, conditions over tables, and vague reasons."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.stats import betabinom

from models.columns import Columns
from models.expressions import ConditionError, compile_condition
from models.reasons import vague
from models.statistics.beta_binomial import central_interval, upper_tail
from models.statistics.shares import Shares
from models.where import where
from tests.logs import search


def test_the_tail_is_that_of_the_beta_binomial() -> None:
    cells = list(product((0, 1, 3, 12), (1, 12, 40), (1e-5, 0.2, 0.9), (0.01, 0.4)))
    k, n, mean, rho = (np.array(column) for column in zip(*cells, strict=True))
    # Summed: the tail that scipy itself gives is one less the rest, which loses what is small.
    expected = [
        sum(betabinom.pmf(range(least, most + 1), most, m * (1 / r - 1), (1 - m) * (1 / r - 1)))
        for least, most, m, r in cells
    ]
    assert upper_tail(k, n, mean, rho) == pytest.approx(expected, rel=1e-7, abs=1e-300)


def test_the_interval_leaves_out_no_more_than_it_says() -> None:
    for n, mean, rho in product((1, 7, 60), (0.01, 0.5, 0.97), (0.01, 0.3)):
        low, high = central_interval(n, mean, rho)
        law = betabinom(n, mean * (1 / rho - 1), (1 - mean) * (1 / rho - 1))
        assert law.cdf(low - 1) <= 0.025 + 1e-9 and law.sf(high) <= 0.025 + 1e-9


@pytest.mark.parametrize("share", [0.02, 0.4])
def test_honest_shares_are_not_surprising_more_often_than_they_should_be(share: float) -> None:
    chance = np.random.default_rng(7)
    own = chance.beta(20 * share, 20 * (1 - share), 200)
    shares, low, cells = Shares((1, 7, 28), 180.0), 0, 0
    shares.value([""])
    shares.group_of("unit")
    for day in range(1, 181):
        searching = np.sort(chance.permutation(200)[:80])
        rows = shares.enter([f"r{one}" for one in searching.tolist()], day)
        trials = 1 + chance.poisson(1.0, 80)
        hits = chance.binomial(trials, own[searching])[:, None]
        asked = np.ones(hits.shape, np.bool_)
        found = shares.close(day, rows, trials, hits, asked)
        if day > 60:
            low += sum(int((one.p <= 0.001).sum()) for one in found)
            cells += 80 * len(found)
    assert cells == 80 * 3 * 120
    assert low / cells <= 0.0015
    assert 1.0 <= shares.unrest < 1.3


@pytest.mark.parametrize("seed", range(5))
def test_windows_that_move_on_hold_what_sums_over_days_give(seed: int) -> None:
    chance, half_life, lengths = np.random.default_rng(seed), 40.0, (1, 7, 28)
    shares, days, since = Shares(lengths, half_life), [], [0] * 12
    shares.value(["a", "b"])
    day = 100
    for _ in range(60):
        day += int(chance.integers(1, 4))
        who = np.sort(chance.permutation(12)[: chance.integers(0, 9)])
        rows = shares.enter([f"r{one}" for one in who.tolist()], day)
        if len(rows) and chance.random() < 0.2:
            since[int(who[0])] = max(since[int(who[0])], day - int(chance.integers(0, 10)))
            shares.forget(int(rows[0]), since[int(who[0])])
        trials = chance.integers(1, 5, len(who))
        hits = chance.integers(0, trials[:, None] + 1, (len(who), 2))
        shares.close(day, rows, trials, hits, hits > 0)
        days.append((day, who, trials, shares.recent[-1].learned if len(who) else hits * 1.0, hits))
        if chance.random() < 0.1:
            kept = shares.snapshot()
            shares.restore(kept)
            assert shares.snapshot() == kept
    # A key that starts anew forgets what was before, also what lay before its windows.
    for key, row in shares.rows.items():
        own = int(key[1:])
        mine = [
            (at, part[0], part[1], part[2])
            for at, who, *columns in days
            if at >= since[own]
            for part in zip(*(column[who == own] for column in columns), strict=True)
        ]
        for place, length in enumerate(lengths):
            inside = [one for one in mine if one[0] > day - length]
            before = [
                (2.0 ** ((one[0] - shares.first_day) / half_life), one) for one in mine if one not in inside
            ]
            assert shares.trials_in[row, place] == sum(one[1] for one in inside)
            assert shares.hits_in[row, place].tolist() == [sum(one[3][v] for one in inside) for v in (0, 1)]
            assert shares.trials_before[row, place] == pytest.approx(sum(w * one[1] for w, one in before))
            for v in (0, 1):
                learned = sum(w * one[2][v] for w, one in before)
                assert shares.hits_before[row, place, v] == pytest.approx(learned)


def test_a_share_that_rises_for_one_stands_out_and_one_that_rises_for_all_does_not() -> None:
    def least(new: set[int]) -> float:
        shares, p = Shares((1, 7), 180.0), 1.0
        shares.value([""])
        shares.group_of("unit")
        for day in range(1, 91):
            rows = shares.enter([f"r{one}" for one in range(10)], day)
            trials = np.full(10, 3)
            hits = np.array([[3 * (day > 80 and one in new)] for one in range(10)])
            found = shares.close(day, rows, trials, hits, hits > 0)
            p = min([p, *(float(one.p.min()) for one in found)])
        return p

    assert least({4}) < 1e-9
    assert least({1, 4, 6, 7}) == 1.0


def test_a_condition_over_a_table_is_that_of_each_search() -> None:
    found = [
        search(
            60.0 * number,
            f"e{number}",
            requesting_agency=("county", None)[number % 2],
            candidates_requested=(20, 100, None)[number % 3],
            reason_text=("inv", "robbery suspect", None, " ")[number % 4],
        )
        for number in range(24)
    ]
    table, rows = Columns.of(found), np.arange(3, 24)
    for text in (
        "not missing(requesting_agency) and candidates_requested > 50",
        "vague(reason_text)",
        "not vague(reason_text) or missing(candidates_requested)",
    ):
        condition = compile_condition(text)
        told = [condition(one) for one in found[3:]]
        assert 0 < sum(told) < len(told)
        assert where(condition, table, rows).tolist() == told


@pytest.mark.parametrize("text", ["vague()", "vague(candidates_requested)", 'vague(reason_text, "x")'])
def test_vague_takes_one_field_of_text(text: str) -> None:
    with pytest.raises(ConditionError, match="vague"):
        compile_condition(text)


@pytest.mark.parametrize(
    "text", [None, "", "  ", "?", "x", "inv", "Case 21-004512", "21004512", "FOLLOW UP", "see report", "N/A"]
)
def test_what_says_nothing_is_vague(text: str | None) -> None:
    assert vague(text)


@pytest.mark.parametrize(
    "text",
    ["PC 211", "187 PC", "robbery", "stolen vehicle, case 21-4", "missing person", "ID of coroner case"],
)
def test_what_names_an_offence_or_an_event_is_not_vague(text: str) -> None:
    assert not vague(text)
