"""Policy judged over the columns of an open day: each way of searching once, however many searched so.

Conditions look at few fields, and most of these take few values. The values of each field are sorted
into classes that no condition can tell apart (the tool as it stands, a case number by whether there
is one, a certificate by whether it still holds); the classes of a search, side by side in one
number, are its way of searching. A way that is new is judged by `models.policy`, all others are
looked up. Equal to judging every search; a test holds it to that.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from models.columns import Column, Ints
from models.fields import FIELDS, is_missing
from models.policy import AgencyPolicy, Clause
from models.windows import OpenDay

#: Bits of a way of searching, at most; a day with more is judged search by search.
MOST_BITS = 62


class _Sorted:
    """The values of one field by class: the answer that `ask` gives, or each value for itself."""

    def __init__(self, name: str, ask: Callable[[Any], object] | None) -> None:
        self.name = name
        self.bits = 0
        self._ask = ask
        self._answers: dict[object, int] = {}
        self._classes = np.zeros(0, np.int64)

    def learn(self, column: Column) -> bool:
        """Sort values that are new. Whether more bits are needed than before."""
        known = len(self._classes)
        if known == len(column.values):
            return False
        new = column.values[known:]
        answers, ask = self._answers, self._ask
        told = new if ask is None else map(ask, new)
        classes = [answers.setdefault(answer, len(answers)) for answer in told]
        self._classes = np.concatenate((self._classes, np.array(classes, np.int64)))
        before, self.bits = self.bits, (len(answers) - 1).bit_length()
        return self.bits > before

    def of(self, column: Column, first: int) -> Ints:
        """The classes of the rows from `first` on."""
        return self._classes[column.codes[first:]]


class JudgedDay:
    """The searches of one open day before one agency's policy."""

    def __init__(self, policy: AgencyPolicy, day: OpenDay) -> None:
        self._policy = policy
        self._day = day
        self._sorted = _questions(policy)
        self._ways: dict[int, tuple[Clause, ...]] = {}

    def breaches(self, first: int) -> list[tuple[int, tuple[Clause, ...]]]:
        """The rows from `first` on that break a clause, and the clauses."""
        day = self._day
        self._policy.turn(day.number)
        pairs = [(one, day.column(one.name)) for one in self._sorted]
        if any([one.learn(column) for one, column in pairs]):
            self._ways.clear()
        if sum(one.bits for one in self._sorted) > MOST_BITS:
            return [(row, found) for row in range(first, len(day)) if (found := self._judge(row))]
        ways = np.zeros(len(day) - first, np.int64)
        for one, column in pairs:
            if one.bits:
                ways = ways << one.bits | one.of(column, first)
        broken = []
        distinct, rows = np.unique(ways, return_index=True)
        for way, row in zip(distinct.tolist(), rows.tolist(), strict=True):
            clauses = self._ways.get(way)
            if clauses is None:
                clauses = self._ways[way] = self._judge(first + row)
            if clauses:
                broken.append(way)
        if not broken:
            return []
        rows = np.flatnonzero(np.isin(ways, broken))
        which = zip(rows.tolist(), ways[rows].tolist(), strict=True)
        return [(first + row, self._ways[way]) for row, way in which]

    def _judge(self, row: int) -> tuple[Clause, ...]:
        return self._policy.violations_on(self._day.search(row), self._day.number)


def _questions(policy: AgencyPolicy) -> list[_Sorted]:
    """What has to be asked of a search so that two with the same answers break the same clauses."""
    found: dict[object, _Sorted] = {}
    for leaf in policy.leaves:
        wide = any(FIELDS[name].wide for name in leaf.fields)
        if wide and leaf.presence_of is not None:
            found.setdefault(("missing", leaf.presence_of), _Sorted(leaf.presence_of, is_missing))
        elif wide and len(leaf.fields) == 1:
            (name,) = leaf.fields

            def ask(value: object, name: str = name, test: Callable[[Any], object] = leaf.test) -> object:
                return test(SimpleNamespace(**{name: value}))

            found.setdefault(leaf.test, _Sorted(name, ask))
        else:
            for name in sorted(leaf.fields):
                found.setdefault(name, _Sorted(name, None))
    return list(found.values())
