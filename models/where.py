"""For which searches of a table a condition holds: asked once for each combination of values."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from models.columns import Ints, Table
from models.expressions import Condition


def where(condition: Condition, table: Table, rows: Ints) -> NDArray[np.bool_]:
    """Whether the condition certainly holds of each of some rows; shape (len(rows),)."""
    way, ways = np.zeros(len(rows), np.int64), 1
    columns = [(name, table.column(name)) for name in sorted(condition.fields)]
    for _, column in columns:
        # Numbered anew after each field, so that the numbers stay small however many fields there are.
        size = max(len(column.values), 1)
        way, ways = _numbered(way * size + column.codes[rows], ways * size)
    first = np.zeros(ways, np.int64)
    first[way] = np.arange(len(rows))
    told = [
        condition(
            cast(Any, SimpleNamespace(**{name: column.values[column.codes[row]] for name, column in columns}))
        )
        for row in rows[first].tolist()
    ]
    return np.array(told, np.bool_)[way]


def _numbered(numbers: Ints, size: int) -> tuple[Ints, int]:
    """Numbers below `size` by rank among those that occur, and how many occur."""
    if size > 8 * len(numbers):
        found, ranks = np.unique(numbers, return_inverse=True)
        return ranks, len(found)
    here = np.zeros(size, np.bool_)
    here[numbers] = True
    ranks = np.cumsum(here) - 1
    return ranks[numbers], int(here.sum())
