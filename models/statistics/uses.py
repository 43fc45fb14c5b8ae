"""Who searched for whom under which case number, as numbers that take 20 bytes a use.

A number may be used again after years, so its uses must be kept for as long. They are kept as check
sums: a case number as 64 bits, so that two of a million are hardly ever taken for one; requester
and person, who are compared within one case only, as 32 bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple, cast
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from models.columns import Ints
from models.windows import Day, manual

#: Uses of one number that are kept. One under which more is done is a placeholder or a job's.
MOST_USES = 500
#: Uses that may stand apart from the many, at least.
LATEST = 1_000
#: Bytes of one use in the state.
USE_BYTES = 20

Numbers = NDArray[np.unsignedinteger[Any]]
_KEPT = np.dtype([("case", "<u8"), ("who", "<u4"), ("whom", "<u4"), ("day", "<i4")])


class Use(NamedTuple):
    """One use: a local day, the requester, and the person searched for (0 where none is named)."""

    day: int
    who: int
    whom: int


class Today(NamedTuple):
    """The searches of a day that cite a case number; entry i is that of `rows[i]`."""

    rows: Ints
    by_hand: NDArray[np.bool_]
    case: Numbers
    who: Numbers
    whom: Numbers

    @classmethod
    def of(cls, day: Day) -> Today:
        """Automatic look-ups are uses, too, but name nobody."""
        numbers, codes = day.column("case_number")
        stripped = [(number or "").strip() for number in numbers]
        rows = np.flatnonzero(np.array([bool(number) for number in stripped], np.bool_)[codes])
        by_hand = manual(day)[rows]
        case = np.array([_long(number) for number in stripped], np.uint64)[codes[rows]]
        who, whom = (_short(*day.column(name), rows) for name in ("requester_id", "subject_ref"))
        return cls(rows, by_hand, case, who, np.where(by_hand, whom, np.uint32(0)))

    def only(self, these: NDArray[np.bool_]) -> Today:
        """Some of them."""
        rows, by_hand, case, who, whom = self
        return Today(rows[these], by_hand[these], case[these], who[these], whom[these])


class _Sorted(NamedTuple):
    """Uses by case number, and those of one by day."""

    cases: Numbers
    uses: NDArray[Any]

    @classmethod
    def of(cls, uses: NDArray[Any]) -> _Sorted:
        """Uses that are in the order of their days."""
        uses = uses[np.argsort(uses["case"], kind="stable")]
        return cls(np.ascontiguousarray(uses["case"]), uses)

    def and_then(self, later: _Sorted) -> _Sorted:
        """These and later ones."""
        after = np.searchsorted(self.cases, later.cases, "right")
        return _Sorted(np.insert(self.cases, after, later.cases), np.insert(self.uses, after, later.uses))


class Uses:
    """The uses of closed days, until they are forgotten."""

    def __init__(self) -> None:
        # The latest stand by themselves: to put a few among very many takes long.
        self._old = self._late = _Sorted.of(np.zeros(0, _KEPT))
        self._weeks: dict[int, bytes] = {}

    def where(self, cases: Numbers) -> Ints:
        """For `between`, where the uses of some numbers stand; shape (n, 2, 2)."""
        found = [
            [np.searchsorted(part.cases, cases, side) for side in ("left", "right")]
            for part in (self._old, self._late)
        ]
        return cast(Ints, np.moveaxis(np.array(found), 2, 0))

    def between(self, places: Ints) -> list[Use]:
        """The uses of one number, by day."""
        found: list[Use] = []
        for part, (first, end) in zip((self._old, self._late), places.tolist(), strict=True):
            own = part.uses[first:end]
            found += map(Use, own["day"].tolist(), own["who"].tolist(), own["whom"].tolist())
        return found

    def remember(self, day: int, today: Today) -> None:
        """Take in the uses of a closed day, each once and of one number as many as fit."""
        new = np.zeros(len(today.rows), _KEPT)
        new["case"], new["who"], new["whom"], new["day"] = today.case, today.who, today.whom, day
        new = new[np.lexsort((new["whom"], new["who"], new["case"]))]
        new = new[np.concatenate(([True], new[1:] != new[:-1]))] if len(new) else new
        _, first, place = np.unique(new["case"], return_index=True, return_inverse=True)
        new = new[np.arange(len(new)) - first[place] < MOST_USES]
        if len(new):
            self._weeks[day // 7] = self._weeks.get(day // 7, b"") + new.tobytes()
            self._late = self._late.and_then(_Sorted.of(new))
            if len(self._late.uses) > LATEST + len(self._old.uses) // 16:
                self._old, self._late = self._old.and_then(self._late), _Sorted.of(new[:0])

    def forget(self, before: int) -> None:
        """Let go of the weeks that ended before an ordinal day."""
        gone = [week for week in self._weeks if 7 * (week + 1) <= before]
        for week in gone:
            del self._weeks[week]
        if gone:
            first = 7 * (max(gone) + 1)
            self._old, self._late = (
                _Sorted.of(part.uses[part.uses["day"] >= first]) for part in (self._old, self._late)
            )

    def snapshot(self) -> dict[str, bytes]:
        """Blocks `week/N` with the uses of a week."""
        return {f"week/{week}": block for week, block in self._weeks.items()}

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take back what `snapshot` gave, into an empty one. Raises ValueError."""
        for week in sorted(int(name[5:]) for name in blocks if name.startswith("week/")):
            self._weeks[week] = blocks[f"week/{week}"]
        self._old = _Sorted.of(np.frombuffer(b"".join(self._weeks.values()), _KEPT))


class Rest(NamedTuple):
    """A requester alone took a number up again: the rest before in days, the days and the persons
    new to the case since."""

    length: int
    days: int
    persons: int


def persons_new(history: Sequence[Use], who: int) -> dict[int, int]:
    """The persons new to the case when a requester searched for them, and the day on which."""
    first: dict[int, int] = {}
    for use in history:
        first.setdefault(use.whom, use.day)
    return {
        use.whom: use.day for use in history if use.who == who and use.whom and first[use.whom] == use.day
    }


def weeks_with_new(history: Sequence[Use], who: int) -> set[int]:
    """The weeks in which a requester searched for a person new to the case."""
    return {day // 7 for day in persons_new(history, who).values()}


def rest_before(history: Sequence[Use], who: int, least: int) -> Rest | None:
    """The longest rest after which a requester, alone, took a number up on `least` days or more."""
    best: Rest | None = None
    persons = persons_new(history, who)
    days: set[int] = set()
    for before, use in zip(history[-2::-1], history[:0:-1], strict=True):
        if use.who != who:
            break
        days.add(use.day)
        length = use.day - before.day
        if len(days) >= least and length > (best.length if best else 0):
            new = sum(day >= use.day for day in persons.values())
            if new:
                best = Rest(length, len(days), new)
    return best


def _long(name: str) -> int:
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little")


def _short(values: Iterable[str | None], codes: NDArray[Any], rows: Ints) -> Numbers:
    """A check sum of each row's value, 0 only where there is none."""
    numbers = np.array([crc32(value.encode()) or 1 if value else 0 for value in values], np.uint32)
    return cast(Numbers, numbers[codes[rows]])
