"""Do the p-values of `high_count` mean what they say, and what does its default alpha cost?

`python -m bench.calibration` simulates honest officers, prints for each window how often p <= a was
observed over how often it should be, the false alerts a day and 1,000 officers, and the recall for
added bursts. `python -m bench.calibration LOG.csv --zone America/Los_Angeles` adds the same ratios on
a real log with columns userId and searchDate (UTC), where nobody is known to be honest.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from models.detectors.high_count import HighCountSettings
from models.statistics.counts import Counts
from models.statistics.negative_binomial import Floats, Ints
from models.statistics.rule import Rule, factors

LEVELS = (1e-2, 1e-3, 1e-4)
FIRST = datetime(2019, 1, 1, tzinfo=UTC).toordinal()
#: Officers of a simulated unit, and the share that is replaced in a year.
UNIT_SIZE, TURNOVER = 16, 0.25
#: Chance that a case is searched for again on the next day.
FOLLOWED = 0.35
Burst = tuple[int, float]


@dataclass
class Result:
    """Tallies over the key-days judged."""

    key_days: int = 0
    tails: Counter[tuple[int, float]] = field(default_factory=Counter)
    found: dict[int, list[int]] = field(default_factory=dict)
    """Row -> days with a p-value at or below alpha."""

    def alerts(self, apart: int = 7) -> int:
        """Findings no further apart than `apart` days are one alert."""
        return sum(
            1 + sum(later - day > apart for day, later in zip(days, days[1:], strict=False))
            for days in self.found.values()
        )


def rule_of(counts: Counts, settings: HighCountSettings) -> Rule:
    """The detector's rule for these settings."""
    windows = counts.windows.tolist()
    return Rule(
        places=tuple(windows.index(length) for length in settings.windows),
        factor=factors(settings.windows),
        alpha=settings.alpha,
        minimum_count=settings.minimum_count,
        minimum_history_days=settings.minimum_history_days,
        newcomer_days=settings.newcomer_days,
        minimum_agency_days=2 * settings.minimum_history_days,
        episode_days=settings.episode_days,
    )


def judge(counts: Counts, rule: Rule, day: int, today: Ints, into: Result) -> None:
    """Close a day with one count a key and tally what the detector would make of it."""
    rows = np.flatnonzero(today)
    told = counts.close(day, rows, today[rows], today[rows])
    judged = rule.judged(counts, day)
    into.key_days += int(judged.any(axis=0).sum())
    p = told.p_values(told.beyond(0.0) & judged)
    for place, length in enumerate(counts.windows.tolist()):
        for level in LEVELS:
            into.tails[length, level] += int((p[place] <= level).sum())
    corrected, _ = rule.p_values(told, judged)
    raised = np.flatnonzero(corrected <= rule.alpha)
    anew, _ = rule.p_values(told, judged & rule.fresh(counts, day))
    counts.history.told[anew <= rule.alpha] = day
    for row in raised.tolist():
        into.found.setdefault(row, []).append(day)


class Force:
    """Honest officers: gamma rates with a drift of their own, units with busy days, cases that
    take several searches over some days, leave, and people who come and go."""

    def __init__(self, officers: int, searches_a_year: float, seed: int) -> None:
        self.rng = np.random.default_rng(np.random.SeedSequence([seed, officers, int(searches_a_year)]))
        self.unit = np.arange(officers) // UNIT_SIZE
        self.rate: Floats = self.rng.gamma(1.0, searches_a_year / 365 / officers / 2.1, officers)
        self.drift: Floats = self.rng.normal(0, 0.35, officers)
        self.away: Ints = np.zeros(officers, np.int64)
        self.busy: Floats = np.zeros(self.unit.max() + 1)
        self.pending: Ints = np.zeros(officers, np.int64)

    def replace(self) -> Ints:
        """Officers who are somebody else from today on."""
        gone = np.flatnonzero(self.rng.random(len(self.rate)) < TURNOVER / 365)
        self.rate[gone] = self.rng.choice(self.rate, len(gone))
        self.drift[gone], self.pending[gone] = 0.0, 0
        return gone

    def deviation(self, row: int, length: int) -> float:
        """Standard deviation of an officer's honest cases in so many days, at least that of 1 in 4."""
        mean = max(0.25, float(self.rate[row]) * length)
        return float(np.sqrt(1.2 * mean + (0.4 * mean) ** 2))

    def day(self, number: int) -> tuple[Ints, Ints]:
        """New cases and searches of every officer."""
        rng, officers = self.rng, len(self.rate)
        self.drift = 0.97 * self.drift + rng.normal(0, 0.35 * np.sqrt(1 - 0.97**2), officers)
        self.busy = 0.7 * self.busy + rng.normal(0, 0.12, len(self.busy))
        self.busy += np.where(rng.random(len(self.busy)) < 0.003, 1.0, 0.0)
        self.away = np.maximum(self.away - 1, 0)
        leaves = rng.random(officers) < 0.004
        self.away[leaves] = rng.integers(5, 20, int(leaves.sum()))
        week = 0.65 if number % 7 in (6, 0) else 1.14
        mean = self.rate * np.exp(self.drift - 0.06 + self.busy[self.unit]) * week * (self.away == 0)
        new = rng.poisson(mean)
        again = rng.binomial(self.pending, FOLLOWED) * (self.away == 0)
        self.pending = new + again
        return new, new + again + rng.poisson(0.55 * new)


