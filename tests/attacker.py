"""Somebody who reads published tables and solves for what is withheld."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from models.suppression import Cell, Tables, cell

Range = tuple[int, float]


class Attacker:
    """Reads what is published and solves for the rest; shares no code with what it attacks.

    Its unknowns are the withheld counts; each published table is written out as rows, columns and corners.
    """

    def __init__(
        self, tables: Tables, hidden: frozenset[Cell], known: Mapping[Cell, int] | None = None
    ) -> None:
        self.unknown = sorted(hidden)
        rows: list[np.ndarray] = []
        totals: list[float] = []

        def add(parts: list[Cell], whole: Cell) -> None:
            row, total = np.zeros(len(self.unknown)), 0.0
            for sign, place in [(1, part) for part in parts] + [(-1, whole)]:
                if place in hidden:
                    row[self.unknown.index(place)] += sign
                else:
                    total -= sign * tables.counts[place]
            if row.any():
                rows.append(row)
                totals.append(total)
            else:
                assert total == 0

        for crossing in tables.crossings:
            for name in crossing:
                add([cell(**{name: one}) for one in tables.categories[name]], ())
            if len(crossing) == 2:
                for first, second in (crossing, crossing[::-1]):
                    for one in tables.categories[first]:
                        parts = [cell(**{first: one, second: other}) for other in tables.categories[second]]
                        add(parts, cell(**{first: one}))
        self.constraints = [LinearConstraint(np.array(rows), totals, totals)] if rows else []
        self.floors = np.array([(known or {}).get(place, 0) for place in self.unknown], float)

    def range(self, place: Cell) -> Range:
        """The least and the largest value of a withheld count that fit everything published."""
        low, high = (self._solve(place, sign) for sign in (1, -1))
        assert low is not None
        return int(low), float("inf") if high is None else -high

    def _solve(self, place: Cell, sign: int) -> float | None:
        aim = np.zeros(len(self.unknown))
        aim[self.unknown.index(place)] = sign
        # Beyond a million means without end.
        bounds = Bounds(self.floors, np.full(len(aim), 1e6))
        solved = milp(aim, integrality=np.ones(len(aim)), bounds=bounds, constraints=self.constraints)
        assert solved.status == 0, solved.message
        value = round(float(solved.fun))
        return None if value == -1_000_000 else value
