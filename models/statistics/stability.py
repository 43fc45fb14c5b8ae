"""Do features still fall where they fell in training? The population stability index.

Training cuts each feature into classes of about equal shares; PSI = sum (a - e) ln(a / e) over classes, for
shares a now and e then. By rule of thumb below 0.1 nothing has changed, above 0.25 the model is to be
trained anew (Siddiqi 2006, Credit Risk Scorecards). What was seen fades with a half-life, and every class
leans on half a row, so that a few rows do not look like a change.
"""

from __future__ import annotations

import numpy as np

from models.statistics.negative_binomial import Floats, Ints

#: Classes of a feature, and weeks after which a row weighs half.
CLASSES, HALF_LIFE_WEEKS = 10, 8.0
#: Rows that a class is given beside those that fell into it.
LEAN = 0.5


def class_edges(values: Floats) -> Floats:
    """Bounds of the classes of each column, shape (columns, CLASSES - 1); equal ones where values repeat."""
    return np.quantile(values, np.linspace(0, 1, CLASSES + 1)[1:-1], axis=0).T


def classes(values: Floats, edges: Floats) -> Ints:
    """How many rows fall into each class of each column, shape (columns, CLASSES)."""
    found = np.zeros((len(edges), CLASSES), np.int64)
    for column, bounds in enumerate(edges):
        # A value on a bound is below it, so that a feature that is mostly 0 fills its first class.
        found[column] = np.bincount(np.searchsorted(bounds, values[:, column]), minlength=CLASSES)
    return found


def stability(now: Floats | Ints, then: Floats | Ints) -> Floats:
    """The index of each column, from counts by class, shape (columns, CLASSES) both; at least 0.

    >>> then = np.full((1, 10), 100.0)
    >>> stability(then / 2, then).round(3).tolist()
    [0.0]
    >>> bool(stability(np.eye(10)[:1] * 500, then)[0] > 0.25)
    True
    """
    actual, expected = (
        (counts + LEAN) / (counts + LEAN).sum(axis=1, keepdims=True) for counts in (now, then)
    )
    return np.asarray(((actual - expected) * np.log(actual / expected)).sum(axis=1))
