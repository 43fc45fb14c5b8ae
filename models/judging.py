"""Policy judged over the columns of an open day: each way of searching once, however many searched so.

Conditions look at few fields, and most of these take few values. The values of each field are sorted
into classes that no condition can tell apart (the tool as it stands, a case number by whether there
is one, a certificate by whether it still holds); the classes of a search, side by side in one
number, are its way of searching. A way that is new between two effective days is judged by
`models.policy`, all others are looked up. Equal to judging every search; a test holds it to that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from models.columns import Column
from models.fields import FIELDS, is_missing
from models.policy import AgencyPolicy, Clause
from models.windows import OpenDay

#: Bits of a way of searching, at most; with more each search is judged by itself.
MOST_BITS = 62
#: Classes of one field, at most, before all are forgotten; fields that conditions compare take few values.
MOST_CLASSES = 4096


class _Question:
    """What is asked of one field: the answer that `ask` gives, or each value for itself. Answers are
    numbered in the order in which they first come: these are the classes."""

    def __init__(self, name: str, ask: Callable[[Any], object] | None) -> None:
        self.name = name
        self.ask = ask
        self.answers: dict[object, int] = {}
        self.bits = 0

    def classes(self, values: Sequence[Any]) -> list[int]:
        """The class of each value, new ones numbered."""
        answers, ask = self.answers, self.ask
        told = values if ask is None else map(ask, values)
        return [answers.setdefault(answer, len(answers)) for answer in told]


class Ways:
    """The ways of searching that have been judged by one agency's policy, on whatever days."""

    def __init__(self, policy: AgencyPolicy) -> None:
        self.policy = policy
        self.questions = _questions(policy)
        self.judged: dict[tuple[int, int], tuple[Clause, ...]] = {}
        """By the interval between effective days and the way."""
        self.numbering = 0
        """Raised when classes are numbered anew."""

    def settle(self) -> bool:
        """Take new answers into account. False when each search has to be judged by itself."""
        if any(len(one.answers) > MOST_CLASSES for one in self.questions):
            for one in self.questions:
                one.answers.clear()
                one.bits = 0
            self.judged.clear()
            self.numbering += 1
            return False
        for one in self.questions:
            needed = (len(one.answers) - 1).bit_length() if one.answers else 0
            if needed > one.bits:
                one.bits = needed + 1  # the next few values change nothing
                self.judged.clear()
        return sum(one.bits for one in self.questions) <= MOST_BITS


class JudgedDay:
    """The searches of one open day before one agency's policy."""

    def __init__(self, ways: Ways, day: OpenDay) -> None:
        self._ways = ways
        self._day = day
        self._numbering = ways.numbering
        self._classes = [np.zeros(0, np.int64) for _ in ways.questions]
        """For each question the class of each place in the column."""

    def breaches(self, first: int) -> list[tuple[int, tuple[Clause, ...]]]:
        """The rows from `first` on that break a clause, and the clauses."""
        day, shared = self._day, self._ways
        interval = shared.policy.turn(day.number)
        columns = self._learn()
        if not shared.settle():
            return [(row, found) for row in range(first, len(day)) if (found := self._judge(row))]
        ways = np.zeros(len(day) - first, np.int64)
        for one, classes, column in zip(shared.questions, self._classes, columns, strict=True):
            if one.bits:
                ways = ways << one.bits | classes[column.codes[first:]]
        broken = []
        distinct, rows = np.unique(ways, return_index=True)
        for way, row in zip(distinct.tolist(), rows.tolist(), strict=True):
            clauses = shared.judged.get((interval, way))
            if clauses is None:
                clauses = shared.judged[interval, way] = self._judge(first + row)
            if clauses:
                broken.append(way)
        if not broken:
            return []
        rows = np.flatnonzero(np.isin(ways, broken))
        which = zip(rows.tolist(), ways[rows].tolist(), strict=True)
        return [(first + row, shared.judged[interval, way]) for row, way in which]

    def _learn(self) -> list[Column]:
        """Sort the values that are new into classes."""
        shared = self._ways
        if self._numbering != shared.numbering:
            self._numbering = shared.numbering
            self._classes = [known[:0] for known in self._classes]
        columns = []
        for place, one in enumerate(shared.questions):
            column, known = self._day.column(one.name), self._classes[place]
            if len(column.values) > len(known):
                new = one.classes(column.values[len(known) :])
                self._classes[place] = np.concatenate((known, np.array(new, np.int64)))
            columns.append(column)
        return columns

    def _judge(self, row: int) -> tuple[Clause, ...]:
        return self._ways.policy.violations_on(self._day.search(row), self._day.number)


def _questions(policy: AgencyPolicy) -> list[_Question]:
    """What has to be asked of a search so that two with the same answers break the same clauses."""
    found: dict[object, _Question] = {}
    for leaf in policy.leaves:
        wide = any(FIELDS[name].wide for name in leaf.fields)
        if wide and leaf.presence_of is not None:
            found.setdefault(("missing", leaf.presence_of), _Question(leaf.presence_of, is_missing))
        elif wide and len(leaf.fields) == 1:
            (name,) = leaf.fields

            def ask(value: object, name: str = name, test: Callable[[Any], object] = leaf.test) -> object:
                return test(SimpleNamespace(**{name: value}))

            found.setdefault(leaf.test, _Question(name, ask))
        else:
            for name in sorted(leaf.fields):
                found.setdefault(name, _Question(name, None))
    return list(found.values())
