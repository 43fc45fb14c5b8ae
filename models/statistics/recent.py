"""What is remembered of the last days by name: event ids as evidence, and cases already counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

import msgspec

from models.statistics.tally import Totals

#: Days whose event ids are kept.
EVIDENCE_DAYS = 7
#: Bytes of names in one block of a snapshot, about; no block comes near 512 kB.
_BLOCK_BYTES = 200_000
#: Cases of an agency that are kept under one name.
SOME = 1000

Names = dict[str, list[str]]


class _LastDays:
    """Lists of names by key for a number of closed days."""

    prefix: str

    def __init__(self, length: int) -> None:
        self.length = length
        self.days: dict[int, Names] = {}
        self._given: dict[int, int] = {}
        """Of the days that were among the changes before, the number of blocks."""

    def keep(self, day: int, names: Names) -> list[Names]:
        """Remember a closed day; returns the days that are let go of for it."""
        self.days[day] = names
        gone = [old for old in self.days if old <= day - self.length]
        for old in gone:
            self._given.pop(old, None)
        return [self.days.pop(old) for old in gone]

    def snapshot(self) -> dict[str, bytes]:
        """Blocks `PREFIX/D/N`, where a day keeps its D for as long as it is remembered."""
        return {name: block for day in self.days for name, block in self._blocks(day).items()}

    def changes(self) -> dict[str, bytes | None]:
        """As `snapshot`, with None for what was among the changes before: a closed day stays as it is."""
        found: dict[str, bytes | None] = {}
        for day in self.days:
            if day in self._given:
                found |= dict.fromkeys(self._block(day, number) for number in range(self._given[day]))
            else:
                blocks = self._blocks(day)
                self._given[day] = len(blocks)
                found |= blocks
        return found

    def _blocks(self, day: int) -> dict[str, bytes]:
        return {
            self._block(day, number): msgspec.msgpack.encode((day, part))
            for number, part in enumerate(_parts(self.days[day].items()))
        }

    def _block(self, day: int, number: int) -> str:
        return f"{self.prefix}/{day % self.length:02d}/{number:05d}"

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take back what `snapshot` gave. Raises ValueError naming a block that cannot be read."""
        found: dict[int, Names] = {}
        for name in sorted(name for name in blocks if name.startswith(f"{self.prefix}/")):
            try:
                day, part = msgspec.msgpack.decode(blocks[name], type=tuple[int, Names])
            except msgspec.DecodeError as error:
                raise ValueError(f"block {name} cannot be read: {error}") from error
            found.setdefault(day, {}).update(part)
        self.days = {day: found[day] for day in sorted(found)}
        self._given.clear()


class RecentEvidence(_LastDays):
    """Event ids by key of the last 7 closed days, at most 50 a key and day."""

    prefix = "evidence"

    def __init__(self) -> None:
        super().__init__(EVIDENCE_DAYS)

    def close(self, day: int, totals: Totals) -> None:
        """Remember a closed day."""
        self.keep(day, totals.ids)

    def of(self, key: str, first: int, last: int) -> list[str]:
        """The ids at hand of a key from one day to another, both included, oldest first."""
        return [event for day in range(first, last + 1) for event in self.days.get(day, {}).get(key, ())]


class RecentCases(_LastDays):
    """Case keys by key of the last closed days, at most 50 a key and day."""

    prefix = "cases"

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self._latest: dict[str, dict[str, int]] = {}

    def before(self, key: str) -> Mapping[str, int]:
        """The cases of a key, and the last day of each."""
        return self._latest.get(key, {})

    def close(self, day: int, totals: Totals) -> None:
        """Remember a closed day."""
        self._note(day, totals.cases)
        for gone in self.keep(day, totals.cases):
            for key, cases in gone.items():
                latest = self._latest[key]
                for case in cases:
                    if latest.get(case, day) <= day - self.length:
                        del latest[case]
                if not latest:
                    del self._latest[key]

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take back what `snapshot` gave. Raises ValueError naming a block that cannot be read."""
        super().restore(blocks)
        self._latest = {}
        for day, named in self.days.items():
            self._note(day, named)

    def _note(self, day: int, named: Names) -> None:
        latest = self._latest
        for key, cases in named.items():
            if key in latest:
                latest[key].update(dict.fromkeys(cases, day))
            else:
                latest[key] = dict.fromkeys(cases, day)


class SeenCases(_LastDays):
    """The cases of a whole agency that were new on one of the last closed days, so that each is counted
    once in `length` days."""

    prefix = "seen"

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self._known: set[str] = set()

    def fresh(self, cases: Sequence[str]) -> list[bool]:
        """Of each case, whether no day at hand has it."""
        known = self._known
        return [case not in known for case in cases]

    def close(self, day: int, cases: Sequence[str]) -> None:
        """Remember the new cases of a closed day, each once, in an order that is always the same."""
        self._known.update(cases)
        # In parts, so that no block holds the cases of a busy day all at once.
        named = {str(at): list(cases[at : at + SOME]) for at in range(0, len(cases), SOME)}
        for gone in self.keep(day, named):
            self._known.difference_update(*gone.values())

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take back what `snapshot` gave. Raises ValueError naming a block that cannot be read."""
        super().restore(blocks)
        self._known = set(
            chain.from_iterable(part for named in self.days.values() for part in named.values())
        )


def _parts(names: Iterable[tuple[str, list[str]]]) -> Iterable[Names]:
    part: Names = {}
    size = 0
    for key, own in names:
        part[key] = own
        size += len(key) + sum(map(len, own)) + 3 * len(own)
        if size > _BLOCK_BYTES:
            yield part
            part, size = {}, 0
    # A day without any name is remembered too, or the days at hand would differ after a restart.
    if part or not size:
        yield part
