"""The fast lane: counts of days that are still open, against what would be critical.

What is critical for a key is worked out from the closed days, once for all keys when an open day
is first looked at; a search then costs a look-up and a comparison. Only a key that comes near is
looked at more closely, once. A day that is not the next one after the last closed day is taken to
follow it: the complete days decide in the end.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from models.search import Search
from models.statistics.counts import Counts, Expectation
from models.statistics.recent import RecentCases
from models.statistics.rule import Rule
from models.statistics.tally import NEVER, Tally


class _Entry:
    """A key's searches of one open day. `screen` is a count below which no alert is possible; the
    tally is kept from the moment that it is reached."""

    __slots__ = ("screen", "searches", "tally")

    def __init__(self, screen: int) -> None:
        self.screen = screen
        self.searches: list[Search] = []
        self.tally: Tally | None = None


@dataclass(slots=True)
class _OpenDay:
    entries: dict[str, _Entry] = field(default_factory=dict)
    screens: list[int] | None = None
    """By row, the least count worth a closer look; None until worked out for the closed days."""
    outlook: Expectation | None = None
    judged: np.ndarray | None = None


class OpenDays:
    """Tallies by open local day and key. Not part of any state: open days are fed in again."""

    def __init__(self, counts: Counts, cases: RecentCases | None, rule: Rule, allowance: int) -> None:
        self._counts = counts
        self._cases = cases
        self._rule = rule
        self._allowance = allowance
        self._days: dict[int, _OpenDay] = {}

    def count(self, key: str, search: Search, day: int) -> bool:
        """Count a search. Whether the key comes near what is critical, so that it is worth a look."""
        opened = self._days.get(day)
        if opened is None or opened.screens is None:
            opened = self._prepare(day)
        entry = opened.entries.get(key)
        if entry is None:
            entry = opened.entries[key] = _Entry(self._screen(opened, key))
        searches = entry.searches
        searches.append(search)
        # What counts never exceeds the number of searches.
        return len(searches) >= entry.screen

    def look(self, key: str, search: Search, day: int) -> Tally | None:
        """The key's tally when the search just counted makes it critical, once a key and day."""
        opened = self._days[day]
        entry = opened.entries[key]
        tally = entry.tally
        if tally is None:
            tally = entry.tally = self._tally(key, entry)
        else:
            tally.add(search)
        if tally.told:
            return None
        tally.told = self._reaches(opened, key, entry, tally)
        return tally if tally.told else None

    def seen(self, key: str, day: int) -> Expectation:
        """The windows that end with an open day, its own searches so far included for one key."""
        opened = self._days[day]
        outlook = opened.outlook or self._counts.outlook(day)
        row = self._counts.history.rows[key]
        entry = opened.entries[key]
        tally = entry.tally or self._tally(key, entry)
        observed = outlook.observed.copy()
        observed[:, row] += tally.count(self._allowance)
        return Expectation(observed, outlook.mean, outlook.variance)

    def closed(self, day: int) -> None:
        """Let go of a day that has been closed; what is critical on the others is now stale."""
        self._days.pop(day, None)
        for opened in self._days.values():
            opened.screens = opened.outlook = None

    def _prepare(self, day: int) -> _OpenDay:
        opened = self._days.setdefault(day, _OpenDay())
        opened.outlook = self._counts.outlook(day)
        opened.judged = self._rule.judged(self._counts, day)
        opened.screens = self._rule.screen(opened.outlook, opened.judged).tolist()
        # What was told is told still only if it would be told now: an open day then depends on the
        # closed days and its own searches alone, however often the program was restarted.
        for key, entry in opened.entries.items():
            entry.screen, entry.tally = self._screen(opened, key), None
            if len(entry.searches) >= entry.screen:
                tally = entry.tally = self._tally(key, entry)
                tally.told = self._reaches(opened, key, entry, tally)
        return opened

    def _tally(self, key: str, entry: _Entry) -> Tally:
        tally = Tally(entry.searches[0].event_time.timestamp(), self._before(key))
        tally.add_all(entry.searches)
        return tally

    def _before(self, key: str) -> frozenset[str]:
        """Cases already counted on closed days, as they stand now."""
        return frozenset(self._cases.before(key)) if self._cases is not None else frozenset()

    def _screen(self, opened: _OpenDay, key: str) -> int:
        row = self._counts.history.rows.get(key, NEVER)
        screens = opened.screens or ()
        return screens[row] if row < len(screens) else NEVER

    def _reaches(self, opened: _OpenDay, key: str, entry: _Entry, tally: Tally) -> bool:
        """Whether the count is critical, once the number of searches has passed the screen."""
        count = tally.count(self._allowance)
        if count < entry.screen or opened.outlook is None or opened.judged is None:
            return False
        return self._rule.reaches(opened.outlook, opened.judged, self._counts.history.rows[key], count)
