"""One requester who comes back to the same person again and again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Annotated

import msgspec
import numpy as np
from msgspec import Meta, Struct

from models.alert import Finding, Severity
from models.columns import Ints
from models.columns import distinct as distinct_numbers
from models.days import LocalDays
from models.detectors.base import Arrivals, Day, Detector, Settings
from models.statistics import ladder
from models.statistics.visits import (
    MOST_VISITS,
    DayVisits,
    Made,
    Open,
    OpenVisits,
    Visit,
    Visits,
    distinct,
    rows_of,
)
from models.windows import OpenDay
from models.wording import chance, day_text, figure, plural

if TYPE_CHECKING:
    from models.reference import Reference

#: Ways of counting visits: (name, noun). Each has its own propensity to repeat.
SCALES = (("case", "case"), ("day", "day"), ("week", "week"))
#: Propensities are learned up to this many repeats and held constant beyond.
DEEPEST = 6
#: p-value below which an alert is of critical severity; above it is high.
CRITICAL = 1e-8


class RepeatSubjectSettings(Settings, kw_only=True, frozen=True):
    """Settings of `repeat_subject`."""

    episode_days: Annotated[int, Meta(ge=0, le=365)] = 60
    """Visits no further apart than this belong to one alert, which is amended."""
    alpha: Annotated[float, Meta(gt=0, lt=1)] = 1e-5
    """Largest p-value that raises an alert."""
    horizon_days: Annotated[int, Meta(ge=7, le=366)] = 90
    """Visits further back are forgotten."""
    minimum_visits: Annotated[int, Meta(ge=2)] = 4
    """Fewest visits, on different days, that can raise an alert."""
    minimum_history_days: Annotated[int, Meta(ge=0)] = 60
    """Days of the agency's log before the first alert."""


class _Learned(Struct, array_like=True):
    first_day: int | None
    reached: list[list[int]]
    """For each scale, how many pairs reached 1, 2, ... distinct visits."""


