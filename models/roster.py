"""Who serves where, and since when: the roster with its postings.

Joining and transfer dates matter more to a fair baseline than any model: a newcomer has no
history, and a transfer brings new work. Days are local calendar days, `date.toordinal()`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from msgspec import Struct

#: The end of a posting that is open: a day that never comes.
NO_END = 1 << 40
#: Most remembered answers of `members`.
_MEMORY = 512


class Posting(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One person in one unit from `valid_from` up to, not including, `valid_to` (None: open).

    `trained_until` is the last day on which the training certificate holds, None when unknown.
    """

    requester_id: str
    agency_id: str
    unit_id: str
    role: str = ""
    shift: str = ""
    valid_from: int
    valid_to: int | None = None
    trained_until: int | None = None


class Roster:
    """All postings, ready for look-ups by person and day and by unit and day.

    Badge numbers are an agency's own: `of` gives the roster of one agency, in which look-ups by
    requester belong. Raises ValueError when a posting ends before it begins, or two postings of a
    person in one agency overlap.
    """

    def __init__(self, postings: Iterable[Posting] = ()) -> None:
        postings = tuple(postings)
        agencies = {posting.agency_id for posting in postings}
        self._agencies: dict[str, Roster] = {}
        if len(agencies) > 1:
            for agency_id in sorted(agencies):
                self._agencies[agency_id] = Roster(one for one in postings if one.agency_id == agency_id)
        elif agencies:
            self._agencies[agencies.pop()] = self
        self._postings: dict[str, list[Posting]] = {}
        self._units: dict[tuple[str, str | None], list[Posting]] = {}
        for posting in sorted(postings, key=lambda one: (one.requester_id, one.valid_from)):
            _append(self._postings.setdefault(posting.requester_id, []), posting)
            for unit in (posting.unit_id, None):
                self._units.setdefault((posting.agency_id, unit), []).append(posting)
        self._starts = {name: [one.valid_from for one in own] for name, own in self._postings.items()}
        self._changes: dict[tuple[str, str | None], list[int]] = {}
        self._members: dict[tuple[str, str | None, int], tuple[Posting, ...]] = {}

    def __len__(self) -> int:
        """Number of people."""
        return len(self._postings)

    def of(self, agency_id: str) -> Roster:
        """The roster of one agency; empty when it has none."""
        return self._agencies.get(agency_id) or _NOBODY

    def postings(self, requester_id: str) -> tuple[Posting, ...]:
        """All postings of a person, in order of their begin."""
        return tuple(self._postings.get(requester_id, ()))

    def at(self, requester_id: str, day: int) -> Posting | None:
        """The posting a person holds on a day, None when not serving or not known."""
        starts = self._starts.get(requester_id)
        if starts is None:
            return None
        index = bisect_right(starts, day) - 1
        if index < 0:
            return None
        posting = self._postings[requester_id][index]
        return posting if posting.valid_to is None or day < posting.valid_to else None

    def members(self, agency_id: str, unit_id: str | None, day: int) -> tuple[Posting, ...]:
        """The postings held on a day in a unit (None: in the whole agency), by requester_id."""
        unit = (agency_id, unit_id)
        postings = self._units.get(unit)
        if postings is None:
            return ()
        changes = self._changes.get(unit)
        if changes is None:
            ends = {one.valid_to for one in postings if one.valid_to is not None}
            changes = self._changes[unit] = sorted(ends | {one.valid_from for one in postings})
        # Between two changes the answer is the same, so it is worked out once.
        key = (agency_id, unit_id, bisect_right(changes, day))
        found = self._members.get(key)
        if found is None:
            if len(self._members) >= _MEMORY:
                self._members.clear()
            found = self._members[key] = tuple(one for one in postings if _covers(one, day))
        return found

    def joined(self, requester_id: str) -> int | None:
        """First day of a person's first posting, None when not known."""
        starts = self._starts.get(requester_id)
        return starts[0] if starts else None

    def posting_since(self, requester_id: str, day: int) -> int | None:
        """First day of unbroken service in the unit of `day`: the day of joining or of transfer.

        A new role, shift or certificate in the same unit is no transfer. None when not serving.
        """
        if self.at(requester_id, day) is None:
            return None
        own = self._postings[requester_id]
        index = bisect_right(self._starts[requester_id], day) - 1
        while index > 0 and _continues(own[index - 1], own[index]):
            index -= 1
        return own[index].valid_from


def _append(own: list[Posting], posting: Posting) -> None:
    if posting.valid_to is not None and posting.valid_to <= posting.valid_from:
        raise ValueError(f"a posting of {posting.requester_id} ends on or before the day it begins")
    same = bool(own) and own[-1].agency_id == posting.agency_id
    if same and (own[-1].valid_to is None or own[-1].valid_to > posting.valid_from):
        units = f"{own[-1].unit_id} and {posting.unit_id}"
        raise ValueError(f"postings of {posting.requester_id} in {units} overlap; give the first a valid_to")
    own.append(posting)


def _covers(posting: Posting, day: int) -> bool:
    return posting.valid_from <= day and (posting.valid_to is None or day < posting.valid_to)


def _continues(before: Posting, after: Posting) -> bool:
    same_unit = (before.agency_id, before.unit_id) == (after.agency_id, after.unit_id)
    return same_unit and before.valid_to == after.valid_from


_NOBODY = Roster()
