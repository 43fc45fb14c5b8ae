"""A log that goes on with part of its records missing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta, Struct

from models.alert import Finding
from models.detectors.base import Settings, SourceDay, SourceDetector
from models.statistics.counts import Counts, Expectation
from models.statistics.history import RING
from models.statistics.negative_binomial import central_interval, lower_tail
from models.wording import chance, day_text, figure, plural

#: Windows in days, and how many of their days are given away as possible holidays: those that lack most.
SPARED = {7: 2, 14: 4}
#: Variance over mean of a window before there is data, and the number of windows (and of searches) at
#: which data weighs as much; days after which half of it is forgotten.
SPREAD, LEAN, HALF_LIFE_DAYS = 1.6, 6.0, 180.0
#: Windows rarer than this teach nothing.
SURPRISING = 1e-4


class PartialLossSettings(Settings, kw_only=True, frozen=True):
    """Settings of `partial_loss`."""

    alpha: Annotated[float, Meta(gt=0, lt=1)] = 1e-4
    """Largest chance of so few searches that raises an alert."""
    minimum_history_days: Annotated[int, Meta(ge=1)] = 56
    """Days of the source's log before the first alert."""
    minimum_share: Annotated[float, Meta(gt=0, lt=1)] = 0.2
    """Least share of the expected searches that must be missing."""
    half_life_days: Annotated[float, Meta(gt=0, le=365)] = 45.0
    """After so many days the past counts half: a slow decline is followed, not reported."""
    trust_numbers: bool = True
    """Whether records that are numbered without a gap prove that nothing is missing."""


class _Numbers(Struct, array_like=True):
    """What the numbers of a day's records say."""

    seen: int
    numbered: int
    first: int
    last: int


class _Usual(Struct, array_like=True):
    """What windows of one length usually hold, without the days given away; discounted sums."""

    weight: float = 0.0
    seen: float = 0.0
    due: float = 0.0
    squares: float = 0.0
    """Of (seen - due)^2 / due."""

    @property
    def ratio(self) -> float:
        """Searches seen for one that was due: above 1, because the days left out are the poorest."""
        return (LEAN + self.seen) / (LEAN + self.due)

    @property
    def spread(self) -> float:
        """Variance over mean, above 1."""
        return max(1.01, (LEAN * SPREAD + self.squares) / (LEAN + self.weight))

    def learn(self, seen: float, mean: float, size: int) -> None:
        """Take in a window; windows overlap, so that each tells 1/size of what is new."""
        squared, due = (seen - mean) ** 2 / mean, mean / self.ratio
        kept = 0.5 ** (1 / HALF_LIFE_DAYS)
        self.weight = self.weight * kept + 1 / size
        self.seen = self.seen * kept + seen / size
        self.due = self.due * kept + due / size
        self.squares = self.squares * kept + squared / size


class _State(Struct, array_like=True):
    usual: dict[int, _Usual]
    """By length of the window."""
    numbers: list[_Numbers]
    """Of the last days, as many as the longest window has."""
    last_event: str = ""