class RepeatSubject(Detector):
    """Surprise at the number of times one requester searched for one subject.

    Visits of a pair within the horizon are counted three ways: distinct cases, distinct days and
    distinct weeks. For each, the propensity h_j that a pair with j visits comes back once more is
    learned from the whole agency (shrunk towards h_(j-1) with weight 20), so that an agency whose
    cases run for weeks does not alarm. The chance of k repeats is h_1 h_2 ... h_k; to it is added
    mu^k / k!, the chance that a person whom everybody looks for came up k times, where mu is the
    requester's visits times the subject's share of the visits of all others. The smallest of the
    three chances, times three, is the p-value. Searches without a case number count one case a
    day. Automatic look-ups (hot list, batch) are not visits.

    Innocent explanations: a long investigation by one detective, a missing person, a suspect whose
    photographs keep arriving, a test record used in training.
    Blind spots: searches without `subject_ref`; somebody who asks colleagues to search.

    Source: gamma-Poisson surprise with learned repeat propensity, `docs/detection.md`; the misuse is
    that of the Milwaukee and Louisville cases (about 180 look-ups of one person in two months).
    """

    function = "repeat_subject"
    settings_type = RepeatSubjectSettings
    judging = Detector.judging | {"alpha", "minimum_history_days", "minimum_visits"}
    #: A pair keeps at most 90 visits of five short strings.
    bytes_per_key = MOST_VISITS * 400

    settings: RepeatSubjectSettings

    def __init__(self, name: str, settings: Settings, reference: Reference, agency_id: str) -> None:
        super().__init__(name, settings, reference, agency_id)
        self._days = LocalDays.of(reference.agency(agency_id).timezone)
        self._reset()

    def _reset(self) -> None:
        self._learned = _Learned(None, [[0] * (DEEPEST + 2) for _ in SCALES])
        self._visits = Visits()
        self._open = OpenVisits()

    def observe(self, arrivals: Sequence[Arrivals]) -> Iterable[tuple[int, Finding]]:
        """A first visit of the day to somebody who was visited before is judged at once."""
        opened, least = self._open, self.settings.minimum_visits
        came = []
        for day, first, places in arrivals:
            rows = rows_of(day, first)
            was = opened.on(day)
            pairs = opened.add(day, rows, self._visits.pairs)
            came.append((was, places[rows - first], rows, pairs))
        if not came:
            return
        every = distinct_numbers(np.concatenate([pairs for *_, pairs in came]))
        near = every[self._visits.numbers(every) + opened.days_with(every) >= least]
        if len(near):
            yield from self._follow(came, near)

    def _follow(
        self, came: Sequence[tuple[Open, Ints, Ints, Ints]], near: Ints
    ) -> Iterable[tuple[int, Finding]]:
        """Go through the visits that came of the pairs that are near, one after the other. `came` has for
        each open day what was there before, and places, rows and pairs of what is new."""
        before, least = self._visits, self.settings.minimum_visits
        steps = []
        for was, places, rows, pairs in came:
            for at in np.flatnonzero(np.isin(pairs, near)).tolist():
                steps.append((int(places[at]), int(pairs[at]), was.day, int(rows[at])))
        new = {was.day.number: was for was, *_ in came}
        visited: dict[int, dict[int, tuple[OpenDay, int]]] = {}
        for place, pair, day, row in sorted(steps, key=itemgetter(0)):
            if pair not in visited:
                known = (new.get(opened.day.number, opened) for opened in self._open.all())
                first = ((opened.day, opened.first(pair)) for opened in known)
                visited[pair] = {one.number: (one, at) for one, at in first if at is not None}
            days = visited[pair]
            if day.number in days:
                continue
            days[day.number] = day, row
            if before.number(pair) + len(days) < least:
                continue
            until = (Visit.of(*days[number]) for number in sorted(days) if number <= day.number)
            visits = [*before.of(pair), *until]
            finding = self._judge(pair, visits, day.number) if len(visits) >= least else None
            if finding is not None:
                yield place, finding

    def close(self, day: Day) -> Iterable[Finding]:
        """Judge every pair with a visit on the day, then learn from it."""
        before, least = self._visits, self.settings.minimum_visits
        if self._learned.first_day is None and len(day):
            self._learned.first_day = day.number
        before.forget(day.number - self.settings.horizon_days)
        self._open.renumber(before)
        today = DayVisits.of(day)
        rows, pair_of = today.rows, today.pair_of
        names, _ = before.pairs.at(day, today.of_pair, self._open.known(day))
        self._open.close(day.number)
        each, number = np.bincount(pair_of, minlength=len(names)), before.numbers(names)
        again = np.flatnonzero((each > 1) | (number > 0)).tolist()
        own: dict[int, list[int]] = {place: [] for place in again}
        for at in np.flatnonzero(np.isin(pair_of, again)).tolist():
            own[int(pair_of[at])].append(int(rows[at]))
        findings = []
        for place in again:
            if number[place] + each[place] >= least:
                pair = int(names[place])
                visits = [*before.of(pair), *(Visit.of(day, row) for row in own[place])]
                finding = self._judge(pair, visits, day.number, closed=True)
                if finding is not None:
                    findings.append((visits[-1][:2], finding))
        for place in again:
            made = [(day.number, today.case(row)) for row in own[place]]
            self._learn(before.made(int(names[place])), made)
        for reached in self._learned.reached:
            reached[0] += len(names) - len(again)
        before.remember(day, names)
        return [finding for _, finding in sorted(findings, key=itemgetter(0))]

    def _judge(self, pair: int, visits: list[Visit], day: int, *, closed: bool = False) -> Finding | None:
        settings = self.settings
        first = self._learned.first_day
        if first is None or day - first < settings.minimum_history_days:
            return None
        counts = distinct((self._days.at(visit.at).day, visit.case) for visit in visits)
        if counts[1] < settings.minimum_visits:
            return None
        requester, subject = visits[-1].requester, visits[-1].subject
        known = self._visits
        others, made = known.by_subject(pair) - known.number(pair), known.by_requester(pair)
        mu = made * (others + 0.05) / (max(known.total - made, 0) + 1)
        chances = []
        for scale, count in enumerate(counts):
            repeats = count - 1
            by_habit = ladder.chance(self._learned.reached[scale], count)
            by_fame = math.exp(repeats * math.log(mu) - math.lgamma(count)) if repeats and mu > 0 else 0.0
            chances.append(min(1.0, by_habit + by_fame))
        best = min(range(len(chances)), key=chances.__getitem__)
        p = min(1.0, len(chances) * chances[best])
        if closed:
            self.p_values.one(p)
        if p > settings.alpha:
            return None
        name, noun = SCALES[best]
        expected, upper = ladder.expected(self._learned.reached[best])
        start = self._days.start(self._days.at(visits[0].at).day)
        severity: Severity = "critical" if p < CRITICAL else "high"
        cases = sorted({visit.case for visit in visits if visit.case})
        said = (
            f"all citing case {cases[0]}"
            if len(cases) == 1 and len(visits) > 1
            else (f"citing {plural(len(cases), 'case number')}" if cases else "citing no case number")
        )
        return Finding(
            entity_kind="requester",
            entity=requester,
            unit_id=visits[-1].unit,
            window_start=start,
            window_end=self._days.end(day),
            first_seen=visits[0].at,
            severity=severity,
            p_value=max(p, 1e-300),
            score=-math.log(max(p, 1e-300)),
            observed=float(counts[best]),
            expected=expected,
            interval=(1.0, upper),
            evidence=tuple(visit.event for visit in visits),
            explanation=(
                f"Searched for one person ({subject}) on {plural(counts[1], 'day')} in "
                f"{plural(counts[2], 'week')} to {day_text(day)}, {said}: {plural(counts[best], noun)} where "
                f"{figure(expected)} [1-{figure(upper)}] {'is' if expected == 1 else 'are'} expected once a "
                f"person has been searched for; {plural(max(others, 0), 'visit')} by others; {chance(p)}."
            ),
        )

    def _learn(self, before: Sequence[Made], today: Sequence[Made]) -> None:
        old = distinct(before) if before else (0, 0, 0)
        new = distinct([*before, *today])
        for reached, was, is_now in zip(self._learned.reached, old, new, strict=True):
            ladder.climb(reached, was, is_now)

    def snapshot(self) -> dict[str, bytes]:
        """`learned`, and `week/N` with the visits of the remembered days of a week."""
        return self._visits.snapshot() | {"learned": msgspec.msgpack.encode(self._learned)}

    def changes(self) -> Mapping[str, bytes | None]:
        """As `snapshot`, without the weeks that are as they were among the changes before."""
        return self._visits.changes() | {"learned": msgspec.msgpack.encode(self._learned)}

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take back what `snapshot` gave."""
        self._reset()
        if not blocks:
            return
        with self.reading():
            self._learned = msgspec.msgpack.decode(blocks["learned"], type=_Learned)
            self._visits.restore(blocks)
