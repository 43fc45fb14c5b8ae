"""Is this share high? Empirical-Bayes beta-binomials over many keys, several values and windows.

A key makes trials, and of each value some of them are hits. The chance of a hit is beta
distributed among the members of a peer group, round the group's own share, and learned from the
key's discounted past. With H hits and N trials as they stood before a window of n trials, group
share m and correlation c between members:

    s = 1/c - 1        mu = (s m + H/phi) / (s + N/phi)        rho = 1 - (1 - 1/(s + N/phi + 1)) (1 - r)

where r, the correlation within a window beyond what the beta says, is learned from squared
residuals, and phi = 1 + r n makes the past count for less when hits come in clumps. What befalls
the peers in the same window is no surprise: mu is moved by as many log-odds as theirs.

Sums grow with time instead of fading: what happened on day d weighs 2^(d / half-life).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from models.statistics.beta_binomial import Floats, Ints, log_chance, upper_tail

#: Trials of a group at which its share weighs as much as the agency's.
LEAN = 20.0
#: Correlation between members where it cannot be told, its bounds, and members at which it can.
BETWEEN, LEAST_BETWEEN, MOST_BETWEEN, MEMBERS = 0.1, 0.02, 0.6, 10.0
#: Correlation within a window before there is data, its bounds, and the weight of the first.
WITHIN, LEAST_WITHIN, MOST_WITHIN, WITHIN_WEIGHT = 0.05, 0.005, 0.6, 20.0
#: A chance is not taken to be smaller: what was never seen is not known to be that rare.
LEAST_SHARE = 1e-6
#: Most that one colleague counts for in what the peers did, trials.
ONE_PEER = 5.0
#: Standard deviations above the mean at which a peer does it too; so many peers, and such a part of
#: those of the unit (or agency) who made trials in the window, make it a matter of the group.
ALIKE, LEAST_ALIKE, PART_ALIKE = 2.0, 3, 0.25
#: A day teaches no more hits than the mean and so many standard deviations, or this many.
CAP, LEAST_CAP = 4.0, 3.0
#: A chance below this is "surprising" when the model checks itself; residuals with one below
#: the second are not learned from.
SURPRISING, ABSURD = 0.01, 1e-5
#: Four weeks times ln 2: the discounted past, by the half-life, gives the trials of a month.
MONTH = 28 * 0.693
#: Keys in one block of a snapshot.
BLOCK_KEYS = 512
_TINY = 1e-9

Kind = TypeVar("Kind", np.int64, np.float64)


@dataclass(frozen=True, slots=True)
class Closed:
    """Trials and hits of one closed day, one row for each key that made trials."""

    day: int
    rows: Ints
    trials: Ints
    hits: Ints
    """Shape (len(rows), values)."""
    learned: Floats
    """Hits as far as they were learned from, the same shape."""

    def packed(self) -> bytes:
        """The block in which it is kept."""
        rows, trials, hits = _small(self.rows), _small(self.trials), _small(self.hits)
        return msgspec.msgpack.encode(
            _Day(self.day, self.hits.shape[1], rows, trials, hits, self.learned.tobytes())
        )


@dataclass(frozen=True, slots=True)
class Window:
    """What the keys of one day have in the window that ends with it; all are (keys, values). What is
    reckoned is left at 0 (`p` at 1) for keys without a hit on the day, but where the model checks itself."""

    length: int
    trials: Ints
    hits: Ints
    mean: Floats
    """Chance of a hit, in (0, 1)."""
    rho: Floats
    shared: NDArray[np.bool_]
    """Whether so many peers do the same that it is a matter of the group."""
    p: Floats
    """P(as many hits or more); 1 where that is not asked."""
    peers: Floats
    """Share of the other keys of the agency in the same window, 0 without any."""


class Shares:
    """Shares of many keys. `windows` in days, `half_life` in days; values are added as they come."""

    def __init__(self, windows: Sequence[int], half_life: float) -> None:
        self.windows = tuple(sorted(set(windows)))
        self.half_life = half_life
        self.keys: list[str] = []
        self.rows: dict[str, int] = {}
        self.groups: dict[str, int] = {}
        self.values: list[str] = []
        self.first_day = self.last_day = 0
        self.group: Ints = np.zeros(0, np.int64)
        #: First day of the current service, and whether the roster tells it.
        self.since: Ints = np.zeros(0, np.int64)
        self.posted: NDArray[np.bool_] = np.zeros(0, np.bool_)
        self.until: Ints = np.zeros(0, np.int64)
        lengths = len(self.windows)
        #: What each window (second axis) holds, and, discounted, what lies before it.
        self.trials_in: Ints = np.zeros((0, lengths), np.int64)
        self.hits_in: Ints = np.zeros((0, lengths, 0), np.int64)
        self.trials_before: Floats = np.zeros((0, lengths))
        self.hits_before: Floats = np.zeros((0, lengths, 0))
        self.told: Ints = np.zeros((0, 0), np.int64)
        self.recent: list[Closed] = []
        #: By window and value: squared residuals beyond chance, and what one unit of correlation adds.
        self.excess: Floats = np.zeros((len(self.windows), 0))
        self.scale: Floats = np.zeros((len(self.windows), 0))
        #: Cells that were checked, and how many of them were surprising.
        self.checked = self.surprising = 0.0
        self._given: set[int] = set()
        """Days that were among the changes before."""

    def __len__(self) -> int:
        """Number of keys."""
        return len(self.keys)

    def enter(self, keys: Sequence[str], day: int) -> Ints:
        """The row of each key, new ones added at the end and in service from `day` on."""
        new = [key for key in dict.fromkeys(keys) if key not in self.rows]
        if new:
            self.rows.update(zip(new, range(len(self), len(self) + len(new)), strict=True))
            self.keys += new
            for name in (*_COLUMNS, "trials_in", "hits_in"):
                column = getattr(self, name)
                added = np.zeros((len(new), *column.shape[1:]), column.dtype)
                setattr(self, name, np.concatenate((column, added)))
            self.since[-len(new) :] = day
        return np.array([self.rows[key] for key in keys], np.int64)

    def group_of(self, name: str) -> int:
        """The number of a peer group, new ones added."""
        return self.groups.setdefault(name, len(self.groups))

    def value(self, names: Sequence[str]) -> None:
        """Make room for values that are new."""
        new = [name for name in dict.fromkeys(names) if name not in self.values]
        if not new:
            return
        self.values += new
        for name in ("hits_in", "hits_before", "told", "excess", "scale"):
            setattr(self, name, _wider(getattr(self, name), len(self.values)))

    def forget(self, row: int, since: int) -> None:
        """A key starts anew on a day, as after a transfer: windows do not reach behind it."""
        self.since[row] = since
        self.told[row] = 0
        for one in self.recent:
            if one.day < since:
                at = one.rows == row
                one.trials[at] = one.hits[at] = one.learned[at] = 0
                self._given.discard(one.day)
        self.trials_before[row] = self.hits_before[row] = 0.0
        self.trials_in[row] = self.hits_in[row] = 0
        for one in self.recent:
            for place, length in enumerate(self.windows):
                at = np.flatnonzero(one.rows == row)
                if one.day > self.last_day - length:
                    self._count(place, one, at, 1)
                else:
                    self._learn(place, one, at)

    def _count(self, place: int, one: Closed, at: Ints | slice, sign: int) -> None:
        """Put some rows of a closed day into a window, or take them out of it."""
        rows, values = one.rows[at], one.hits.shape[1]
        self.trials_in[rows, place] += sign * one.trials[at]
        self.hits_in[rows, place, :values] += sign * one.hits[at]

    def _learn(self, place: int, one: Closed, at: Ints | slice) -> None:
        """Count some rows of a closed day into what lies before a window."""
        rows, values, weight = one.rows[at], one.hits.shape[1], self._weight(one.day)
        self.trials_before[rows, place] += one.trials[at] * weight
        self.hits_before[rows, place, :values] += one.learned[at] * weight

    def _move_on(self, today: Closed) -> None:
        """Let the windows end with a day: what drops out of one is what was before it."""
        everything = slice(None)
        for place, length in enumerate(self.windows):
            for one in self.recent:
                if self.last_day - length < one.day <= today.day - length:
                    self._count(place, one, everything, -1)
                    self._learn(place, one, everything)
            self._count(place, today, everything, 1)
        self.recent = [one for one in self.recent if one.day > today.day - self.windows[-1]]

    def close(
        self, day: int, rows: Ints, trials: Ints, hits: Ints, judged: NDArray[np.bool_]
    ) -> list[Window]:
        """Compare the windows that end with a complete day, for the keys that made trials on it, then
        learn the day. `judged` are the cells (keys, values) for which a chance is asked if there is a
        hit on the day.

        Raises ValueError when days do not follow one another.
        """
        if self.last_day and day <= self.last_day:
            raise ValueError(f"day {day} cannot be closed after day {self.last_day}")
        today = Closed(day, rows, trials.copy(), hits.copy(), hits.astype(np.float64))
        self._move_on(today)
        self.first_day, self.last_day = self.first_day or day, day
        if not self.hits_before.any() and not self.hits_in.any():
            # Nobody has ever had a hit, so there is nothing to compare.
            found = []
            self.checked += hits.size
            self.surprising += SURPRISING * hits.size
        else:
            found = self._windows(today, judged & (hits > 0))
        if len(rows):
            if found and self._settled(day):
                self._check(found[self._checks(day)], self._checks(day))
                mean, rho, n = found[0].mean, found[0].rho, trials[:, None]
                spread = np.sqrt(n * mean * (1 - mean) * (1 + (n - 1) * rho))
                most = np.maximum(LEAST_CAP, np.ceil(n * mean + CAP * spread))
                np.minimum(hits, most, out=today.learned)
            self.recent.append(today)
        if day % 7 == 0:
            fade = 2.0 ** (-7 / self.half_life)
            self.excess *= fade
            self.scale *= fade
            self.checked *= fade
            self.surprising *= fade
        return found

    @property
    def unrest(self) -> float:
        """How many times more surprising cells there were than there should be, at least 1."""
        return max(1.0, (self.surprising + 1.0) / (self.checked * SURPRISING + 1.0))

    def _settled(self, day: int) -> bool:
        return day - self.first_day >= 28

    def _weight(self, day: int | Ints) -> Floats:
        return np.asarray(2.0 ** ((np.asarray(day) - self.first_day) / self.half_life))

    def _within(self, place: int) -> Floats:
        """The correlation within a window, by value; values lean on all of them together."""
        excess, scale = self.excess[place], self.scale[place]
        whole = (excess.sum() + WITHIN_WEIGHT * WITHIN) / (scale.sum() + WITHIN_WEIGHT)
        own = (excess + WITHIN_WEIGHT * whole) / (scale + WITHIN_WEIGHT)
        return np.asarray(np.clip(own, LEAST_WITHIN, MOST_WITHIN))

    def _windows(self, today: Closed, judged: NDArray[np.bool_]) -> list[Window]:
        """The windows that end with a day that has not been learned yet."""
        weight = self._weight(today.day)
        trials = self.trials_before / weight
        hits = np.minimum(self.hits_before / weight, trials[:, :, None])
        # What happens in a window must not say what is usual, in the longest one either.
        prior = self._prior(trials[:, -1], hits[:, -1])
        # All are needed only where the model checks itself; else no more than have a hit.
        every, some = np.arange(len(today.rows)), np.flatnonzero(today.hits.any(axis=1))
        found = []
        for place in range(len(self.windows)):
            asked = every if place == self._checks(today.day) else some
            counted = (self.trials_in[:, place], self.hits_in[:, place], trials[:, place], hits[:, place])
            found.append(self._window(place, today, judged, asked, prior, *counted))
        return found

    def _window(
        self, place: int, today: Closed, judged: NDArray[np.bool_], asked: Ints, prior: tuple[Floats, Floats],
        trials: Ints, hits: Ints, past_trials: Floats, past_hits: Floats,
    ) -> Window:  # fmt: skip
        length, values, within = self.windows[place], len(self.values), self._within(place)
        base, size_of = prior
        member = np.flatnonzero(trials > 0)
        n, k = trials[member].astype(np.float64)[:, None], hits[member].astype(np.float64)
        who = self.group[member]
        # About so many trials come in four weeks: as many hang together.
        phi = 1 + within * past_trials[member][:, None] * MONTH / self.half_life
        strength = size_of + past_trials[member][:, None] / phi
        mean = (size_of * base[who] + past_hits[member] / phi) / strength
        mean = np.clip(mean, LEAST_SHARE, 1 - LEAST_SHARE)
        rho = 1 - (1 - 1 / (strength + 1)) * (1 - within)
        slot = np.full(len(self), -1)
        slot[member] = np.arange(len(member))
        own = slot[today.rows[asked]]
        moved, alike, peers = self._peers(n, k, mean, rho, who, own)

        def of_all(part: np.ndarray) -> np.ndarray:
            every = np.zeros((len(today.rows), values), part.dtype)
            every[asked] = part
            return every

        one = Window(
            length, np.repeat(trials[today.rows, None], values, 1), hits[today.rows],
            of_all(moved), of_all(rho[own]), of_all(alike), np.ones(today.hits.shape), of_all(peers),
        )  # fmt: skip
        high = judged & ~one.shared & (one.hits > one.trials * one.mean)
        one.p[high] = upper_tail(one.hits[high], one.trials[high], one.mean[high], one.rho[high])
        return one

    def _checks(self, day: int) -> int:
        """Which window of a day the model checks itself with: one after the other."""
        return day % len(self.windows)

    def _prior(self, trials: Floats, hits: Floats) -> tuple[Floats, Floats]:
        """By group and value the share m, and by value s = 1/c - 1."""
        groups = max(len(self.groups), 1)
        all_trials = np.bincount(self.group, trials, groups)
        all_hits = _sums(hits, self.group, groups)
        whole = (all_hits.sum(0) + 0.1) / (all_trials.sum() + 10.0)
        share = (all_hits + LEAN * whole) / (all_trials[:, None] + LEAN)
        served = trials > 1
        n, group = trials[served], self.group[served]
        own = hits[served] / n[:, None] - share[group]
        variance = share * (1 - share)
        scatter = (n[:, None] * own**2).sum(0) - variance[group].sum(0)
        spread = ((n - 1)[:, None] * variance[group]).sum(0)
        members = len(n) / (len(n) + MEMBERS)
        between = np.where(spread > 0, scatter / np.maximum(spread, _TINY), BETWEEN)
        between = members * np.clip(between, LEAST_BETWEEN, MOST_BETWEEN) + (1 - members) * BETWEEN
        return share, 1 / between - 1

    def _peers(
        self, n: Floats, k: Floats, mean: Floats, rho: Floats, group: Ints, at: Ints
    ) -> tuple[Floats, NDArray[np.bool_], Floats]:
        """What the others of some members (`at`) did in the same window: the mean moved by their log-odds,
        where so many did the same that it is a matter of the group, and their share."""
        groups = max(len(self.groups), 1)
        light = np.minimum(1.0, ONE_PEER / np.maximum(n, 1))
        made, due, seen = light * n, light * n * mean, light * k
        above = k - n * mean
        same = (above > ALIKE * np.sqrt(n * mean * (1 - mean) * (1 + (n - 1) * rho))) & (k > 0)
        parts = (made, due, seen, same * 1.0, np.ones(n.shape))
        columns: Floats = np.concatenate(parts, axis=1)
        edges = [0, *np.cumsum([part.shape[1] for part in parts]).tolist()]
        moved, own = mean[at], columns[at]
        most, shared = np.zeros(moved.shape), np.zeros(moved.shape, np.bool_)
        # Those of the unit, then those of the agency.
        for whole in (_sums(columns, group, groups)[group[at]], np.asarray(columns.sum(0), np.float64)):
            rest = whole - own
            trials, due_of, seen_of, alike, peers = (rest[:, first:end] for first, end in pairwise(edges))
            shared |= (alike >= LEAST_ALIKE) & (alike >= PART_ALIKE * peers)
            # One colleague alone moves nothing: he may do the same wrong.
            beyond = seen_of - ONE_PEER > due_of
            trials = np.broadcast_to(trials, beyond.shape)[beyond]
            usual = np.clip(due_of[beyond] / np.maximum(trials, _TINY), _TINY, 1 - _TINY)
            now = np.clip((seen_of[beyond] - ONE_PEER + LEAN * usual) / (trials + LEAN), usual, 1 - _TINY)
            most[beyond] = np.maximum(most[beyond], _log_odds(now) - _log_odds(usual))
        up = most > 0
        moved[up] = 1 / (1 + np.exp(-(_log_odds(moved[up]) + most[up])))
        others = (k.sum(0) - k[at]) / np.maximum(n.sum(0) - n[at], 1.0)
        return np.minimum(moved, 1 - _TINY), shared, others

    def _check(self, one: Window, place: int) -> None:
        """Learn from one window a day in turn how far honest shares scatter, and how often they surprise.

        A cell counts as surprising by the part of its chance that lies below 1%, so that exactly 1% is
        expected although hits are whole numbers.
        """
        n, k = one.trials.ravel(), one.hits.ravel()
        mean, rho = one.mean.ravel(), one.rho.ravel()
        beyond, exactly = upper_tail(k + 1, n, mean, rho), np.exp(log_chance(k, n, mean, rho))
        part = np.clip((SURPRISING - beyond) / np.maximum(exactly, _TINY), 0.0, 1.0)
        alone = ~one.shared.ravel()
        self.checked += float(alone.sum())
        self.surprising += float(part[alone].sum())
        within = np.broadcast_to(self._within(place), one.mean.shape).ravel()
        unsure = 1 - (1 - rho) / (1 - within)
        variance = n * mean * (1 - mean)
        honest = (beyond + exactly >= ABSURD) & (n > 1) & alone
        squared = (k - n * mean) ** 2 - variance * (1 + (n - 1) * unsure)
        shape = one.mean.shape
        self.excess[place] += np.where(honest, squared, 0.0).reshape(shape).sum(0)
        self.scale[place] += np.where(honest, variance * (n - 1) * (1 - unsure), 0.0).reshape(shape).sum(0)

    def snapshot(self) -> dict[str, bytes]:
        """`shared`, the rows in blocks of 512 keys and the closed days; equal states give equal bytes."""
        return self._rows() | {self._place(one): one.packed() for one in self.recent}

    def _rows(self) -> dict[str, bytes]:
        shared = _Shared(
            windows=list(self.windows), groups=list(self.groups), values=self.values,
            first_day=self.first_day, last_day=self.last_day,
            checked=self.checked, surprising=self.surprising,
            excess=self.excess.tobytes(), scale=self.scale.tobytes(),
        )  # fmt: skip
        blocks = {"shared": msgspec.msgpack.encode(shared)}
        for number, first in enumerate(range(0, len(self), BLOCK_KEYS)):
            part = slice(first, first + BLOCK_KEYS)
            columns = {name: getattr(self, name)[part].tobytes() for name in _COLUMNS}
            blocks[f"rows/{number:05d}"] = msgspec.msgpack.encode(_Rows(self.keys[part], columns))
        return blocks

    def changes(self) -> dict[str, bytes | None]:
        """As `snapshot`, with None for the closed days that were among the changes before."""
        before, self._given = self._given, {one.day for one in self.recent}
        days = {self._place(one): None if one.day in before else one.packed() for one in self.recent}
        return self._rows() | days

    def _place(self, one: Closed) -> str:
        return f"day/{one.day % self.windows[-1]:02d}"

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take back what `snapshot` gave. Raises ValueError naming a block that cannot be read."""
        self.__init__(self.windows, self.half_life)  # type: ignore[misc]
        name = "shared"
        try:
            shared = msgspec.msgpack.decode(blocks[name], type=_Shared)
            if tuple(shared.windows) != self.windows:
                raise ValueError(f"it was written for windows of {shared.windows} days")
            self.first_day, self.last_day = shared.first_day, shared.last_day
            self.checked, self.surprising = shared.checked, shared.surprising
            self.groups = {group: number for number, group in enumerate(shared.groups)}
            self.value(shared.values)
            values = len(self.values)
            self.excess = _read(shared.excess, np.float64, (len(self.windows), values))
            self.scale = _read(shared.scale, np.float64, (len(self.windows), values))
            for name in sorted(one for one in blocks if one.startswith("rows/")):
                part = msgspec.msgpack.decode(blocks[name], type=_Rows)
                at = self.enter(part.keys, 0)
                for column in _COLUMNS:
                    target = getattr(self, column)
                    target[at] = _read(part.columns[column], target.dtype, (len(at), *target.shape[1:]))
            for name in (one for one in blocks if one.startswith("day/")):
                day = msgspec.msgpack.decode(blocks[name], type=_Day)
                rows, trials, hits = (
                    _read(raw, np.int32, shape).astype(np.int64)
                    for raw, shape in ((day.rows, (-1,)), (day.trials, (-1,)), (day.hits, (-1, day.values)))
                )
                learned = _read(day.learned, np.float64, hits.shape)
                self.recent.append(Closed(day.day, rows, trials, hits, learned))
        except (KeyError, ValueError, msgspec.DecodeError) as error:
            raise ValueError(f"block {name} cannot be read: {error!r}") from error
        self.recent.sort(key=lambda one: one.day)
        for one in self.recent:
            for place, length in enumerate(self.windows):
                if one.day > self.last_day - length:
                    self._count(place, one, slice(None), 1)