class PartialLoss(SourceDetector):
    """Chance of as few searches as in the last one or two weeks, given the source's own past.

    A gamma-Poisson rate with a half-life of 45 days, times the source's own profile of weekdays
    (`models/statistics/counts.py`), says what each day should hold. Of 7 days the two that lack
    most are given away as possible holidays, of 14 four. What the others usually hold, and how far
    it scatters, is learned from the windows before (half-life 180 days): a negative binomial with
    that ratio and that variance over mean gives the chance of as few or fewer, doubled for the two
    windows. When all records of the window are numbered, the numbers tell how many were made:
    unless half of what lacks is missing among them, the log is whole and there was less to log.

    Innocent explanations: a season, a strike, a unit that moved to another system, a change of
    policy that really lowered the number of searches.
    Blind spots: losses of a few days only; losses below the natural scatter of the source, as of
    one record in ten; a loss that grows as slowly as the memory fades; records lost before they
    are numbered, unless `trust_numbers` is off; a log that stops altogether (`silence`).

    Source: lower tail of the gamma-Poisson predictive, as `high_count` uses the upper one; an
    audit record must be complete (CJIS 5.4).
    """

    function = "partial_loss"
    settings_type = PartialLossSettings
    judging = SourceDetector.judging | {
        "alpha", "minimum_history_days", "minimum_share", "half_life_days", "trust_numbers",
    }  # fmt: skip
    bytes_per_key = 12_000

    settings: PartialLossSettings

    def __init__(self, name: str, settings: Settings, source_id: str) -> None:
        super().__init__(name, settings, source_id)
        self._reset()

    def _reset(self) -> None:
        self._counts = Counts(sorted(SPARED), self.settings.half_life_days, pooled=False)
        self._state = _State({size: _Usual() for size in SPARED}, [])

    def close(self, day: SourceDay) -> Iterable[Finding]:
        """Compare the windows that end with the day, then learn from it."""
        counts, state = self._counts, self._state
        past = counts.history
        if not len(past):
            if not day.times:
                return []
            past.enter(self.source_id, counts.group(self.source_id))
        seen = np.array([len(day.times)])
        # What is not there after the end of a log was not expected.
        past.active[0] = not day.ended
        told = counts.close(day.number, np.array([0]), seen, seen)
        found = [number for number in day.sequences if number is not None]
        numbers = _Numbers(len(day.times), len(found), min(found, default=0), max(found, default=0))
        state.numbers = [*state.numbers, numbers][-max(SPARED) :]
        state.last_event = day.event_ids[-1] if day.event_ids else state.last_event
        if day.ended:
            return []
        finding = self._judge(day, told)
        return [] if finding is None else [finding]

    def _judge(self, day: SourceDay, told: Expectation) -> Finding | None:
        best: tuple[float, int, float, float, float] | None = None
        least: float | None = None
        past = self._counts.history
        mature = past.days[0] > self.settings.minimum_history_days
        for place, size in enumerate(self._counts.windows.tolist()):
            days = [(day.number - back) % RING for back in range(size)]
            exposure, seen = past.exposure[days, 0], past.counts[days, 0]
            # Days beyond the end of an earlier log have no exposure, and nothing follows from such a window.
            if size not in SPARED or told.mean[place, 0] <= 0 or np.count_nonzero(exposure) < size:
                continue
            due = told.mean[place, 0] * exposure / exposure.sum()
            kept = np.argsort(seen - due, kind="stable")[SPARED[size] :]
            observed, usual = float(seen[kept].sum()), self._state.usual[size]
            mean = float(due[kept].sum()) * usual.ratio
            variance = mean * usual.spread
            p = min(1.0, float(lower_tail(observed, mean, variance)) * len(SPARED))
            least = min(p, 1.0 if least is None else least)
            if p > SURPRISING:
                usual.learn(observed, mean, size)
            if (
                mature
                and p <= self.settings.alpha
                and mean - observed >= self.settings.minimum_share * mean
                and (best is None or p < best[0])
                and not self._whole(size, mean - observed)
            ):
                best = p, size, observed, mean, variance
        if mature and least is not None:
            self.p_values.one(least)
        return None if best is None else self._finding(day, *best)

    def _whole(self, size: int, lacking: float) -> bool:
        """Whether the numbers of the records account for most of what lacks."""
        window = [numbers for numbers in self._state.numbers[-size:] if numbers.seen]
        if not self.settings.trust_numbers or any(one.numbered < one.seen for one in window):
            return False
        if not window:
            return True  # Nothing at all is a matter for `silence`.
        made = max(one.last for one in window) - min(one.first for one in window) + 1
        return made - sum(one.seen for one in window) < lacking / 2

    def _finding(
        self, day: SourceDay, p: float, size: int, observed: float, mean: float, variance: float
    ) -> Finding:
        p = min(1.0, max(p, 1e-300))
        low, high = central_interval(mean, variance)
        due = f"{figure(mean)} [{figure(low)}-{figure(high)}]"
        start = day.end - size * 86_400.0
        return Finding(
            entity_kind="source",
            entity=self.source_id,
            window_start=start,
            window_end=day.end,
            first_seen=start,
            severity="critical" if p < self.settings.alpha**2 else "high",
            p_value=p,
            score=-math.log(p),
            observed=observed,
            expected=mean,
            interval=(low, high),
            evidence=(self._state.last_event,),
            explanation=(
                f"{plural(int(observed), 'search')} from source {self.source_id} on {size - SPARED[size]} of "
                f"the {size} days to {day_text(day.number)}, where {due} "
                f"were expected; the {SPARED[size]} days that lack most are left out as possible holidays; "
                f"about {figure(100 * (1 - observed / mean))}% of the records are missing or were never "
                f"made; {chance(p)}."
            ),
        )

    def snapshot(self) -> dict[str, bytes]:
        """`state`, and the blocks of the counts."""
        if not len(self._counts.history):
            return {}
        return {"state": msgspec.msgpack.encode(self._state), **self._counts.snapshot()}

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take back what `snapshot` gave."""
        self._reset()
        with self.reading():
            self._state = msgspec.msgpack.decode(blocks["state"], type=_State)
            self._counts.restore(blocks)
