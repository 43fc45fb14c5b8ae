"""Scores of many rows against one another, and of one against those before it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.statistics.past_scores import HONEST, PastScores
from models.statistics.peers import LEAN, parts, surprises
from models.statistics.profiles import _bits

tables = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=40)


@given(tables)
def test_surprises_are_the_tails_counted_one_by_one(rows: list[tuple[int, int, int]]) -> None:
    group = np.unique([row[0] for row in rows], return_inverse=True)[1]
    values = np.array([row[1:] for row in rows], np.float64)
    found = surprises(values, group)
    for at, column in np.ndindex(values.shape):
        reach = values[:, column] >= values[at, column]
        own = group == group[at]
        weight = own.sum() / (own.sum() + LEAN)
        expected = -(1 - weight) * math.log(reach.mean()) - weight * math.log(reach[own].mean())
        assert found[at, column] == pytest.approx(expected, abs=1e-12)


def test_the_forest_sees_a_rare_combination_of_usual_values() -> None:
    chance = np.random.default_rng(1)
    values = np.repeat(chance.normal(size=(200, 1)), 2, axis=1) + chance.normal(scale=0.1, size=(200, 2))
    values[0] = 1.5, -1.5
    shares = parts(values, np.zeros(200, np.int64))
    assert (shares[:, 2] > shares[0, 2]).sum() < 10
    assert shares[0, 2] > shares[0, :2].max()


def test_chances_are_honest_for_scores_like_those_before() -> None:
    chance = np.random.default_rng(2)
    past = PastScores(chance.gamma(3.0, 2.0, 20_000))
    p = past.chances(chance.gamma(3.0, 2.0, 200_000))
    for level in (1e-1, 1e-2, 1e-3, 1e-4):
        assert 0.5 < (p <= level).mean() / level < 1.6
    assert p.min() >= HONEST / 20_001


@settings(max_examples=50)
@given(
    st.lists(st.floats(0, 100), max_size=300).map(np.array),
    st.lists(st.floats(0, 200), min_size=2, max_size=20).map(sorted),
)
def test_a_higher_score_is_never_less_rare(past: np.ndarray, scores: list[float]) -> None:
    p = PastScores(past.astype(np.float64)).chances(np.array(scores))
    assert ((p > 0) & (p <= 1)).all()
    assert (np.diff(p) <= 1e-12).all()


def test_bits_spread_numbered_names_over_the_room() -> None:
    bits = _bits([f"case-{number:05d}" for number in range(100)] + [None], 256, str)
    assert bits[-1] == -1
    lit = len(set(bits[:-1].tolist()))
    assert 90 < 256 * math.log(256 / (256 - lit)) < 112
