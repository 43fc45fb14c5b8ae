"""A log that has stopped."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import accumulate, compress
from operator import not_
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta, Struct

from models.alert import Finding, Severity
from models.days import instant
from models.detectors.base import Settings, SourceDay, SourceDetector
from models.wording import chance, figure, length

HOUR = 3600
WEEK_HOURS = 168
#: Hours of the week are smoothed towards an even spread by so many active hours.
EVEN = 50.0
HALF_LIFE_DAYS = 90.0
#: Pauses with more expected activity than this teach the tail; below it the closed form stands.
TAIL_FROM = 2.0
#: The tail is that of the closed form until so many long pauses have been seen.
TAIL_PRIOR = 20.0


class SilenceSettings(Settings, kw_only=True, frozen=True):
    """Settings of `silence`."""

    alpha: Annotated[float, Meta(gt=0, lt=1)] = 1e-4
    """Largest chance of a pause as long as this that raises an alert."""
    minimum_history_days: Annotated[int, Meta(ge=1)] = 28
    """Days of the source's log before the first alert."""
    minimum_gap_hours: Annotated[float, Meta(gt=0)] = 12.0
    """Pauses shorter than this are never reported."""


class _State(Struct, array_like=True):
    profile: list[float]
    """Active hours seen in each hour of the week, discounted."""
    active: float = 0.0
    """Active hours, discounted."""
    exposure: float = 0.0
    """Hours watched, discounted, each weighted by its expected share."""
    days: int = 0
    last: float | None = None
    """Event time of the last search of a closed day."""
    last_event: str = ""
    told: float | None = None
    """Start of the pause that was last reported."""
    long_pauses: float = 0.0
    """Pauses with more than TAIL_FROM active hours expected, discounted."""
    excess: float = 0.0
    """By how many expected active hours they exceeded it, discounted."""
    manual: bool = False
    """Whether anybody has ever searched by hand."""


