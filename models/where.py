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
    way = np.zeros(len(rows), np.int64)
    columns = [(name, table.column(name)) for name in sorted(condition.fields)]
    for _, column in columns:
        # Numbered anew after each field, so that the numbers stay small however many fields there are.
        _, way = np.unique(way * max(len(column.values), 1) + column.codes[rows], return_inverse=True)
    _, first, way = np.unique(way, return_index=True, return_inverse=True)
    told = [
        condition(
            cast(Any, SimpleNamespace(**{name: column.values[column.codes[row]] for name, column in columns}))
        )
        for row in rows[first].tolist()
    ]
    return np.array(told, np.bool_)[way]