#: One entry, or one row, for each key.
_COLUMNS = ("group", "since", "posted", "until", "trials_before", "hits_before", "told")


class _Shared(Struct):
    windows: list[int]
    groups: list[str]
    values: list[str]
    first_day: int
    last_day: int
    checked: float
    surprising: float
    excess: bytes
    scale: bytes


class _Rows(Struct, array_like=True):
    keys: list[str]
    columns: dict[str, bytes]


class _Day(Struct, array_like=True):
    day: int
    values: int
    rows: bytes
    trials: bytes
    hits: bytes
    learned: bytes


def _read(raw: bytes, kind: type | np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    return np.frombuffer(raw, kind).reshape(shape).copy()


def _small(array: Ints) -> bytes:
    return array.astype(np.int32).tobytes()


def _wider(array: NDArray[Kind], values: int) -> NDArray[Kind]:
    more = np.zeros((*array.shape[:-1], values - array.shape[-1]), array.dtype)
    return np.concatenate((array, more), axis=-1)


def _log_odds(share: Floats) -> Floats:
    return np.asarray(np.log(share) - np.log1p(-share))


def _sums(part: np.ndarray, label: Ints, labels: int) -> Floats:
    """Sums of the rows of `part` by their label; shape (labels, columns)."""
    columns = part.shape[1]
    cell = (label[:, None] * columns + np.arange(columns)).ravel()
    return np.asarray(np.bincount(cell, part.ravel(), labels * columns).reshape(labels, columns) * 1.0)
