"""The past of many keys, kept as columns: discounted sums and the last 91 days of each key.

Memory is 20 bytes a key and day for 91 days plus 73 + 32 bytes a window, whatever the volume.
Columns grow by doubling. Rings are laid out by day, so that closing a day touches one slice of
them and a checkpoint finds only one week of them changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from models.statistics.negative_binomial import Floats, Ints

#: Days kept day by day: 13 weeks, so that windows may be up to 90 days long.
RING = 91
#: Keys in one block of a snapshot; keeps every block under 512 kB.
BLOCK_KEYS = 512

_DAILY: dict[str, Any] = {
    "counts": np.int32,
    "capped": np.int32,
    "searches": np.int32,
    "exposure": np.float64,
}
_TOTALS: dict[str, Any] = {
    "known": np.float64, "served": np.float64, "calm": np.float64, "shock": np.float64,
    "days": np.int64, "group": np.int64, "since": np.int64, "until": np.int64, "told": np.int64,
    "active": np.bool_,
}  # fmt: skip
_WINDOWED: dict[str, Any] = {
    "known_before": np.float64, "served_before": np.float64,
    "window_exposure": np.float64, "window_counts": np.int64,
}  # fmt: skip


class History:
    """The columns; the last axis is the row of a key, in order of first appearance."""

    counts: Ints
    """Ring: counts of each day."""
    capped: Ints
    """Ring: counts as far as they were learned from."""
    searches: Ints
    """Ring: searches of each day, repeats within a case included."""
    exposure: Floats
    """Ring: what each day counted for; 1 is a usual day, 0 no service."""
    known: Floats
    """A: discounted capped counts."""
    served: Floats
    """B: discounted exposure, days."""
    calm: Floats
    """Discounted exposure by weekday alone, without peer shocks, days."""
    shock: Floats
    """Peer shock of the last closed day."""
    days: Ints
    """Days of service on record since joining or transfer."""
    group: Ints
    since: Ints
    """First day of the current posting, 0 without a roster entry."""
    until: Ints
    """Day on which the posting has to be looked up again."""
    told: Ints
    """Last day that raised an alert by itself, 0 before any."""
    active: np.ndarray
    known_before: Floats
    """By window: A as it stood before the window."""
    served_before: Floats
    """By window: B as it stood before the window."""
    window_exposure: Floats
    """By window: sum of exposure, E_W."""
    window_counts: Ints
    """By window: sum of counts."""

    def __init__(self, windows: Ints, discount: float) -> None:
        self.windows = windows
        self.discount = discount
        self.keys: list[str] = []
        self.rows: dict[str, int] = {}
        self._store: dict[str, np.ndarray] = {
            **{name: np.zeros((RING, 0), kind) for name, kind in _DAILY.items()},
            **{name: np.zeros(0, kind) for name, kind in _TOTALS.items()},
            **{name: np.zeros((len(windows), 0), kind) for name, kind in _WINDOWED.items()},
        }
        self._view()

    def __len__(self) -> int:
        """Number of keys."""
        return len(self.keys)

    def bytes_per_key(self) -> int:
        """Bytes of one key's columns, without its name."""
        return sum(store[..., :1].nbytes if store.shape[-1] else 0 for store in self._store.values())

    def enter(self, key: str, group: int) -> int:
        """Give a new key its row, empty and active."""
        row = self.rows[key] = len(self.keys)
        self.keys.append(key)
        capacity = len(self._store["active"])
        if row >= capacity:
            self._reserve(max(64, 2 * capacity))
        self._view()
        self.active[row], self.group[row], self.shock[row] = True, group, 1.0
        return row

    def forget(self, row: int) -> None:
        """Empty a row: whoever it stands for starts anew, as after a transfer."""
        group, until, active = self.group[row], self.until[row], self.active[row]
        for store in self._store.values():
            store[..., row] = 0
        self.group[row], self.until[row], self.active[row], self.shock[row] = group, until, active, 1.0

    def serve(self, row: int, last: int, days: int) -> None:
        """Record `days` usual days of service without a search, up to the ordinal day `last`."""
        if days <= 0:
            return
        self.days[row] = days
        self.exposure[[(last - back) % RING for back in range(min(days, RING))], row] = 1.0
        self.window_exposure[:, row] = np.minimum(self.windows, days)
        rho = self.discount
        self.served[row] = self.calm[row] = (1 - rho**days) / (1 - rho)
        self.served_before[:, row] = (1 - rho ** np.maximum(days - self.windows, 0)) / (1 - rho)

    def advance(self, day: int, counts: Ints, capped: Ints, searches: Ints, exposure: Floats) -> None:
        """Take in a closed day: A <- rho A + capped, B <- rho B + exposure, rings and windows."""
        rho, slot = self.discount, day % RING
        for place, length in enumerate(self.windows):
            # The day that now falls out of the window joins what was known before it.
            past = (day - int(length)) % RING
            self.known_before[place] = rho * self.known_before[place] + self.capped[past]
            self.served_before[place] = rho * self.served_before[place] + self.exposure[past]
            self.window_counts[place] += counts - self.counts[past]
            self.window_exposure[place] += exposure - self.exposure[past]
        self.known *= rho
        self.known += capped
        self.served *= rho
        self.served += exposure
        self.counts[slot], self.capped[slot] = counts, capped
        self.searches[slot], self.exposure[slot] = searches, exposure
        self.days += self.active

    def _reserve(self, capacity: int) -> None:
        for name, store in self._store.items():
            wider = np.zeros((*store.shape[:-1], capacity), store.dtype)
            wider[..., : store.shape[-1]] = store
            self._store[name] = wider

    def _view(self) -> None:
        rows = len(self.keys)
        for name, store in self._store.items():
            setattr(self, name, store[..., :rows])

    def snapshot(self) -> dict[str, bytes]:
        """Blocks of at most 512 kB: `rows/N` and, for each week of the ring, `week/W/N`."""
        blocks: dict[str, bytes] = {}
        for number, first in enumerate(range(0, len(self), BLOCK_KEYS)):
            part = slice(first, min(first + BLOCK_KEYS, len(self)))
            totals = {name: self._store[name][..., part].tobytes() for name in (*_TOTALS, *_WINDOWED)}
            rows = _Rows(keys=self.keys[part], windows=self.windows.tolist(), columns=totals)
            blocks[f"rows/{number:05d}"] = msgspec.msgpack.encode(rows)
            for week in range(RING // 7):
                days = slice(7 * week, 7 * week + 7)
                daily = {name: self._store[name][days, part].tobytes() for name in _DAILY}
                blocks[f"week/{week:02d}/{number:05d}"] = msgspec.msgpack.encode(daily)
        return blocks

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take back what `snapshot` gave. Raises ValueError naming a block that cannot be read."""
        self.__init__(self.windows, self.discount)  # type: ignore[misc]
        for name in sorted(name for name in blocks if name.startswith("rows/")):
            rows = _decode(name, blocks[name], _Rows)
            if rows.windows != self.windows.tolist():
                raise ValueError(f"block {name} was written for windows of {rows.windows} days")
            first, number = len(self), name.removeprefix("rows/")
            for key in rows.keys:
                self.rows[key] = len(self.keys)
                self.keys.append(key)
            if len(self) > len(self._store["active"]):
                self._reserve(max(len(self), 2 * len(self._store["active"])))
            part = slice(first, len(self))
            self._fill(name, rows.columns, {**_TOTALS, **_WINDOWED}, lambda column, at=part: column[..., at])
            for week in range(RING // 7):
                block = f"week/{week:02d}/{number}"
                daily = _decode(block, blocks.get(block, b""), dict[str, bytes])
                days = slice(7 * week, 7 * week + 7)
                self._fill(block, daily, _DAILY, lambda column, at=part, of=days: column[of, at])
        self._view()

    def _fill(
        self, block: str, raw: Mapping[str, bytes], kinds: Mapping[str, Any], cut: Callable[..., np.ndarray]
    ) -> None:
        for name, kind in kinds.items():
            target = cut(self._store[name])
            values = np.frombuffer(raw.get(name, b""), kind)
            if values.size != target.size:
                raise ValueError(
                    f"block {block}: column {name} holds {values.size} values, not {target.size}"
                )
            target[...] = values.reshape(target.shape)


class _Rows(Struct):
    keys: list[str]
    windows: list[int]
    columns: dict[str, bytes]


def _decode(block: str, raw: bytes, kind: Any) -> Any:
    try:
        return msgspec.msgpack.decode(raw, type=kind)
    except msgspec.DecodeError as error:
        raise ValueError(f"block {block} cannot be read: {error}") from error