def simulate(
    officers: int,
    searches_a_year: float,
    settings: HighCountSettings,
    *,
    days: int = 730,
    seed: int = 1,
    bursts: dict[int, tuple[int, Burst]] | None = None,
    by_unit: bool = False,
) -> Result:
    """Run the counts over a simulated force; `bursts` gives rows a first day and (length, sds)."""
    force = Force(officers, searches_a_year, seed)
    counts = Counts(settings.windows, settings.half_life_days, pooled=settings.over != "none")
    rule, result, past = rule_of(counts, settings), Result(), counts.history
    units = int(force.unit.max()) + 1
    for key in range(units if by_unit else officers):
        name = str(key) if settings.over == "none" else str(force.unit[key]) if not by_unit else ""
        row = past.enter(str(key), counts.group(name))
        past.since[row] = 0 if by_unit else FIRST - 1
    for number in range(FIRST, FIRST + days):
        for row in force.replace().tolist():
            if not by_unit:
                past.forget(row)
                past.since[row] = number
        cases, searches = force.day(number)
        for row, (start, (length, deviations)) in (bursts or {}).items():
            if start <= number < start + length:
                extra = deviations * force.deviation(row, length) / length
                added = force.rng.poisson(extra) if length > 1 else round(extra)
                cases[row], searches[row] = cases[row] + added, searches[row] + added
        if by_unit:
            today = np.bincount(force.unit, cases, units).astype(np.int64)
        else:
            today = np.maximum(cases, searches - settings.allowance)
        judge(counts, rule, number, today, result)
    return result


def recall(
    officers: int, searches_a_year: float, settings: HighCountSettings
) -> Iterator[tuple[Burst, float]]:
    """Share of bursts found by a week after their end, for each length (days) and size (sds)."""
    kinds = [(length, deviations) for length in (1, 14, 60) for deviations in (3.0, 5.0, 10.0)]
    hits: Counter[Burst] = Counter()
    tried: Counter[Burst] = Counter()
    for seed in range(4):
        rng = np.random.default_rng(seed)
        chosen = rng.choice(officers, officers // 8, replace=False)
        bursts = {
            int(row): (FIRST + int(rng.integers(300, 640)), kinds[place % len(kinds)])
            for place, row in enumerate(chosen)
        }
        result = simulate(officers, searches_a_year, settings, seed=seed, bursts=bursts)
        for row, (start, kind) in bursts.items():
            tried[kind] += 1
            ends = start + kind[0] + 7
            hits[kind] += any(start <= day < ends for day in result.found.get(row, ()))
    for kind in kinds:
        yield kind, hits[kind] / tried[kind]


def real_log(path: Path, zone: str, settings: HighCountSettings) -> Result:
    """Run the counts over a real log, all users in one group."""
    seen: dict[int, Counter[str]] = {}
    with path.open(newline="", encoding="utf-8") as lines:
        for line in csv.DictReader(lines):
            at = datetime.fromisoformat(line["searchDate"]).replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
            seen.setdefault(at.toordinal(), Counter())[line["userId"]] += 1
    counts = Counts(settings.windows, settings.half_life_days)
    rule, result, past = rule_of(counts, settings), Result(), counts.history
    group = counts.group("")
    for number in range(min(seen), max(seen) + 1):
        users = seen.get(number, Counter())
        for user in users:
            if user not in past.rows:
                past.enter(user, group)
        today = np.array([users[user] for user in past.keys], np.int64)
        judge(counts, rule, number, today, result)
    return result


def show(title: str, result: Result) -> None:
    """Print observed over nominal tails and the alerts."""
    print(f"{title}: {result.key_days:,} key-days judged")
    for length in sorted({length for length, _ in result.tails}):
        ratios = (result.tails[length, level] / max(result.key_days, 1) / level for level in LEVELS)
        print(
            f"  {length:3d} days  "
            + "  ".join(f"{level:g}: {ratio:5.2f}" for level, ratio in zip(LEVELS, ratios, strict=True))
        )
    alerts = result.alerts()
    print(f"  alerts {alerts}; {1000 * alerts / max(result.key_days, 1):.4f} a day and 1,000 keys")


def main() -> None:
    """Run everything, a minute or two."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("log", nargs="?", type=Path)
    parser.add_argument("--zone", default="UTC")
    parser.add_argument("--alpha", type=float, default=HighCountSettings().alpha)
    parser.add_argument("--no-recall", action="store_true")
    chosen = parser.parse_args()
    officers = HighCountSettings(alpha=chosen.alpha)
    for size, volume in ((330, 17 * 365), (1500, 20_000), (1500, 100_000)):
        title = f"{size:,} officers, {volume:,} searches a year"
        show(title, simulate(size, volume, officers))
        if not chosen.no_recall:
            for (length, deviations), share in recall(size, volume, officers):
                print(f"  recall {length:2d} days {deviations:4.0f} sd: {share:.2f}")
        for over in ("agency", "none"):
            units = HighCountSettings(by="unit", over=over, half_life_days=60, alpha=1e-4)
            show(f"{title}, units over {over}", simulate(size, volume, units, by_unit=True))
    if chosen.log is not None:
        show(chosen.log.name, real_log(chosen.log, chosen.zone, HighCountSettings(of="searches")))


if __name__ == "__main__":
    main()
