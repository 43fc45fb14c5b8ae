"""Who searches for whom on days that are still open, as the searches arrive."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models.columns import Floats, Ints
from models.statistics.visits import NONE, SITTING, Known, Pairs, Visits
from models.windows import Day, OpenDay


class Begun:
    """What the visits of one pair on an open day begin with, as far as is known: searches that came when none
    near them had come. In whatever order they come, these are no more than on the closed day."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self._times: list[float] = []

    def add(self, row: int, time: float) -> bool:
        """Take in a search; whether a visit begins with it."""
        for other in self._times:
            if abs(other - time) <= SITTING:
                return False
        self.rows.append(row)
        self._times.append(time)
        return True


class Open(NamedTuple):
    """The visits of an open day, as they came."""

    day: OpenDay
    rows: Ints
    pairs: Ints
    known: Known = (NONE, NONE)

    def begun(self, pairs: Ints) -> dict[int, Begun]:
        """By pair, of some, what its visits begin with."""
        found: dict[int, Begun] = {}
        at = np.flatnonzero(np.isin(self.pairs, pairs))
        rows = self.rows[at]
        for pair, row, time in zip(
            self.pairs[at].tolist(), rows.tolist(), self.day.times[rows].tolist(), strict=True
        ):
            found.setdefault(pair, Begun()).add(row, time)
        return found


class _Spans(NamedTuple):
    """Pairs, each once, ascending, with the times of their first and last search on an open day."""

    pairs: Ints
    first: Floats
    last: Floats

    @classmethod
    def of(cls, pairs: Ints, first: Floats, last: Floats) -> _Spans:
        """Of pairs that occur more than once all together."""
        order = np.argsort(pairs, kind="stable")
        ordered = pairs[order]
        begins = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
        if not len(pairs):
            return cls(pairs, first, last)
        return cls(
            ordered[begins],
            np.minimum.reduceat(first[order], begins),
            np.maximum.reduceat(last[order], begins),
        )

    def most(self, pairs: Ints) -> Ints:
        """How many visits each pair may have had at most."""
        if not len(self.pairs):
            return np.zeros(len(pairs), np.int64)
        place = np.minimum(np.searchsorted(self.pairs, pairs), len(self.pairs) - 1)
        visits = 1 + ((self.last[place] - self.first[place]) // SITTING).astype(np.int64)
        return np.where(self.pairs[place] == pairs, visits, 0)


class OpenVisits:
    """The visits of open days. Not part of any state."""

    def __init__(self) -> None:
        self._days: dict[int, Open] = {}
        self._spans: dict[int, _Spans] = {}

    def on(self, day: OpenDay) -> Open:
        """Those of one open day."""
        return self._days.get(day.number) or Open(day, NONE, NONE)

    def add(self, day: OpenDay, rows: Ints, pairs: Pairs) -> Ints:
        """Visits that came; their pairs."""
        before = self.on(day)
        new, known = pairs.at(day, rows, before.known)
        self._days[day.number] = Open(
            day, np.concatenate((before.rows, rows)), np.concatenate((before.pairs, new)), known
        )
        times = day.times[rows]
        held = self._spans.get(day.number, _Spans(NONE, np.zeros(0), np.zeros(0)))
        self._spans[day.number] = _Spans.of(
            *(np.concatenate(part) for part in zip(held, (new, times, times), strict=True))
        )
        return new

    def most(self, pairs: Ints) -> Ints:
        """How many visits each pair may have had at most on the open days."""
        number = np.zeros(len(pairs), np.int64)
        for held in self._spans.values():
            number += held.most(pairs)
        return number

    def all(self) -> list[Open]:
        """Those of every open day, by day."""
        return [opened for _, opened in sorted(self._days.items())]

    def close(self, number: int) -> None:
        """Let go of an open day."""
        self._days.pop(number, None)
        self._spans.pop(number, None)

    def known(self, day: Day) -> Known:
        """What `Pairs.at` gave for a day that is now complete, while it was open."""
        opened = self._days.get(day.number)
        return opened.known if opened is not None and day.is_made_of(opened.day) else (NONE, NONE)

    def renumber(self, visits: Visits) -> None:
        """Forget names that are no longer in use; see `Visits.renumber`."""
        opened = list(self._days.items())
        moved = visits.renumber([one.pairs for _, one in opened])
        if moved is not None:
            self._days = {
                day: one._replace(pairs=pairs, known=(NONE, NONE))
                for (day, one), pairs in zip(opened, moved, strict=True)
            }
            self._spans = {
                day: _Spans.of(one.pairs, *[one.day.times[one.rows]] * 2) for day, one in self._days.items()
            }
