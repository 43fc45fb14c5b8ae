"""The searches of an agency as weekly counts by requester, unit, tool or agency, with the roster's postings.

A count is a case a day: the same case searched for on two days counts twice, ten searches of one day
once. A key is expected to search from its first one on, and only while its posting lasts; after a
transfer it begins anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from msgspec import Struct

from models.columns import Column, Ints, distinct
from models.roster import NO_END, Roster
from models.statistics.past_scores import PastScores
from models.statistics.weeks import Compared, Weeks
from models.windows import Day, grouped, manual

By = Literal["requester", "unit", "tool", "agency"]
FIELDS = {"requester": "requester_id", "unit": "unit_id", "tool": "tool", "agency": "agency_id"}
#: Days of a key of which an event id is kept.
MOST_IDS = 8


class Weekly:
    """The weeks of an agency's keys, the latest ids of each, and the scores that were given before."""

    def __init__(
        self,
        by: By,
        windows: Sequence[int],
        lag: int,
        half_life_weeks: float,
        roster: Roster,
        canonical: Callable[[str], str],
    ) -> None:
        self.by, self.roster, self.canonical = by, roster, canonical
        self.weeks = Weeks(windows, lag, half_life_weeks, peers=by in ("requester", "unit"))
        self.ids = np.full((MOST_IDS, 0), "", object)
        """Ring by key: the id of the last search of each of the last days with any."""
        self.turn: Ints = np.zeros(0, np.int64)
        """By key the number of its days with a search."""
        self.units = np.zeros(0, object)
        """By key the unit of its last search."""
        self.past = PastScores()
        # The roster may have changed since the state was written, so all are looked up once.
        self._all_due = True

    def close(self, day: Day) -> Compared | None:
        """Take in a closed day; at the end of a week, compare all keys."""
        made = day.once(("cases by", self.by), lambda: self._made(day))
        weeks = self.weeks
        self._follow(day.number)
        known = len(weeks)
        rows = weeks.enter(made.names, made.units if self.by == "requester" else [""] * len(made.names))
        if len(weeks) > known:
            more = len(weeks) - known
            self.ids = np.concatenate([self.ids, np.full((MOST_IDS, more), "", object)], axis=1)
            self.turn = np.concatenate([self.turn, np.zeros(more, np.int64)])
            self.units = np.concatenate([self.units, np.full(more, "", object)])
        self.units[rows] = made.units
        self.ids[self.turn[rows] % MOST_IDS, rows] = made.ids
        self.turn[rows] += 1
        if self.by == "requester":
            for place in np.flatnonzero(weeks.since[rows] == 0).tolist():
                # The roster tells of all others where they are.
                weeks.group[rows[place]] = weeks.group_number(made.units[place])
            for row in range(known, len(weeks)):
                self._post(row, day.number, new=True)
        return weeks.close(day.number, rows, made.cases)

    def latest(self, row: int) -> list[str]:
        """The last search of each of the last days on which a key searched, oldest first."""
        turn = int(self.turn[row])
        return [str(self.ids[at % MOST_IDS, row]) for at in range(max(0, turn - MOST_IDS), turn)]

    def _made(self, day: Day) -> _Made:
        """Who searched, and under how many cases each."""
        if self.by == "tool":
            column = day.column("tool")
            named = Column([self.canonical(value) for value in column.values], column.codes)
            keys = grouped(named, np.flatnonzero(manual(day)))
        else:
            keys = day.manual_by(FIELDS[self.by])
        values, codes = day.cases
        number, case, size = keys.number, codes[keys.rows].astype(np.int64), max(len(values), 1)
        pairs = distinct(number[case >= 0] * size + case[case >= 0])
        groups = len(keys.names)
        cases = np.bincount(pairs // size, minlength=groups) + np.bincount(number[case < 0], minlength=groups)
        last = (keys.rows[keys.bounds[1:] - 1] if groups else np.zeros(0, np.int64)).tolist()
        units, unit_codes = day.column("unit_id")
        return _Made(
            keys.names,
            cases,
            [units[unit_codes[row]] or "" for row in last],
            [day.event_ids[row] for row in last],
        )

    def _follow(self, day: int) -> None:
        """Apply the postings that begin or end by a day."""
        if self.by != "requester":
            return
        due = np.arange(len(self.weeks)) if self._all_due else np.flatnonzero(self.weeks.until <= day)
        for row in due.tolist():
            self._post(row, day, new=False)
        self._all_due = False

    def _post(self, row: int, day: int, *, new: bool) -> None:
        weeks, key = self.weeks, self.weeks.keys[row]
        posting, since = self.roster.at(key, day), self.roster.posting_since(key, day)
        if posting is None or since is None:
            absent = self.roster.joined(key) is not None
            weeks.active[row] = not absent
            weeks.until[row] = day + 1 if absent else NO_END
            return
        weeks.active[row] = True
        weeks.until[row] = NO_END if posting.valid_to is None else posting.valid_to
        weeks.group[row] = weeks.group_number(posting.unit_id)
        if since != weeks.since[row]:
            # Newly on the roster, but serving here all along: what is known stays true.
            if not new and (weeks.since[row] or since >= weeks.first_day):
                weeks.forget(row)
            weeks.since[row] = since

    def chances(self, scores: np.ndarray) -> np.ndarray:
        """How rare such scores are among those of earlier weeks; then these are remembered."""
        found = self.past.chances(scores)
        self.past.add(scores)
        return found

    def snapshot(self) -> dict[str, bytes]:
        """Blocks of the weeks, `latest` and `scores`."""
        rest = _Rest(
            self.ids.T.tolist(), self.turn.tobytes(), self.units.tolist(), self.past.scores.tobytes()
        )
        return {**self.weeks.snapshot(), "latest": msgspec.msgpack.encode(rest)} if len(self.weeks) else {}

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take back what `snapshot` gave. Raises ValueError when it cannot be read."""
        try:
            self.weeks.restore(blocks)
            rest = msgspec.msgpack.decode(blocks["latest"], type=_Rest)
        except (KeyError, msgspec.DecodeError) as error:
            raise ValueError(f"weekly counts cannot be read: {error!r}") from error
        self.ids = np.array(rest.ids, object).reshape(-1, MOST_IDS).T.copy()
        self.turn = np.frombuffer(rest.turn, np.int64).copy()
        self.units = np.array(rest.units, object)
        self.past = PastScores(np.frombuffer(rest.scores).copy())


class _Rest(Struct, array_like=True):
    ids: list[list[str]]
    turn: bytes
    units: list[str]
    scores: bytes


class _Made(NamedTuple):
    names: list[str]
    cases: Ints
    units: list[str]
    """Unit of the last search of each."""
    ids: list[str]
    """And its id."""
