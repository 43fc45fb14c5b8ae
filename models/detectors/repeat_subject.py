"""One requester who comes back to the same person again and again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta, Struct

from models.alert import Finding, Severity
from models.days import LocalDays, LocalHour
from models.detectors.base import Day, Detector, Settings
from models.search import Search
from models.wording import chance, day_text, figure, plural

if TYPE_CHECKING:
    from models.reference import Reference

#: Ways of counting visits: (name, noun). Each has its own propensity to repeat.
SCALES = (("case", "case"), ("day", "day"), ("week", "week"))
#: Propensities are learned up to this many repeats and held constant beyond.
DEEPEST = 6
#: Weight of the coarser estimate when there are few pairs.
PRIOR_WEIGHT = 20.0
PRIOR_PROPENSITY = 0.25
#: A pair's visits are kept up to this many; more cannot make an alert any surer.
MOST_VISITS = 90

Pair = tuple[str, str]


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


class _Visit(Struct, array_like=True, frozen=True, gc=False):
    requester: str
    subject: str
    case: str
    unit: str
    at: float
    event: str


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
    #: A pair keeps at most 90 visits of five short strings.
    bytes_per_key = MOST_VISITS * 400

    settings: RepeatSubjectSettings

    def __init__(self, name: str, settings: Settings, reference: Reference, agency_id: str) -> None:
        super().__init__(name, settings, reference, agency_id)
        self._days = LocalDays(reference.agency(agency_id).timezone)
        self._reset()

    def _reset(self) -> None:
        self._learned = _Learned(None, [[0] * (DEEPEST + 2) for _ in SCALES])
        self._by_day: dict[int, list[_Visit]] = {}
        self._pairs: dict[Pair, list[_Visit]] = {}
        self._by_requester: dict[str, int] = {}
        self._by_subject: dict[str, int] = {}
        self._total = 0
        self._open: dict[int, dict[Pair, Search]] = {}

    def observe(self, search: Search, at: LocalHour) -> Sequence[Finding]:
        """A first visit of the day to somebody who was visited before is judged at once."""
        subject = search.subject_ref
        if subject is None or search.search_type != "manual":
            return ()
        pair = (search.requester_id, subject)
        today = self._open.get(at.day)
        if today is None:
            today = self._open[at.day] = {}
        if pair in today:
            return ()
        today[pair] = search
        before = self._pairs.get(pair, ())
        if len(before) + len(self._open) < self.settings.minimum_visits:
            return ()
        visits = [*before]
        for day, open_pairs in sorted(self._open.items()):
            if day <= at.day and pair in open_pairs:
                visits.append(_visit(open_pairs[pair]))
        finding = self._judge(visits, at.day) if len(visits) >= self.settings.minimum_visits else None
        return (finding,) if finding is not None else ()

    def close(self, day: Day) -> Iterable[Finding]:
        """Judge every pair with a visit on the day, then learn from it."""
        self._open.pop(day.number, None)
        if self._learned.first_day is None and day.searches:
            self._learned.first_day = day.number
        self._forget(day.number - self.settings.horizon_days)
        today: dict[Pair, list[_Visit]] = {}
        for search in day.searches:
            subject = search.subject_ref
            if subject is None or search.search_type != "manual":
                continue
            pair = (search.requester_id, subject)
            visits = today.get(pair)
            if visits is None:
                today[pair] = [_visit(search)]
            elif all(_case(search) != visit.case for visit in visits):
                visits.append(_visit(search))
        findings = []
        again = sorted(pair for pair in today if pair in self._pairs or len(today[pair]) > 1)
        for pair in again:
            visits = [*self._pairs.get(pair, ()), *today[pair]]
            if len(visits) >= self.settings.minimum_visits:
                finding = self._judge(visits, day.number)
                if finding is not None:
                    findings.append(finding)
        for pair in again:
            self._learn(self._pairs.get(pair, []), today[pair])
        for reached in self._learned.reached:
            reached[0] += len(today) - len(again)
        self._remember(day.number, today)
        return findings

    def _judge(self, visits: list[_Visit], day: int) -> Finding | None:
        settings = self.settings
        first = self._learned.first_day
        if first is None or day - first < settings.minimum_history_days:
            return None
        counts = self._counts(visits)
        if counts[1] < settings.minimum_visits:
            return None
        requester, subject = visits[-1].requester, visits[-1].subject
        own = len(self._pairs.get((requester, subject), ()))
        others = self._by_subject.get(subject, 0) - own
        elsewhere = max(self._total - self._by_requester.get(requester, 0), 0)
        mu = self._by_requester.get(requester, 0) * (others + 0.05) / (elsewhere + 1)
        chances = []
        for scale, count in enumerate(counts):
            repeats = count - 1
            by_habit = math.exp(sum(math.log(h) for h in self._propensities(scale, repeats)))
            by_fame = math.exp(repeats * math.log(mu) - math.lgamma(count)) if repeats and mu > 0 else 0.0
            chances.append(min(1.0, by_habit + by_fame))
        best = min(range(len(chances)), key=chances.__getitem__)
        p = min(1.0, len(chances) * chances[best])
        if p > settings.alpha:
            return None
        name, noun = SCALES[best]
        expected, upper = self._expected(best)
        start = self._days.start(self._days.at(visits[0].at).day)
        severity: Severity = "critical" if p < settings.alpha * 1e-3 else "high"
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

    def _counts(self, visits: Sequence[_Visit]) -> tuple[int, int, int]:
        days = {self._days.at(visit.at).day for visit in visits}
        cases = {visit.case or f"\0{self._days.at(visit.at).day}" for visit in visits}
        return len(cases), len(days), len({day // 7 for day in days})

    def _propensities(self, scale: int, repeats: int) -> list[float]:
        """h_1 .. h_repeats of a scale, each in (0, 1)."""
        reached = self._learned.reached[scale]
        found: list[float] = []
        last = PRIOR_PROPENSITY
        for j in range(repeats):
            if j < DEEPEST:
                last = (reached[j + 1] + PRIOR_WEIGHT * last) / (reached[j] + PRIOR_WEIGHT)
            found.append(last)
        return found

    def _expected(self, scale: int) -> tuple[float, float]:
        """Mean and 97.5% point of the visits of a pair that has at least one."""
        mean, tail, upper = 1.0, 1.0, 1.0
        for propensity in self._propensities(scale, 60):
            tail *= propensity
            mean += tail
            if tail > 0.025:
                upper += 1.0
        return mean, upper

    def _learn(self, before: list[_Visit], today: list[_Visit]) -> None:
        old = self._counts(before) if before else (0, 0, 0)
        new = self._counts([*before, *today])
        for scale, (was, is_now) in enumerate(zip(old, new, strict=True)):
            for j in range(was, min(is_now, DEEPEST + 1)):
                self._learned.reached[scale][j] += 1

    def _remember(self, day: int, today: Mapping[Pair, list[_Visit]]) -> None:
        remembered = self._by_day.setdefault(day, [])
        for pair, visits in today.items():
            kept = self._pairs.get(pair)
            if kept is None:
                kept = self._pairs[pair] = []
            new = visits[: MOST_VISITS - len(kept)]
            kept += new
            remembered += new
            requester, subject = pair
            self._by_requester[requester] = self._by_requester.get(requester, 0) + len(new)
            self._by_subject[subject] = self._by_subject.get(subject, 0) + len(new)
            self._total += len(new)
        if not remembered:
            del self._by_day[day]

    def _forget(self, before: int) -> None:
        for day in [day for day in self._by_day if day < before]:
            for visit in self._by_day.pop(day):
                pair = (visit.requester, visit.subject)
                self._pairs[pair].remove(visit)
                if not self._pairs[pair]:
                    del self._pairs[pair]
                for counts, key in ((self._by_requester, visit.requester), (self._by_subject, visit.subject)):
                    counts[key] -= 1
                    if not counts[key]:
                        del counts[key]
                self._total -= 1

    def snapshot(self) -> dict[str, bytes]:
        """`learned`, and `week/N` with the visits of the remembered days of a week."""
        weeks: dict[int, list[tuple[int, list[_Visit]]]] = {}
        for day in sorted(self._by_day):
            weeks.setdefault(day // 7, []).append((day, self._by_day[day]))
        blocks = {f"week/{week}": msgspec.msgpack.encode(days) for week, days in weeks.items()}
        return blocks | {"learned": msgspec.msgpack.encode(self._learned)}

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take back what `snapshot` gave."""
        self._reset()
        if not blocks:
            return
        try:
            self._learned = msgspec.msgpack.decode(blocks["learned"], type=_Learned)
            for week in sorted(int(name[5:]) for name in blocks if name.startswith("week/")):
                days = msgspec.msgpack.decode(blocks[f"week/{week}"], type=list[tuple[int, list[_Visit]]])
                for day, visits in days:
                    today: dict[Pair, list[_Visit]] = {}
                    for visit in visits:
                        today.setdefault((visit.requester, visit.subject), []).append(visit)
                    self._remember(day, today)
        except (KeyError, msgspec.DecodeError) as error:
            raise ValueError(f"state of detector {self.name} cannot be read: {error!r}") from error


def _case(search: Search) -> str:
    return (search.case_number or "").strip()


def _visit(search: Search) -> _Visit:
    return _Visit(
        search.requester_id,
        search.subject_ref or "",
        _case(search),
        search.unit_id,
        search.event_time.timestamp(),
        search.event_id,
    )
