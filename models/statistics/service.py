"""From when to when a requester is expected to search: the roster, followed day by day.

A key is expected to search from its first day in a unit, not from its first search: quiet weeks
before it count. After a transfer it starts anew with the new unit's prior; on leave time stops.
A requester who is not on the roster serves from the first search on.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from models.roster import NO_END, Roster
from models.statistics.counts import Counts


class Service:
    """Keeps the rows of a `Counts` in step with a roster; `over` says what the peer groups are."""

    def __init__(self, counts: Counts, roster: Roster, over: Literal["unit", "agency", "none"]) -> None:
        self.counts = counts
        self.roster = roster
        self.over = over
        # The roster may have changed since the state was written, so all are looked up once.
        self._all_due = True

    def follow(self, day: int) -> None:
        """Apply the postings that begin or end by `day`, an ordinal."""
        past = self.counts.history
        due = np.arange(len(past)) if self._all_due else np.flatnonzero(past.until <= day)
        for row in due.tolist():
            self._post(row, past.keys[row], day, None)
        self._all_due = False

    def enter(self, key: str, unit_id: str, day: int) -> int:
        """The row for a requester who has none yet; `unit_id` is where the first search was made."""
        row = self.counts.history.enter(key, self._group(key, unit_id))
        self._post(row, key, day, unit_id)
        return row

    def moved(self, row: int, unit_id: str) -> None:
        """A requester without a roster entry searched in a unit: that is now the peer group."""
        past = self.counts.history
        if not past.since[row] and past.active[row]:
            past.group[row] = self._group(past.keys[row], unit_id)

    def _group(self, key: str, unit_id: str) -> int:
        return self.counts.group({"unit": unit_id, "agency": "", "none": key}[self.over])

    def _post(self, row: int, key: str, day: int, unit_id: str | None) -> None:
        past = self.counts.history
        posting, since = self.roster.at(key, day), self.roster.posting_since(key, day)
        if posting is None or since is None:
            absent = self.roster.joined(key) is not None
            past.active[row] = not absent
            past.until[row] = day + 1 if absent else NO_END
            return
        past.active[row] = True
        past.until[row] = NO_END if posting.valid_to is None else posting.valid_to
        past.group[row] = self._group(key, posting.unit_id)
        if since == past.since[row]:
            return
        if unit_id is None and not past.since[row] and since < self.counts.first_day:
            # Newly on the roster, but serving here all along: what is known stays true.
            past.since[row] = since
            return
        past.forget(row)
        past.since[row] = since
        began = max(since, self.counts.first_day or day)
        past.serve(row, day - 1, day - began)
