"""A high count in one sentence: what was seen, what was expected, and beside what it happened."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.calendar import Event
from models.statistics.history import RING, History
from models.statistics.matched_days import MatchedDays
from models.wording import chance, day_text, figure, plural


@dataclass(frozen=True, slots=True)
class Account:
    """A window of `length` days that ended with `day`, for the key in one row of a history.

    `last` is the last closed day, `day` itself or one before it. `peers` is what the peer group is
    called. `events` are those worth naming.
    """

    past: History
    row: int
    place: int
    day: int
    last: int
    searches: int
    observed: int
    mean: float
    interval: tuple[float, float]
    p: float
    peers: str
    events: tuple[Event, ...]
    matched: MatchedDays | None

    def sentence(self) -> str:
        """For example "9 searches in 7 days to 31 May 2020 where 1.2 [0-4] were expected; unit
        median 1; p = 3e-06; 8 of 9 within two days of the demonstration of 30 May 2020."."""
        length = int(self.past.windows[self.place])
        seen = plural(self.searches, "search")
        if self.searches != self.observed:
            seen += f" counting as {plural(self.observed, 'case')}"
        low, high = map(figure, self.interval)
        text = f"{seen} in {plural(length, 'day')} to {day_text(self.day)}"
        text += f" where {figure(self.mean)} [{low}-{high}] were expected"
        if self.matched is not None:
            usual = figure(float(self.matched.mean[self.row]))
            text += f" and {usual} on average on {self.matched.controls} matched occasions"
        return f"{text}{self._median()}; {chance(self.p)}{self._near(length)}."

    def _median(self) -> str:
        past = self.past
        others = past.active & (past.group == past.group[self.row])
        others[self.row] = False
        if not others.any():
            return ""
        return f"; {self.peers} median {figure(float(np.median(past.window_counts[self.place][others])))}"

    def _near(self, length: int) -> str:
        """The event round which most of the counts of closed days were made, if there is one."""
        first = self.day - length + 1
        best: tuple[int, float, Event] | None = None
        for event in self.events:
            days = range(max(first, event.date - 2), min(self.last, event.date + 2) + 1)
            near = int(sum(self.past.counts[number % RING, self.row] for number in days))
            if best is None or (near, event.weight) > best[:2]:
                best = near, event.weight, event
        if best is None or 2 * best[0] <= self.observed:
            return ""
        near, _, event = best
        size = f" (size {event.size:,})" if event.size else ""
        when = day_text(event.date)
        return f"; {near} of {self.observed} within two days of the {event.kind} of {when}{size}"
