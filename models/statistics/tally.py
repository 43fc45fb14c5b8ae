"""What one key did on one day, and the event ids of the last days as evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from models.search import Search

#: Days whose event ids are kept, and most ids a key keeps of a day.
EVIDENCE_DAYS, IDS_A_DAY = 7, 50
#: An allowance so large that only distinct cases count.
CASES_ONLY = 1 << 60
#: A critical count that no day reaches.
NEVER = 1 << 60
#: Bytes of ids in one block of a snapshot, about.
_BLOCK_BYTES = 300_000


class Tally:
    """Searches and distinct cases of one key on one local day.

    `critical` is the least count worth a closer look, and `exact` says that it has had one.
    """

    __slots__ = ("cases", "critical", "exact", "first", "ids", "searches", "told", "unit_id")

    def __init__(self, first: float, critical: int = NEVER) -> None:
        self.first = first
        self.critical = critical
        self.exact = self.told = False
        self.searches = 0
        self.cases: set[str] = set()
        self.ids: list[str] = []
        self.unit_id = ""

    def add(self, search: Search) -> None:
        """Count a search. Its case is its case number, else its subject, else itself."""
        self.searches += 1
        self.cases.add(search.case_number or search.subject_ref or search.event_id)
        if self.searches <= IDS_A_DAY:
            self.ids.append(search.event_id)
        self.unit_id = search.unit_id

    def count(self, allowance: int) -> int:
        """Distinct cases, or the searches beyond the allowance if they are more.

        One honest case takes several searches, so repeats are forgiven, but not without end:
        with an allowance of 0 it is plainly the number of searches.
        """
        return max(len(self.cases), self.searches - allowance)


class RecentEvidence:
    """Event ids by key of the last 7 closed days, at most 50 a key and day."""

    def __init__(self) -> None:
        self._days: dict[int, dict[str, list[str]]] = {}

    def keep(self, day: int, tallies: Mapping[str, Tally]) -> None:
        """Remember a closed day and let go of the one before last week's."""
        self._days[day] = {key: tally.ids for key, tally in tallies.items()}
        for old in [number for number in self._days if number <= day - EVIDENCE_DAYS]:
            del self._days[old]

    def of(self, key: str, first: int, last: int) -> list[str]:
        """The ids at hand of a key from one day to another, both included, oldest first."""
        return [event for day in range(first, last + 1) for event in self._days.get(day, {}).get(key, ())]

    def snapshot(self) -> dict[str, bytes]:
        """Blocks `evidence/D/N`, D the day of the week, each well under 512 kB."""
        blocks: dict[str, bytes] = {}
        for day, keys in self._days.items():
            for number, part in enumerate(_parts(keys.items())):
                block = msgspec.msgpack.encode((day, part))
                blocks[f"evidence/{day % EVIDENCE_DAYS}/{number:05d}"] = block
        return blocks

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take back what `snapshot` gave. Raises ValueError naming a block that cannot be read."""
        found: dict[int, dict[str, list[str]]] = {}
        for name in sorted(name for name in blocks if name.startswith("evidence/")):
            try:
                day, part = msgspec.msgpack.decode(blocks[name], type=tuple[int, dict[str, list[str]]])
            except msgspec.DecodeError as error:
                raise ValueError(f"block {name} cannot be read: {error}") from error
            found.setdefault(day, {}).update(part)
        self._days = {day: found[day] for day in sorted(found)}


def _parts(keys: Iterable[tuple[str, list[str]]]) -> Iterable[dict[str, list[str]]]:
    part: dict[str, list[str]] = {}
    size = 0
    for key, ids in keys:
        part[key] = ids
        size += len(key) + sum(map(len, ids)) + 3 * len(ids)
        if size > _BLOCK_BYTES:
            yield part
            part, size = {}, 0
    # A day without searches is remembered too, or the days at hand would differ after a restart.
    if part or not size:
        yield part
