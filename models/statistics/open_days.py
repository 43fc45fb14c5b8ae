"""The fast lane: counts of days that are still open, against what would be critical.

What is critical for a key is worked out from the closed days, once for all keys when an open day
is first looked at; searches then cost a count and a comparison. Only a key that comes near is
looked at more closely, search by search. A day that is not the next one after the last closed day
is taken to follow it: the complete days decide in the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple, cast

import numpy as np

from models.columns import Column, Ints, distinct
from models.statistics.counts import Counts, Expectation
from models.statistics.recent import RecentCases
from models.statistics.rule import Rule
from models.statistics.tally import NEVER, Tally
from models.windows import OpenDay


class Critical(NamedTuple):
    """A search with which an open day becomes critical for a key, and the windows with it."""

    row: int
    key: str
    tally: Tally
    told: Expectation


class _Watched:
    """One open day. By key, in order of first appearance: `seen` searches so far, and a `screen`
    below which no alert is possible; the tally is kept from the moment that it may be reached."""

    def __init__(self, day: OpenDay) -> None:
        self.day = day
        self.keys: dict[str, int] = {}
        self.key_of: Ints = np.zeros(0, np.int64)
        """Key of each place in the column."""
        self.seen: Ints = np.zeros(0, np.int64)
        self.screens: Ints = np.zeros(0, np.int64)
        self.looks: Ints = np.zeros(0, np.int64)
        """Searches from which it is worth a look whether the screen has been reached."""
        self.by_row: Ints = np.zeros(0, np.int64)
        """Screens by row of the history."""
        self.rows: list[Ints] = []
        """The rows that count, as they came."""
        self.tallies: dict[str, Tally] = {}
        self.cited: np.ndarray = np.zeros(0, np.bool_)
        """Whether each place in the column of case numbers is one."""
        self.outlook: Expectation | None = None
        self.judged: np.ndarray = np.zeros((0, 0), np.bool_)

    def learn(self, column: Column, name: Callable[[str], str]) -> None:
        """Keys for the places of the column that are new."""
        new = column.values[len(self.key_of) :]
        if new:
            places = [self.keys.setdefault(name(value), len(self.keys)) for value in new]
            self.key_of = np.concatenate((self.key_of, np.array(places, np.int64)))
            more = np.zeros(len(self.keys) - len(self.seen), np.int64)
            self.seen = np.concatenate((self.seen, more))

    def rows_of(self, key: str, column: Column) -> Ints:
        """The rows of a key that have come so far."""
        if len(self.rows) > 1:
            self.rows = [np.concatenate(self.rows)]
        rows = self.rows[0] if self.rows else np.zeros(0, np.int64)
        return cast(Ints, rows[self.key_of[column.codes[rows]] == self.keys[key]])

    def most_cases(self, places: Ints, column: Column, came: Ints) -> Ints:
        """At least as many cases as some keys have, with the rows that have just come."""
        rows = np.concatenate((*self.rows, came))
        which = np.full(len(self.keys), -1)
        which[places] = np.arange(len(places))
        of = which[self.key_of[column.codes[rows]]]
        rows, of = rows[of >= 0], of[of >= 0]
        numbers = self.day.column("case_number")
        new = numbers.values[len(self.cited) :]
        self.cited = np.concatenate((self.cited, np.fromiter(map(bool, new), np.bool_, len(new))))
        codes = numbers.codes[rows]
        cited = self.cited[codes]
        cases = distinct(of[cited] << 32 | codes[cited]) >> 32
        return np.bincount(cases, minlength=len(places)) + np.bincount(of[~cited], minlength=len(places))


class OpenDays:
    """The open days of one detector. Not part of any state: they are fed in again.

    `name` turns a value of the field into the key that it counts for; `line` gives the p-value that
    must be reached, at most the rule's alpha. It changes only with a day that closes.
    """

    def __init__(
        self,
        counts: Counts,
        cases: RecentCases | None,
        rule: Rule,
        allowance: int,
        name: Callable[[str], str],
        line: Callable[[], float],
    ) -> None:
        self._counts = counts
        self._cases = cases
        self._rule = rule
        self._allowance = allowance
        self._name = name
        self._line = line
        self._days: dict[int, _Watched] = {}
        self._outlooks: dict[int, Expectation] = {}

    def add(self, day: OpenDay, column: Column, rows: Ints) -> Iterator[Critical]:
        """Count the searches in `rows`, all newer than those before. Gives, once a key and day, the
        search that makes it critical."""
        watched = self._days.get(day.number)
        if watched is None:
            watched = self._days[day.number] = _Watched(day)
        watched.learn(column, self._name)
        if watched.outlook is None:
            self._prepare(watched)
        else:
            self._screen(watched)
        keys = watched.key_of[column.codes[rows]]
        came = np.bincount(keys, minlength=len(watched.keys))
        watched.seen += came
        near = np.flatnonzero((watched.seen >= watched.looks) & (came > 0))
        if len(near):
            names = list(watched.keys)
            for place in self._not_below(watched, near, column, rows, names).tolist():
                found = self._look(watched, column, names[place], rows[keys == place])
                if found is not None:
                    yield found
        watched.rows.append(rows)

    def closed(self, day: int) -> None:
        """Let go of a day that has been closed; what is critical on the others is now stale."""
        self._days.pop(day, None)
        self._outlooks.clear()
        for watched in self._days.values():
            watched.outlook = None

    def _look(self, watched: _Watched, column: Column, key: str, came: Ints) -> Critical | None:
        """Count the searches that have come of a key that is near; the one that makes it critical."""
        tally = watched.tallies.get(key)
        if tally is None:
            tally = watched.tallies[key] = self._tally(watched, column, key, int(came[0]))
        if tally.told:
            return None
        rows: list[int] = came.tolist()
        _count(tally, watched.day, rows)
        # More searches never make a count less critical, so the last tells whether any does.
        if not self._reaches(watched, key, tally):
            return None
        tally = watched.tallies[key] = self._tally(watched, column, key, rows[0])
        for row in rows:
            _count(tally, watched.day, [row])
            if self._reaches(watched, key, tally):
                tally.told = True
                return Critical(row, key, tally, self._windows(watched, key, tally))
        raise AssertionError(f"{key} became critical with none of its searches")

    def _not_below(
        self, watched: _Watched, near: Ints, column: Column, came: Ints, names: Sequence[str]
    ) -> Ints:
        """Those of some keys that may have reached their screen, which few have: a case takes several
        searches. The others are left alone until they have as many more as they lack."""
        anew = np.array([names[place] not in watched.tallies for place in near.tolist()], np.bool_)
        if not anew.any():
            return near
        places = near[anew]
        seen = watched.seen[places]
        most = np.maximum(watched.most_cases(places, column, came), seen - self._allowance)
        lacking = np.maximum(watched.screens[places] - most, 0)
        watched.looks[places] = np.maximum(watched.looks[places], (seen + lacking) * (lacking > 0))
        far = np.zeros(len(near), np.bool_)
        far[anew] = lacking > 0
        return near[~far]

    def _windows(self, watched: _Watched, key: str, tally: Tally) -> Expectation:
        """The windows that end with an open day, its own searches so far included for one key."""
        outlook = watched.outlook
        assert outlook is not None
        observed = outlook.observed.copy()
        observed[:, self._counts.history.rows[key]] += tally.count(self._allowance)
        return Expectation(observed, outlook.mean, outlook.variance)

    def _prepare(self, watched: _Watched) -> None:
        number = watched.day.number
        # What is expected of an open day hangs on its weekday alone.
        outlook = self._outlooks.get(number % 7)
        if outlook is None:
            outlook = self._outlooks[number % 7] = self._counts.outlook(number)
        watched.outlook = outlook
        watched.judged = self._rule.judged(self._counts, number)
        watched.by_row = self._rule.screen(watched.outlook, watched.judged, self._line())
        watched.screens = watched.looks = watched.screens[:0]
        self._screen(watched)
        # Tallies are made when they are needed again: see `_tally`.
        watched.tallies.clear()

    def _screen(self, watched: _Watched) -> None:
        """Screens for the keys that have none."""
        rows, by_row = self._counts.history.rows, watched.by_row
        new = list(islice(watched.keys, len(watched.screens), None))
        if new:
            places = np.array([rows.get(key, NEVER) for key in new], np.int64)
            known = places < len(by_row)
            more = np.full(len(new), NEVER, np.int64)
            more[known] = by_row[places[known]]
            watched.screens = np.concatenate((watched.screens, more))
            watched.looks = np.concatenate((watched.looks, more))

    def _tally(self, watched: _Watched, column: Column, key: str, first: int) -> Tally:
        """The tally of what came before now; `first` is the first search of now.

        What was told is told still only if it would be told now: an open day then depends on the
        closed days and its own searches alone, however often the program was restarted.
        """
        rows = watched.rows_of(key, column).tolist()
        # Cases already counted on closed days, as they stand now.
        before = frozenset(self._cases.before(key)) if self._cases is not None else frozenset()
        tally = Tally(float(watched.day.times[rows[0] if rows else first]), before)
        _count(tally, watched.day, rows)
        tally.told = self._reaches(watched, key, tally)
        return tally

    def _reaches(self, watched: _Watched, key: str, tally: Tally) -> bool:
        """Whether the count is critical, once the number of searches has passed the screen."""
        count = tally.count(self._allowance)
        # What counts never exceeds the number of searches.
        if count < watched.screens[watched.keys[key]] or watched.outlook is None:
            return False
        row = self._counts.history.rows[key]
        return self._rule.reaches(watched.outlook, watched.judged, row, count, self._line())


def _count(tally: Tally, day: OpenDay, rows: Sequence[int]) -> None:
    numbers, subjects, units = (day.column(name) for name in ("case_number", "subject_ref", "unit_id"))
    for row in rows:
        case = numbers.values[numbers.codes[row]] or subjects.values[subjects.codes[row]]
        tally.add(case, units.values[units.codes[row]], day.event_ids[row])
