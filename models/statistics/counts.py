"""Is this count high? An empirical-Bayes negative binomial over many keys and several windows.

Each key's rate is gamma distributed round its peer group's (`prior`), learned from its own
discounted past (`history`) and scaled by what kind of day it was (`exposure`); counts scatter
round it as negative binomials whose variance is learned too (`dispersion`). With A and B as they
stood before a window of exposure E, prior mean m and squared variation c:

    r = 1/c + A/phi        mu = r / (1/(c m) + B/phi) * E        v = phi_W mu + (tau_W + 1/r) mu^2

All keys are handled at once; closing a day of 40,000 keys takes some tens of milliseconds.
Learning is capped at mean + 4 standard deviations a day, so that a burst cannot teach the
baseline what to expect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from msgspec import Struct

from models.statistics.dispersion import SURPRISING, Dispersion, unseen
from models.statistics.exposure import Weekdays, peer_shock
from models.statistics.history import RING, History
from models.statistics.negative_binomial import Floats, Ints, upper_tail
from models.statistics.prior import Prior, credibility

#: Standard deviations above the mean of a day beyond which a count is not learned from, and the
#: count that is always learned from: for a key with one search a month even one is 4 deviations.
CAP, LEAST_CAP = 4.0, 3.0
#: In the first weeks the prior is refitted daily, then weekly.
SETTLING_DAYS = 28


@dataclass(frozen=True, slots=True)
class Expectation:
    """By window (row) and key (column): what was or would be seen, and what was expected."""

    observed: Ints
    mean: Floats
    variance: Floats

    def beyond(self, deviations: float) -> np.ndarray:
        """Where the count is more than so many standard deviations above a positive mean."""
        return (self.observed > self.mean + deviations * np.sqrt(self.variance)) & (self.mean > 0)

    def p_values(self, where: np.ndarray) -> Floats:
        """P(count or more), worked out for the cells of the mask `where`, 1 elsewhere."""
        p = np.ones(where.shape)
        p[where] = upper_tail(self.observed[where], self.mean[where], self.variance[where])
        return p


class Counts:
    """Counts of many keys against their own past and their peers.

    `windows` are lengths in days, 1 to 90; 1 is always among them. `half_life` of the memory is in
    days. With `pooled` all groups lean on one pool; without it every group stands for itself. With
    `shared` what befalls a whole group is no surprise about a member; without it, all are absolute.
    """

    def __init__(
        self, windows: Sequence[int], half_life: float = 180.0, pooled: bool = True, shared: bool = True
    ) -> None:
        lengths = sorted({1, *windows})
        if lengths[0] < 1 or lengths[-1] >= RING or half_life <= 0:
            raise ValueError(f"windows must be 1 to {RING - 1} days and the half-life positive")
        self.windows: Ints = np.array(lengths, np.int64)
        self.pooled = pooled
        self.shared = shared
        self.history = History(self.windows, 2 ** (-1 / half_life))
        self.groups: dict[str, int] = {}
        self.pool: Ints = np.zeros(0, np.int64)
        self.prior = Prior.vague(0)
        self.weekdays = Weekdays()
        self.dispersion = Dispersion(self.windows)
        #: First and last closed day, ordinals; 0 before any.
        self.first_day = self.last_day = 0

    def group(self, name: str) -> int:
        """The number of a peer group, new ones added."""
        found = self.groups.get(name)
        if found is None:
            found = self.groups[name] = len(self.groups)
            pool = 0 if self.pooled else found
            self.pool = np.append(self.pool, pool)
            self.weekdays.grow(found + 1)
            self.dispersion.grow(pool + 1)
            # A group without a past starts from what the pool's groups have on average.
            like = (
                (self.prior.mean.mean(), self.prior.variation.mean(), self.prior.established.any())
                if self.pooled and found
                else (0.5, 1.0, False)
            )
            self.prior = Prior(
                np.append(self.prior.mean, like[0]),
                np.append(self.prior.variation, like[1]),
                np.append(self.prior.established, like[2]),
            )
        return found

    def close(
        self, day: int, rows: Ints, counts: Ints, searches: Ints, usual: np.ndarray | None = None
    ) -> Expectation:
        """Take in a closed day and compare the windows that end with it.

        `rows` are the rows of the keys seen on the day; the others count 0. Inactive keys are
        neither counted nor expected. The mask `usual` says of each key whether these windows show
        how counts scatter; as a rule all do. Raises ValueError when days do not follow one another.
        """
        if self.last_day and day != self.last_day + 1:
            raise ValueError(f"day {day} cannot be closed after day {self.last_day}")
        past = self.history
        self.first_day, self.last_day = self.first_day or day, day
        today, made = np.zeros((2, len(past)), np.int64)
        today[rows], made[rows] = counts, searches
        today *= past.active
        made *= past.active

        flat_week = self._usual(day)
        calm = self._rate(past.calm) * flat_week
        groups = len(self.pool)
        if self.shared:
            past.shock[:] = peer_shock(np.minimum(today, self._cap(calm)), calm, past.group, groups)
        exposure = flat_week * past.shock
        capped = np.minimum(today, self._cap(self._rate(past.served) * exposure)).astype(np.int64)
        settled = self.prior.established
        flat = np.bincount(past.group, self._rate(past.calm) * past.active, groups) * settled
        self.weekdays.learn(day % 7, np.bincount(past.group, capped, groups) * settled, flat, past.discount)
        past.calm *= past.discount
        past.calm += flat_week
        past.advance(day, today, capped, made, exposure)

        told = self._expect(past.known_before, past.served_before, past.window_exposure, past.window_counts)
        self._learn(day, told, usual)
        return told

    def outlook(self, day: int) -> Expectation:
        """What to expect of the windows that end with the open local day `day`.

        `observed` is what they hold before that day's own searches. The day is taken to follow
        the last closed one, and peers to be at least as busy as they were then.
        """
        past, rho = self.history, self.history.discount
        out = [(self.last_day + 1 - int(length)) % RING for length in self.windows]
        exposure = self._usual(day) * np.maximum(1.0, past.shock)
        return self._expect(
            rho * past.known_before + past.capped[out],
            rho * past.served_before + past.exposure[out],
            past.window_exposure + exposure - past.exposure[out],
            past.window_counts - past.counts[out],
        )

    def _usual(self, day: int) -> Floats:
        """Exposure of a day by its weekday alone."""
        profile = self.weekdays.profile(self.pool, len(self.dispersion.phi))
        past = self.history
        return np.asarray(profile[past.group, day % 7] * past.active)

    def _strength(self) -> tuple[Floats, Floats, Floats]:
        """By key: alpha = 1/c and beta = 1/(c m) of the prior, and phi of a day."""
        group = self.history.group
        alpha = 1 / self.prior.variation
        return alpha[group], (alpha / self.prior.mean)[group], self.dispersion.phi[self.pool, 0][group]

    def _rate(self, served: Floats) -> Floats:
        """Counts a day of exposure, from all that is known."""
        alpha, beta, phi = self._strength()
        return (alpha * phi + self.history.known) / (beta * phi + served)

    def _cap(self, mean: Floats) -> Floats:
        """Most that a day may teach; without limit until there is a prior to limit it by."""
        group = self.history.group
        alpha, _, phi = self._strength()
        tau = self.dispersion.tau[self.pool, 0][group]
        variance = phi * mean + (tau + 1 / (alpha + self.history.known / phi)) * mean * mean
        limit = np.maximum(LEAST_CAP, np.ceil(mean + CAP * np.sqrt(variance)))
        return np.where(self.prior.established[group], limit, np.inf)

    def _expect(self, known: Floats, served: Floats, exposure: Floats, observed: Ints) -> Expectation:
        alpha, beta, phi = self._strength()
        # Sums that are added to and taken from may end a rounding error below zero.
        exposure = np.maximum(exposure, 0.0)
        r = alpha + known / phi
        mean = r / (beta + served / phi) * exposure
        pool = self.pool[self.history.group]
        variance = self.dispersion.phi.T[:, pool] * mean + (self.dispersion.tau.T[:, pool] + 1 / r) * mean**2
        return Expectation(observed, mean, variance)

    def _learn(self, day: int, told: Expectation, usual: np.ndarray | None) -> None:
        past = self.history
        # One window a day in turn: each is learned from on every weekday.
        place = day % len(self.windows)
        ripe = past.active & (past.days > self.windows[place]) & (told.mean[place] > 1e-6)
        ripe[ripe] &= self.prior.established[past.group[ripe]]
        if usual is not None:
            ripe &= usual
        observed, mean, variance = (
            values[place][ripe] for values in (told.observed, told.mean, told.variance)
        )
        part = Expectation(observed, mean, variance)
        honest = part.p_values(part.beyond(1.0)) >= SURPRISING
        pool = self.pool[past.group[ripe]]
        alpha, _, phi = (values[ripe] for values in self._strength())
        unsure = mean**2 / (alpha + past.known_before[place][ripe] / phi)
        squared = honest * (observed - mean) ** 2 + unseen(pool, mean, variance) - unsure
        self.dispersion.learn(place, pool, mean, squared)
        weekly = day % 7 == 0
        if weekly or day - self.first_day < SETTLING_DAYS:
            phi_by_pool = self.dispersion.phi[:, 0]
            self.prior = credibility(past.known, past.served, past.group, self.pool, phi_by_pool)
        if weekly:
            # A young log shows how little is known yet of rates, which may not pass for scatter for long. Who
            # has no peers has nothing to spare.
            age = max(7, day - self.first_day)
            young = (1 - 7 / age) ** 2 if self.pooled else 1.0
            self.dispersion.fit(min(past.discount**7, young))

    def snapshot(self) -> dict[str, bytes]:
        """The state as named blocks; equal states give equal bytes."""
        state = _Shared(
            first_day=self.first_day,
            last_day=self.last_day,
            groups=list(self.groups),
            columns={name: column.tobytes() for name, column in self._columns().items()},
        )
        return {"shared": msgspec.msgpack.encode(state), **self.history.snapshot()}

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take back what `snapshot` gave. Raises ValueError naming a block that cannot be read."""
        try:
            state = msgspec.msgpack.decode(blocks.get("shared", b""), type=_Shared)
        except msgspec.DecodeError as error:
            raise ValueError(f"block shared cannot be read: {error}") from error
        self.groups, self.pool = {}, np.zeros(0, np.int64)
        self.prior = Prior.vague(0)
        self.weekdays, self.dispersion = Weekdays(), Dispersion(self.windows)
        self.first_day, self.last_day = state.first_day, state.last_day
        for name in state.groups:
            self.group(name)
        for name, column in self._columns().items():
            values = np.frombuffer(state.columns.get(name, b""), column.dtype)
            if values.size != column.size:
                raise ValueError(f"block shared: {name} holds {values.size} values, not {column.size}")
            column[...] = values.reshape(column.shape)
        self.history.restore(blocks)

    def _columns(self) -> dict[str, np.ndarray]:
        prior, spread, week = self.prior, self.dispersion, self.weekdays
        return {
            "mean": prior.mean, "variation": prior.variation, "established": prior.established,
            "phi": spread.phi, "tau": spread.tau, "sums": spread.sums, "seen": week.seen, "due": week.due,
        }  # fmt: skip


class _Shared(Struct):
    first_day: int
    last_day: int
    groups: list[str]
    columns: dict[str, bytes]
