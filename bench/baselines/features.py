"""Outlier detectors of general use, on rolling features of the days on which a key searched.

They learn from the first year and score all days. IsolationForest is scikit-learn's; HalfSpaceTrees
needs river, which is no dependency of ours.
"""

from __future__ import annotations

import importlib

import numpy as np
from sklearn.ensemble import IsolationForest

from bench.baselines.base import Baseline, Flags, Floats, Ints, Scores, Skipped, before, one_day, sums

#: The days that are learned from: the first quarter has no past to be compared with.
FIRST, YEAR = 90, 365
#: Rows that a stream learns from, and rows scored at once, so that memory stays small.
SAMPLE, CHUNK = 20_000, 200_000


def features(cases: Ints, searches: Ints) -> Floats:
    """Sixteen figures of each key's day, shape keys x days x 16: of cases and of searches the sums of 1,
    3, 7, 14 and 28 days against the 90 days before them, in Poisson deviations, and the roots of those
    of 1, 7 and 28."""
    parts = []
    for values in (cases, searches):
        for length in (1, 3, 7, 14, 28):
            rate = before(sums(values, 90), length) * length / 90
            parts.append((sums(values, length) - rate) / np.sqrt(rate + 0.1))
        parts += [np.sqrt(sums(values, length)) for length in (1, 7, 28)]
    return np.stack(parts, axis=-1)


class _Learned(Baseline):
    """Learns from the first year's rows and scores all rows."""

    def scores(self, cases: Ints, searches: Ints, weekday: Ints, expected: Floats) -> Scores:
        """The rows' scores; minus infinity on days without a search."""
        active = searches > 0
        rows = features(cases, searches)[active]
        day = np.broadcast_to(np.arange(cases.shape[1]), cases.shape)[active]
        value = np.full(cases.shape, -np.inf)
        value[active] = self.rate(rows, (day >= FIRST) & (day < YEAR))
        return Scores(value, one_day())

    def rate(self, rows: Floats, learned: Flags) -> Floats:
        """A score for each row, learned from those that the mask picks."""
        raise NotImplementedError


class Forest(_Learned):
    """IsolationForest (Liu et al. 2008)."""

    name = "IsolationForest"

    def rate(self, rows: Floats, learned: Flags) -> Floats:
        """Scikit-learn's anomaly score, of 100 trees."""
        forest = IsolationForest(n_estimators=100, random_state=0).fit(rows[learned])
        parts = [forest.score_samples(rows[at : at + CHUNK]) for at in range(0, len(rows), CHUNK)]
        return np.asarray(-np.concatenate(parts))


class Ecod(_Learned):
    """ECOD (Li et al. 2022): the sum over features of -ln of their empirical tails."""

    name = "ECOD"

    def rate(self, rows: Floats, learned: Flags) -> Floats:
        """The larger of the sums of the right tails and of those that skewness chooses; one is added to
        each count, so that none is nought."""
        right, skewed = np.zeros(len(rows)), np.zeros(len(rows))
        for values in rows.T:
            known = np.sort(values[learned])
            size = len(known)
            above = -np.log((size - np.searchsorted(known, values, "left") + 1) / (size + 1))
            below = -np.log((np.searchsorted(known, values, "right") + 1) / (size + 1))
            right += above
            skewed += below if ((known - known.mean()) ** 3).mean() < 0 else above
        return np.maximum(right, skewed)


class HalfSpaceTrees(_Learned):
    """HalfSpaceTrees (Tan et al. 2011) of river, on features scaled to [0, 1]."""

    name = "HalfSpaceTrees"

    def rate(self, rows: Floats, learned: Flags) -> Floats:
        """River's score after learning a sample. Raises Skipped without river."""
        try:
            anomaly = importlib.import_module("river.anomaly")
        except ImportError as error:
            raise Skipped("river is not installed (pip install river)") from error
        low, high = rows[learned].min(axis=0), rows[learned].max(axis=0)
        scaled = ((rows - low) / np.maximum(high - low, 1e-9)).clip(0.0, 1.0)
        known = scaled[learned]
        chosen = np.random.default_rng(0).permutation(len(known))[:SAMPLE]
        trees = anomaly.HalfSpaceTrees(seed=0, n_trees=25, height=10, window_size=250)
        for row in known[np.sort(chosen)]:
            trees.learn_one(dict(enumerate(row.tolist())))
        return np.array([trees.score_one(dict(enumerate(row.tolist()))) for row in scaled])
