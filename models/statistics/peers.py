"""How far does each of many stand out from the others? ECOD and an isolation forest, in bulk.

ECOD (Li, Zhao, Hu et al. 2022, IEEE TKDE) adds up, over the features, the negative logarithms of
empirical tail probabilities. Only upper tails count here: every feature is one of which much is
suspicious and little is not. The isolation forest (Liu, Ting & Zhou 2008) sees combinations that
are rare although no feature is; its score joins the sum by its own tail, so that the parts of a
score always add up to it. Neither learns from what came before: the rows themselves are the peers.
"""

from __future__ import annotations

import numpy as np

from models.statistics.negative_binomial import Floats, Ints

#: Members at which a unit's own tail weighs as much as the agency's.
LEAN = 20.0
#: Trees of the forest. Its score settles with some tens; each costs about 3 ms to grow.
TREES = 32


def surprises(values: Floats, group: Ints) -> Floats:
    """By row and feature, -ln of the share of the rows that reach the value; at least 0, shape as `values`.

    The share among the n members of the row's own group weighs n / (n + 20) in it, that among all
    the rest. Nobody is rarer than one among all.

    >>> alone = surprises(np.array([[3.0], [1.0], [1.0], [2.0]]), np.arange(4))
    >>> np.exp(-21 / 20 * alone).round(9).ravel().tolist()  # each in a group of its own
    [0.25, 1.0, 1.0, 0.5]
    """
    rows, columns = values.shape
    sizes = np.bincount(group)[group]
    weight = sizes / (sizes + LEAN)
    # Groups lie behind one another, so that one search among all finds the place within each.
    first = np.searchsorted(np.sort(group), np.arange(group.max(initial=0) + 1))[group]
    found = np.empty(values.shape)
    for column in range(columns):
        levels, place = np.unique(values[:, column], return_inverse=True)
        among_all = (rows - np.searchsorted(np.sort(place), place)) / rows
        key = group * len(levels) + place
        in_group = (first + sizes - np.searchsorted(np.sort(key), key)) / sizes
        found[:, column] = -(1 - weight) * np.log(among_all) - weight * np.log(in_group)
    return np.maximum(found, 0.0)


def parts(values: Floats, group: Ints) -> Floats:
    """What each feature, and as the last one the forest, adds to a row's score; (n, features + 1)."""
    together = isolation(values)[:, None]
    return np.hstack([surprises(values, group), surprises(together, group)])


def isolation(values: Floats) -> Floats:
    """How easily random cuts set each row apart, in (0, 1); shape (n,).

    The forest is grown on these rows with a fixed seed, so equal rows give equal scores. Rounded:
    what differs by less is a tie.
    """
    # Takes seconds to import, and nobody needs it before the first week is over.
    from sklearn.ensemble import IsolationForest

    forest = IsolationForest(n_estimators=TREES, random_state=0, n_jobs=1)
    return np.asarray(np.round(-forest.fit(values).score_samples(values), 9))
