"""The formulas of `models.statistics.counts`, one key and one day at a time, from whole histories.

Slow and plain on purpose: nothing is updated, every figure is summed anew from all days.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from scipy import stats

from models.statistics.negative_binomial import upper_tail

PHI, TAU, LEAN = 1.4, 0.1, 15.0


@dataclass
class _Key:
    group: str
    counts: list[int] = field(default_factory=list)
    capped: list[int] = field(default_factory=list)
    exposure: list[float] = field(default_factory=list)
    calm: list[float] = field(default_factory=list)


class Oracle:
    """Every key enters before the first day and serves on all of them."""

    def __init__(self, windows: tuple[int, ...], half_life: float, pooled: bool) -> None:
        self.windows, self.pooled = windows, pooled
        self.rho = 2 ** (-1 / half_life)
        self.keys: dict[str, _Key] = {}
        self.first = 0
        self.prior: dict[str, tuple[float, float, bool]] = {}
        self.spread: dict[tuple[str, int], tuple[float, float]] = {}
        self.residuals: dict[tuple[str, int], list[tuple[float, float, float]]] = {}
        self.weeks: dict[str, list[tuple[int, float, float]]] = {}

    def enter(self, name: str, group: str) -> None:
        self.keys[name] = _Key(group)
        self.prior.setdefault(group, (0.5, 1.0, False))

    def pool(self, group: str) -> str:
        return "" if self.pooled else group

    def dispersion(self, group: str, window: int) -> tuple[float, float]:
        return self.spread.get((self.pool(group), window), (PHI, TAU))

    def faded(self, values: list[int] | list[float], skip: int = 0) -> float:
        """Discounted sum of all values but the last `skip`."""
        kept = values[: max(0, len(values) - skip)]
        return sum(value * self.rho**age for age, value in enumerate(reversed(kept)))

    def strength(self, group: str) -> tuple[float, float, float]:
        mean, variation, _ = self.prior[group]
        return 1 / variation, 1 / variation / mean, self.dispersion(group, self.windows[0])[0]

    def rate(self, key: _Key, days: list[float]) -> float:
        alpha, beta, phi = self.strength(key.group)
        return (alpha + self.faded(key.capped) / phi) / (beta + self.faded(days) / phi)

    def cap(self, key: _Key, mean: float) -> float:
        alpha, _, phi = self.strength(key.group)
        if not self.prior[key.group][2]:
            return math.inf
        tau = self.dispersion(key.group, self.windows[0])[1]
        variance = phi * mean + (tau + 1 / (alpha + self.faded(key.capped) / phi)) * mean**2
        return max(3.0, math.ceil(mean + 4 * math.sqrt(variance)))

    def week_factor(self, group: str, weekday: int) -> float:
        def ratios(names: list[str], lean: list[float]) -> list[float]:
            found = []
            for day in range(7):
                seen = sum(s for name in names for w, s, _ in self.weeks.get(name, []) if w == day)
                due = sum(d for name in names for w, _, d in self.weeks.get(name, []) if w == day)
                found.append((seen + 30 * lean[day]) / (due + 30))
            return found

        mates = [other for other in self.prior if self.pool(other) == self.pool(group)]
        own = ratios([group], ratios(mates, [1.0] * 7))
        return own[weekday] / (sum(own) / 7)

    def close(self, number: int, today: list[int]) -> list[list[tuple[int, float, float]]]:
        self.first = self.first or number
        weekday = number % 7
        keys = list(self.keys.values())
        usual = [self.week_factor(key.group, weekday) for key in keys]
        expected = [self.rate(key, key.calm) * factor for key, factor in zip(keys, usual, strict=True)]
        flat = [self.rate(key, key.calm) for key in keys]
        shocks = []
        for own, key in enumerate(keys):
            mates = [i for i, other in enumerate(keys) if other.group == key.group and i != own]
            others = sum(min(today[i], self.cap(keys[i], expected[i])) for i in mates)
            shocks.append(min(max((others + 10) / (sum(expected[i] for i in mates) + 10), 0.3), 5.0))
        exposure = [factor * shock for factor, shock in zip(usual, shocks, strict=True)]
        capped = [
            int(min(today[i], self.cap(key, self.rate(key, key.exposure) * exposure[i])))
            for i, key in enumerate(keys)
        ]
        for group in self.prior:
            week = self.weeks.setdefault(group, [])
            week[:] = [(w, s * self.rho, d * self.rho) for w, s, d in week]
            if self.prior[group][2]:
                inside = [i for i, key in enumerate(keys) if key.group == group]
                week.append((weekday, sum(capped[i] for i in inside), sum(flat[i] for i in inside)))
        for i, key in enumerate(keys):
            key.counts.append(today[i])
            key.capped.append(capped[i])
            key.exposure.append(exposure[i])
            key.calm.append(usual[i])
        told = [[self.expect(key, window) for key in keys] for window in self.windows]
        self.learn(number, keys, told)
        return told

    def expect(self, key: _Key, window: int) -> tuple[int, float, float]:
        alpha, beta, phi = self.strength(key.group)
        r = alpha + self.faded(key.capped, window) / phi
        mean = r / (beta + self.faded(key.exposure, window) / phi) * sum(key.exposure[-window:])
        phi_w, tau_w = self.dispersion(key.group, window)
        return sum(key.counts[-window:]), mean, phi_w * mean + (tau_w + 1 / r) * mean**2

    def learn(self, number: int, keys: list[_Key], told: list[list[tuple[int, float, float]]]) -> None:
        place = number % len(self.windows)
        window = self.windows[place]
        known = [
            (key, *seen)
            for key, seen in zip(keys, told[place], strict=True)
            if len(key.counts) > window and self.prior[key.group][2]
        ]
        alike: dict[tuple[str, int], list[tuple[float, float]]] = {}
        for key, _, mean, variance in known:
            cell = self.pool(key.group), math.floor(4 * math.log2(mean))
            alike.setdefault(cell, []).append((mean, variance))
        for key, observed, mean, variance in known:
            surprising = observed > mean + math.sqrt(variance)
            believed = not (surprising and upper_tail(observed, mean, variance) < 1e-3)
            squared = believed * (observed - mean) ** 2
            mates = alike[self.pool(key.group), math.floor(4 * math.log2(mean))]
            squared += unseen(sum(m for m, _ in mates) / len(mates), sum(v for _, v in mates) / len(mates))
            alpha, _, phi = self.strength(key.group)
            unsure = mean**2 / (alpha + self.faded(key.capped, window) / phi)
            pair = (self.pool(key.group), window)
            self.residuals.setdefault(pair, []).append((1.0, mean, squared - unsure))
        phi_now = {group: self.dispersion(group, self.windows[0])[0] for group in self.prior}
        if number % 7 == 0 or number - self.first < 28:
            self.prior = {group: self.fit_prior(group, phi_now[group]) for group in self.prior}
        if number % 7 == 0:
            pools = {self.pool(group) for group in self.prior}
            for pool in pools:
                for window in self.windows:
                    self.spread[pool, window] = self.fit_spread(pool, window)
            age = max(number - self.first, 7)
            fade = min(self.rho**7, ((age - 7) / age) ** 2 if self.pooled else 1.0)
            for rows in self.residuals.values():
                rows[:] = [(w * fade, mean, squared) for w, mean, squared in rows if fade]

    def moments(self, keys: list[_Key], phi: float) -> tuple[int, float, float, float]:
        a = [self.faded(key.capped) for key in keys]
        b = [self.faded(key.exposure) for key in keys]
        mean = (sum(a) + 0.5) / (sum(b) + 1)
        if len(keys) < 2:
            return len(keys), sum(b), mean, 1.0
        scatter = sum(bi * (ai / bi - mean) ** 2 for ai, bi in zip(a, b, strict=True))
        between = (scatter - (len(keys) - 1) * phi * mean) / (sum(b) - sum(x * x for x in b) / sum(b))
        return len(keys), sum(b), mean, min(max(between / mean**2, 0.05), 4.0)

    def fit_prior(self, group: str, phi: float) -> tuple[float, float, bool]:
        everyone = list(self.keys.values())
        n, _, mean, variation = self.moments([k for k in everyone if k.group == group], phi)
        mates = [k for k in everyone if self.pool(k.group) == self.pool(group)]
        _, days, whole_mean, whole_variation = self.moments(mates, phi)
        w = n / (n + 20)
        return w * mean + (1 - w) * whole_mean, w * variation + (1 - w) * whole_variation, days >= 14

    def fit_spread(self, pool: str, window: int) -> tuple[float, float]:
        bins: dict[int, list[tuple[float, float, float]]] = {}
        for row in self.residuals.get((pool, window), []):
            octave = min(max(math.floor(math.log2(row[1])) + 7, 0), 15)
            bins.setdefault(octave, []).append(row)
        aa, bb = LEAN / (2 * PHI**2), LEAN / (2 * TAU**2)
        ab, ay, by = 0.0, aa * PHI, bb * TAU
        for rows in bins.values():
            n = sum(w for w, _, _ in rows)
            mu = sum(w * m for w, m, _ in rows) / n
            mu2 = sum(w * m * m for w, m, _ in rows) / n
            y = sum(w * s for w, _, s in rows) / n
            v = PHI * mu + TAU * mu2
            weight = n * min(1.0, 4 / window) / (v + 2 * v * v)
            aa, bb, ab = aa + weight * mu * mu, bb + weight * mu2 * mu2, ab + weight * mu * mu2
            ay, by = ay + weight * mu * y, by + weight * mu2 * y
        determinant = aa * bb - ab * ab
        phi, tau = (ay * bb - by * ab) / determinant, (by * aa - ay * ab) / determinant
        if phi < 1:
            phi, tau = 1.0, (by - ab) / bb
        return (max(1.0, ay / aa), 0.0) if tau < 0 else (phi, tau)


def unseen(mean: float, variance: float) -> float:
    """What counts with a p of at most 1e-3 add to the variance."""
    size = mean**2 / (variance - mean)
    law = stats.nbinom(size, size / (size + mean))
    first = next(x for x in range(100_000) if upper_tail(x, mean, variance) <= 1e-3)
    counts = np.arange(first, first + 2000)
    return float(((counts - mean) ** 2 * law.pmf(counts)).sum())