class Silence(SourceDetector):
    """Chance of a pause as long as this one, given how busy the source usually is at those hours.

    Searches come in bursts, so hours with at least one search are counted, not searches. Look-ups of
    hot lists and batches end a pause like all others, but as such a job ends one day, they teach what is
    usual only where nobody has searched by hand yet. With a
    gamma posterior for their rate (a' = 1 + active hours, b' = weighted hours watched, both with a
    half-life of 90 days) the chance of no active hour during an expected activity E is
    (b' / (b' + E))^a'. E weighs each hour of the pause by the source's own week. Quiet days come
    together, so the tail is the source's own: with theta the mean excess of its pauses over two
    expected active hours (at least 1, shrunk to 1 with weight 20), -ln p beyond that point is
    divided by theta. The pause is counted up to the moment before which everything should have
    arrived (lateness). A silence that was reported does not teach anything.

    Innocent explanations: maintenance, an outage, an upload that failed, a holiday in a small unit,
    a system that was taken out of service.
    Blind spots: a declared source that has never reported, of which nothing is known (its agency's
    days then close by its idle time); a source with a search every few weeks; rows removed one by
    one (`sequence_gap`).

    Source: gamma-Poisson waiting time; closed form in `docs/detection.md`.
    """

    function = "silence"
    version = 2
    settings_type = SilenceSettings
    judging = SourceDetector.judging | {"alpha", "minimum_gap_hours", "minimum_history_days"}
    bytes_per_key = WEEK_HOURS * 9 + 400

    settings: SilenceSettings

    def __init__(self, name: str, settings: Settings, source_id: str) -> None:
        super().__init__(name, settings, source_id)
        self._state = _State([0.0] * WEEK_HOURS)
        self._shares: list[float] | None = None
        self._summed: list[float] = []

    def tick(self, complete_until: float, latest: float, latest_event: str) -> Finding | None:
        """Judge the pause since the newest search, as far as the log should be complete."""
        if complete_until - latest < self.settings.minimum_gap_hours * HOUR or latest == self._state.told:
            return None
        return self._judge(latest, complete_until, (latest_event,), over=False)

    def tested(self, day: SourceDay) -> int:
        """None by itself: pauses are counted when they are over."""
        return 0

    def close(self, day: SourceDay) -> Iterable[Finding]:
        """Judge the pauses that ended on the day, and the one that goes on at its end."""
        state = self._state
        findings = []
        last, last_event = state.last, state.last_event
        busy = len({at // HOUR for at in day.times})
        for at, event in zip(day.times, day.event_ids, strict=True):
            if last is not None and at - last > 2 * HOUR:
                if self._mature:
                    self.p_values.one(_probability(self._chance(last, at)[0]))
                    busy -= 1
                finding = None
                if at - last >= self.settings.minimum_gap_hours * HOUR:
                    finding = self._judge(last, at, (last_event, event), over=True)
                    findings.append(finding)
                if finding is None:
                    self._learn_pause(last, at)
            last, last_event = at, event
        if self._mature:
            # An active hour ends a pause, mostly one of no time at all.
            self.p_values.add(np.ones(max(0, busy)))
        state.last, state.last_event = last, last_event
        if (
            not day.ended
            and state.last is not None
            and day.end - state.last >= self.settings.minimum_gap_hours * HOUR
        ):
            findings.append(self._judge(state.last, day.end, (state.last_event,), over=False, final=True))
        if not day.ended and (state.told is None or state.told != state.last):
            self._learn(day)
        return [finding for finding in findings if finding is not None]

    def _learn(self, day: SourceDay) -> None:
        state = self._state
        if not state.days and not day.times:
            return
        first = day.start if state.days else day.times[0]
        shares = self._weights()
        kept = 0.5 ** (1 / HALF_LIFE_DAYS)
        hours = range(int(first // HOUR), int(day.end // HOUR))
        by_hand = tuple(compress(day.times, map(not_, day.automatic))) if any(day.automatic) else day.times
        state.manual = state.manual or bool(by_hand)
        busy = {int(at // HOUR) for at in (by_hand if state.manual else day.times)}
        state.active = state.active * kept + len(busy)
        state.exposure = state.exposure * kept + sum(shares[hour % WEEK_HOURS] for hour in hours)
        for index in range(WEEK_HOURS):
            state.profile[index] *= kept
        for hour in sorted(busy):
            state.profile[hour % WEEK_HOURS] += 1.0
        state.days += 1
        state.long_pauses *= kept
        state.excess *= kept
        self._shares = None

    def _learn_pause(self, start: float, end: float) -> None:
        state = self._state
        if not self._mature:
            return
        beyond = (1.0 + state.active) / max(state.exposure, 1.0) * self._activity(start, end) - TAIL_FROM
        if beyond > 0:
            state.long_pauses += 1.0
            state.excess += beyond

    def _activity(self, start: float, end: float) -> float:
        """The whole hours between two moments, each weighted by its share of the week's activity."""
        shares = self._weights()
        first, last = int(start // HOUR) + 1, int(end // HOUR)
        if last <= first:
            return 0.0
        weeks, rest = divmod(last - first, WEEK_HOURS)
        if not self._summed:
            self._summed = list(accumulate(shares * 2, initial=0.0))
        begin = first % WEEK_HOURS
        return weeks * float(WEEK_HOURS) + self._summed[begin + rest] - self._summed[begin]

    def _weights(self) -> list[float]:
        """Expected activity of each hour of the week; 1 is the average."""
        if self._shares is None:
            total = sum(self._state.profile) + EVEN
            each = EVEN / WEEK_HOURS
            self._shares = [(seen + each) * WEEK_HOURS / total for seen in self._state.profile]
            self._summed = []
        return self._shares

    @property
    def _mature(self) -> bool:
        return self._state.days >= self.settings.minimum_history_days

    def _chance(self, start: float, end: float) -> tuple[float, float]:
        """Logarithm of the chance of a pause, and the active hours that were expected in it."""
        state = self._state
        weighted = self._activity(start, end)
        a, b = 1.0 + state.active, max(state.exposure, 1.0)
        log_p = a * (math.log(b) - math.log(b + weighted))
        theta = max(1.0, (TAIL_PRIOR + state.excess) / (TAIL_PRIOR + state.long_pauses))
        bend = -a * math.log1p(TAIL_FROM / a)
        if log_p < bend:
            log_p = bend + (log_p - bend) / theta
        return log_p, a / b * weighted

    def _judge(
        self, start: float, end: float, between: tuple[str, ...], *, over: bool, final: bool = False
    ) -> Finding | None:
        state = self._state
        if not self._mature:
            return None
        told = state.told == start
        if told and not over:
            return None
        log_p, expected = self._chance(start, end)
        p = _probability(log_p)
        if p > self.settings.alpha and not told:
            return None
        if over or final:
            state.told = start
        spread = 2 * math.sqrt(expected)
        low, high = max(0.0, expected - spread), expected + spread
        severity: Severity = "critical" if log_p < 2 * math.log(self.settings.alpha) else "high"
        ending = "until" if over else "and still at"
        return Finding(
            entity_kind="source",
            entity=self.source_id,
            window_start=start,
            window_end=end,
            first_seen=start,
            opened=start,
            severity=severity,
            p_value=p,
            score=-log_p,
            observed=0.0,
            expected=expected,
            interval=(low, high),
            evidence=between,
            explanation=(
                f"No search from source {self.source_id} for {length(end - start)}, from "
                f"{instant(start):%d %B %Y %H:%M} {ending} {instant(end):%d %B %Y %H:%M} UTC: 0 active hours "
                f"where {figure(expected)} [{figure(low)}-{figure(high)}] were expected; {chance(p)}."
            ),
        )

    def snapshot(self) -> dict[str, bytes]:
        """One block."""
        return {"state": msgspec.msgpack.encode(self._state)}

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take back what `snapshot` gave."""
        with self.reading():
            self._state = msgspec.msgpack.decode(blocks["state"], type=_State)
        self._shares = None


def _probability(log_p: float) -> float:
    return math.exp(max(log_p, -690.0))
