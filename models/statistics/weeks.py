"""Weekly counts of many keys against what they did months ago.

A week has no weekday, so this is the model of `counts` without profile and in coarse steps: a gamma
rate round the peer group's, learned from the key's own past, and counts that scatter round it as
negative binomials. But it looks back over a gap: the baseline holds only weeks that lie at least
`lag` weeks back. What creeps in over months has not taught it, and a silence neither.

Closing a day costs an addition; once a week all keys are compared at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from models.statistics.dispersion import SURPRISING, Dispersion
from models.statistics.exposure import SHOCK_LEAN, WEEKDAY_LEAN
from models.statistics.negative_binomial import Floats, Ints, lower_tail, upper_tail
from models.statistics.prior import VARIATION, Prior, credibility

#: Keys in one block of a snapshot.
BLOCK_KEYS = 1000
#: Standard deviations above the mean of a week beyond which it is not learned from, and the count that
#: always is.
CAP, LEAST_CAP = 4.0, 5.0
DAYS = 7
#: Discounted weeks of service of all keys together from which on anything is judged or limited.
LEAST_DUE = 4.0
#: The dispersion is fitted anew every so many weeks.
FITTED_EVERY = 4

_COLUMNS: dict[str, Any] = {
    "known": np.float64, "due": np.float64, "weeks": np.int64, "since": np.int64, "until": np.int64,
    "group": np.int64, "active": np.bool_, "usual": np.float64, "strength": np.float64,
}  # fmt: skip
#: What changes every day.
_DAILY: dict[str, Any] = {
    "now": np.int64, "served_now": np.int64, "quiet": np.float64, "last": np.int64,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Compared:
    """By window (row) and key (column): what was seen, what was expected, whether it can be judged."""

    observed: Ints
    mean: Floats
    variance: Floats
    ripe: np.ndarray

    def p_values(self, *, low: bool) -> Floats:
        """P(so many or fewer), or P(so many or more); 1 where it cannot be judged."""
        p = np.ones(self.mean.shape)
        where = self.ripe & ((self.observed < self.mean) if low else (self.observed > self.mean))
        tail = lower_tail if low else upper_tail
        p[where] = tail(self.observed[where], self.mean[where], self.variance[where])
        return p


class Weeks:
    """The columns; the last axis is the row of a key. `windows` are lengths in weeks, at most `lag`.

    With `peers` what befalls a group is no surprise about a member.
    """

    def __init__(self, windows: Sequence[int], lag: int, half_life_weeks: float, peers: bool) -> None:
        if not 1 <= min(windows) <= max(windows) <= lag:
            raise ValueError(f"windows must be 1 to {lag} weeks")
        self.windows: Ints = np.array(sorted(windows), np.int64)
        self.lag, self.peers = lag, peers
        self.discount = 2 ** (-1 / half_life_weeks)
        self.keys: list[str] = []
        self.rows: dict[str, int] = {}
        self.groups: dict[str, int] = {}
        self.first_day = self.week = 0
        self.dispersion = Dispersion(self.windows)
        self.dispersion.grow(1)
        self.now: Ints = np.zeros(0, np.int64)
        """Counts of the week that is not over yet."""
        self.served_now: Ints = np.zeros(0, np.int64)
        """Its days of service so far."""
        self.counts: Ints = np.zeros((lag, 0), np.int32)
        self.served: Floats = np.zeros((lag, 0), np.float32)
        """Rings: counts of the last weeks, and what share of each was served."""
        self.known: Floats = np.zeros(0)
        """Discounted counts of the weeks before those."""
        self.due: Floats = np.zeros(0)
        """Their discounted weeks of service."""
        self.weeks: Ints = np.zeros(0, np.int64)
        """Whole weeks since the key entered, or was moved."""
        self.since: Ints = np.zeros(0, np.int64)
        self.until: Ints = np.zeros(0, np.int64)
        """From when to when the posting lasts that the roster knows, ordinals; 0 without."""
        self.group: Ints = np.zeros(0, np.int64)
        self.active = np.zeros(0, np.bool_)
        self.usual: Floats = np.zeros(0)
        """Counts expected of a week of service, and as what shape of a gamma distribution; 0 before the
        key has a past."""
        self.strength: Floats = np.zeros(0)
        self.quiet: Floats = np.zeros(0)
        """Days of service since the last count, each weighted by what is usual on its weekday."""
        self.last: Ints = np.zeros(0, np.int64)
        """Day of the last count."""
        self.weekday: Floats = np.zeros(7)
        """Counts of all keys by weekday (ordinal modulo 7), discounted."""

    def __len__(self) -> int:
        """Number of keys."""
        return len(self.keys)

    def enter(self, names: Sequence[str], groups: Sequence[str]) -> Ints:
        """The rows of some keys, new ones entered into their group."""
        rows = np.array([self.rows.get(name, -1) for name in names], np.int64)
        new = np.flatnonzero(rows < 0).tolist()
        if not new:
            return rows
        joined = [self.group_number(groups[place]) for place in new]
        for place in new:
            rows[place] = self.rows[names[place]] = len(self.keys)
            self.keys.append(names[place])
        more = len(new)
        for name in (*_DAILY, *_COLUMNS):
            old = getattr(self, name)
            setattr(self, name, np.concatenate([old, np.zeros(more, old.dtype)]))
        for name in ("counts", "served"):
            old = getattr(self, name)
            setattr(self, name, np.concatenate([old, np.zeros((self.lag, more), old.dtype)], axis=1))
        self.active[-more:] = True
        self.group[-more:] = joined
        return rows

    def group_number(self, name: str) -> int:
        """The number of a peer group, new ones added."""
        return self.groups.setdefault(name, len(self.groups))

    def forget(self, row: int) -> None:
        """Begin a row anew, as after a transfer."""
        for name in ("known", "due", "weeks", "now", "served_now", "usual", "quiet"):
            getattr(self, name)[row] = 0
        self.counts[:, row] = 0
        self.served[:, row] = 0

    def close(self, day: int, rows: Ints, counts: Ints) -> Compared | None:
        """Take in a closed day (an ordinal); at the end of a week, a Sunday, compare all keys.

        A day without any count is no day of service: of the log, not of a key, it says something.
        """
        self.first_day = self.first_day or day
        if len(rows):
            self._day(day, rows, counts)
        return self._week() if day % DAYS == 0 and len(self) else None

    def _day(self, day: int, rows: Ints, counts: Ints) -> None:
        np.add.at(self.now, rows, counts)
        self.now *= self.active
        self.served_now += self.active
        share = (self.weekday + WEEKDAY_LEAN) / (self.weekday.mean() + WEEKDAY_LEAN)
        self.quiet += share[day % DAYS] * self.active
        self.quiet[rows], self.last[rows] = 0.0, day
        self.weekday[day % DAYS] = self.weekday[day % DAYS] * self.discount + counts.sum()

    def _week(self) -> Compared:
        slot = self.week % self.lag
        self.week += 1
        prior = credibility(
            self.known, self.due, self.group, np.zeros(len(self.groups), np.int64), self.dispersion.phi[:, 0]
        )
        if not self.peers:
            # What one tool is used for says little about another, however alike the few there are may look.
            prior = replace(prior, variation=np.maximum(prior.variation, VARIATION))
        rate, strength = self._rate(prior)
        phi, tau = self.dispersion.phi[0], self.dispersion.tau[0]
        # The week that leaves the ring joins what is known.
        mean = rate * self.served[slot]
        spread = phi[0] * mean + (tau[0] + 1 / strength) * mean * mean
        limit = np.where(
            self.due.sum() >= LEAST_DUE, np.maximum(LEAST_CAP, mean + CAP * np.sqrt(spread)), np.inf
        )
        self.known = self.discount * self.known + np.minimum(self.counts[slot], np.ceil(limit))
        self.due = self.discount * self.due + self.served[slot]
        self.counts[slot], self.served[slot] = self.now, self.served_now / DAYS
        self.now[:] = 0
        self.served_now[:] = 0
        self.weeks += self.active

        order = (self.week - 1 - np.arange(self.lag)) % self.lag
        ends = self.windows - 1
        observed = self.counts[order].cumsum(axis=0, dtype=np.int64)[ends]
        exposure = self.served[order].cumsum(axis=0, dtype=np.float64)[ends]
        rate, strength = self._rate(prior)
        mean = rate * exposure
        if self.peers:
            mean = mean * self._befell(observed, mean)
        variance = phi[:, None] * mean + (tau[:, None] + 1 / strength) * mean**2
        ripe = (
            self.active
            & (self.weeks > self.lag)
            & (self.due > 0)
            & (mean > 1e-9)
            & (self.due.sum() >= LEAST_DUE)
        )
        self.usual, self.strength = np.where(ripe[0], rate, 0.0), strength
        told = Compared(observed, mean, np.maximum(variance, mean * (1 + 1e-9)), ripe)
        self._learn(told, strength)
        return told

    def pauses(self) -> tuple[Floats, Floats, Floats]:
        """By key the count expected since its last one, the variance of it, and P(none)."""
        mean = self.usual * self.quiet / DAYS
        phi, tau = self.dispersion.phi[0, 0], self.dispersion.tau[0, 0]
        spread = phi * mean + (tau + 1 / np.maximum(self.strength, 1e-9)) * mean * mean
        spread = np.maximum(spread, mean * (1 + 1e-9))
        return mean, spread, lower_tail(np.zeros(len(mean)), mean, spread)

    def _rate(self, prior: Prior) -> tuple[Floats, Floats]:
        """Counts a week of service, and the shape of what is known of it."""
        alpha = (1 / prior.variation)[self.group]
        phi = self.dispersion.phi[0, 0]
        strength = alpha + self.known / phi
        return strength / (alpha / prior.mean[self.group] + self.due / phi), strength

    def _befell(self, observed: Ints, mean: Floats) -> Floats:
        """How many times the expected the others of each key's group did, by window."""
        found = np.ones(mean.shape)
        for place in range(len(mean)):
            seen = np.bincount(self.group, observed[place], len(self.groups))[self.group] - observed[place]
            due = np.bincount(self.group, mean[place], len(self.groups))[self.group] - mean[place]
            found[place] = (seen + SHOCK_LEAN) / (np.maximum(due, 0) + SHOCK_LEAN)
        return found

    def _learn(self, told: Compared, strength: Floats) -> None:
        """Every window shows how counts scatter, unless it is too odd to be honest."""
        for place in range(len(self.windows)):
            ripe = told.ripe[place]
            observed, mean = told.observed[place][ripe], told.mean[place][ripe]
            variance = told.variance[place][ripe]
            p = np.minimum(upper_tail(observed, mean, variance), lower_tail(observed, mean, variance))
            honest = p >= SURPRISING
            squared = (observed - mean) ** 2 - mean**2 / strength[ripe]
            pool = np.zeros(int(honest.sum()), np.int64)
            self.dispersion.learn(place, pool, mean[honest], squared[honest])
        if self.week % FITTED_EVERY == 0:
            self.dispersion.fit(self.discount**FITTED_EVERY)

    def snapshot(self) -> dict[str, bytes]:
        """Blocks `rows/N`, which change once a week, and `now`; equal states give equal bytes."""
        blocks: dict[str, bytes] = {}
        for number, first in enumerate(range(0, len(self), BLOCK_KEYS)):
            part = slice(first, first + BLOCK_KEYS)
            columns = {
                name: getattr(self, name)[..., part].tobytes() for name in (*_COLUMNS, "counts", "served")
            }
            blocks[f"rows/{number:05d}"] = msgspec.msgpack.encode(_Rows(self.keys[part], columns))
        blocks["now"] = msgspec.msgpack.encode(
            _Now(
                self.lag, self.windows.tolist(), self.first_day, self.week, list(self.groups),
                {name: getattr(self, name).tobytes() for name in _DAILY}, self.weekday.tobytes(),
                self.dispersion.phi.tobytes(),
                self.dispersion.tau.tobytes(), self.dispersion.sums.tobytes(),
            )
        )  # fmt: skip
        return blocks

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take back what `snapshot` gave. Raises ValueError when it cannot be read."""
        now = msgspec.msgpack.decode(blocks["now"], type=_Now)
        if (now.lag, now.windows) != (self.lag, self.windows.tolist()):
            raise ValueError(
                f"the state was written for a lag of {now.lag} and windows of {now.windows} weeks"
            )
        read = [
            msgspec.msgpack.decode(blocks[name], type=_Rows)
            for name in sorted(blocks)
            if name.startswith("rows/")
        ]
        self.groups = {name: number for number, name in enumerate(now.groups)}
        self.keys, self.rows = [], {}
        self.enter(
            [key for block in read for key in block.keys], [""] * sum(len(block.keys) for block in read)
        )
        self.groups = {name: number for number, name in enumerate(now.groups)}
        for name, kind in {**_COLUMNS, "counts": np.int32, "served": np.float32}.items():
            parts = [np.frombuffer(block.columns[name], kind).reshape(-1, len(block.keys)) for block in read]
            if parts:
                target = getattr(self, name)
                target[...] = np.concatenate(parts, axis=1).reshape(target.shape)
        for name, kind in _DAILY.items():
            getattr(self, name)[...] = np.frombuffer(now.daily[name], kind)
        self.weekday = np.frombuffer(now.weekday).copy()
        self.first_day, self.week = now.first_day, now.week
        spread = self.dispersion
        for column, raw in ((spread.phi, now.phi), (spread.tau, now.tau), (spread.sums, now.sums)):
            column[...] = np.frombuffer(raw).reshape(column.shape)


class _Rows(Struct, array_like=True):
    keys: list[str]
    columns: dict[str, bytes]


class _Now(Struct, array_like=True):
    lag: int
    windows: list[int]
    first_day: int
    week: int
    groups: list[str]
    daily: dict[str, bytes]
    weekday: bytes
    phi: bytes
    tau: bytes
    sums: bytes
