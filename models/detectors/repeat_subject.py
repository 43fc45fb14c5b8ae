"""One requester who comes back to the same person again and again."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from operator import itemgetter
from typing import TYPE_CHECKING, Annotated, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta, Struct

from models.alert import Finding, Severity
from models.columns import Ints, Packed, Table, pack_exactly, unpack
from models.days import LocalDays
from models.detectors.base import Arrivals, Day, Detector, Settings
from models.windows import OpenDay, manual
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
#: A visit by day and case.
Made = tuple[int, str]
#: What is kept of a visit besides its time and event.
_KEPT = ("requester_id", "subject_ref", "case_number", "unit_id")
_ROW = (1 << 32) - 1


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


class _Visit(NamedTuple):
    requester: str
    subject: str
    case: str
    unit: str
    at: float
    event: str


class _OpenVisits(NamedTuple):
    day: OpenDay
    rows: dict[Pair, int]
    """Of each pair the row that came first."""


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
        self._days = LocalDays(reference.agency(agency_id).timezone)
        self._reset()

    def _reset(self) -> None:
        self._learned = _Learned(None, [[0] * (DEEPEST + 2) for _ in SCALES])
        self._by_day: dict[int, Table] = {}
        """The visits of a closed day; only `_KEPT` is filled in."""
        self._packed: dict[int, Packed] = {}
        """The same as it goes into the state."""
        self._cases: dict[int, list[str]] = {}
        """The case of each of these visits."""
        self._pairs: dict[Pair, tuple[int, ...]] = {}
        """The visits of a pair, oldest first: day << 32 | row in that day's table."""
        self._by_requester: Counter[str] = Counter()
        self._by_subject: Counter[str] = Counter()
        self._total = 0
        self._open: dict[int, _OpenVisits] = {}
        self._days_open: dict[Pair, int] = {}
        """On how many open days a pair has a visit."""

    def observe(self, arrivals: Sequence[Arrivals]) -> Iterable[tuple[int, Finding]]:
        """A first visit of the day to somebody who was visited before is judged at once."""
        came: list[tuple[int, OpenDay, int, Pair]] = []
        for day, first, places in arrivals:
            rows = _visits(day, first)
            came += zip(places[rows - first].tolist(), repeat(day), rows.tolist(), _pairs(day, rows))
        if len(arrivals) > 1:
            came.sort(key=itemgetter(0))
        for place, day, row, pair in came:
            today = self._open.get(day.number)
            if today is None:
                today = self._open[day.number] = _OpenVisits(day, {})
            if pair in today.rows:
                continue
            today.rows[pair] = row
            self._days_open[pair] = days = self._days_open.get(pair, 0) + 1
            before = self._pairs.get(pair, ())
            if len(before) + days < self.settings.minimum_visits:
                continue
            now = [
                (one.day, one.rows[pair])
                for number, one in sorted(self._open.items(), key=itemgetter(0))
                if number <= day.number and pair in one.rows
            ]
            if len(before) + len(now) < self.settings.minimum_visits:
                continue
            visits = [*self._remembered(before), *(_visit(table, row) for table, row in now)]
            finding = self._judge(visits, day.number)
            if finding is not None:
                yield place, finding

    def close(self, day: Day) -> Iterable[Finding]:
        """Judge every pair with a visit on the day, then learn from it."""
        self._shut(day.number)
        if self._learned.first_day is None and len(day):
            self._learned.first_day = day.number
        self._forget(day.number - self.settings.horizon_days)
        rows = _visits(day)
        cases = _cases(day)
        today: dict[Pair, list[int]] = {}
        for pair, row in zip(_pairs(day, rows), rows.tolist(), strict=True):
            own = today.get(pair)
            if own is None:
                today[pair] = [row]
            elif all(cases[row] != cases[other] for other in own):
                own.append(row)
        findings = []
        again = [pair for pair, own in today.items() if len(own) > 1 or pair in self._pairs]
        for pair in sorted(again):
            before, new = self._pairs.get(pair, ()), today[pair]
            if len(before) + len(new) >= self.settings.minimum_visits:
                visits = [*self._remembered(before), *(_visit(day, row) for row in new)]
                finding = self._judge(visits, day.number)
                if finding is not None:
                    findings.append(finding)
        for pair in again:
            made = [
                (visit >> 32, self._cases[visit >> 32][visit & _ROW]) for visit in self._pairs.get(pair, ())
            ]
            self._learn(made, [(day.number, cases[row]) for row in today[pair]])
        for reached in self._learned.reached:
            reached[0] += len(today) - len(again)
        self._remember(day, today)
        return findings

    def _shut(self, number: int) -> None:
        """Let go of an open day."""
        shut = self._open.pop(number, None)
        for pair in shut.rows if shut is not None else ():
            if self._days_open[pair] == 1:
                del self._days_open[pair]
            else:
                self._days_open[pair] -= 1

    def _judge(self, visits: list[_Visit], day: int) -> Finding | None:
        settings = self.settings
        first = self._learned.first_day
        if first is None or day - first < settings.minimum_history_days:
            return None
        counts = _counts((self._days.at(visit.at).day, visit.case) for visit in visits)
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

    def _learn(self, before: Sequence[Made], today: Sequence[Made]) -> None:
        old = _counts(before) if before else (0, 0, 0)
        new = _counts([*before, *today])
        for scale, (was, is_now) in enumerate(zip(old, new, strict=True)):
            for j in range(was, min(is_now, DEEPEST + 1)):
                self._learned.reached[scale][j] += 1

    def _remembered(self, visits: Iterable[int]) -> list[_Visit]:
        return [_visit(self._by_day[visit >> 32], visit & _ROW) for visit in visits]

    def _remember(self, day: Day, today: Mapping[Pair, list[int]]) -> None:
        kept: list[int] = []
        for pair, rows in today.items():
            known = self._pairs.get(pair, ())
            kept += rows[: MOST_VISITS - len(known)]
        if kept:
            self._keep(day.number, pack_exactly(day.only(_KEPT, np.array(kept, np.int64))))

    def _keep(self, number: int, packed: Packed) -> None:
        """Enter a day's visits into what is known of pairs, requesters and subjects."""
        table = unpack(packed)
        self._packed[number], self._by_day[number], self._cases[number] = packed, table, _cases(table)
        made = list(_pairs(table, np.arange(len(table))))
        visits = zip(made, range(number << 32, (number << 32) + len(made)), strict=True)
        known = self._pairs
        for pair, visit in visits:
            known[pair] = (*known[pair], visit) if pair in known else (visit,)
        self._by_requester.update(map(itemgetter(0), made))
        self._by_subject.update(map(itemgetter(1), made))
        self._total += len(made)

    def _forget(self, before: int) -> None:
        for number in [number for number in self._by_day if number < before]:
            table = self._by_day.pop(number)
            del self._packed[number], self._cases[number]
            for pair in _pairs(table, np.arange(len(table))):
                # A pair's visits are in order of days, and this is the oldest day.
                rest = self._pairs[pair][1:]
                if rest:
                    self._pairs[pair] = rest
                else:
                    del self._pairs[pair]
                for counts, key in zip((self._by_requester, self._by_subject), pair, strict=True):
                    counts[key] -= 1
                    if not counts[key]:
                        del counts[key]
            self._total -= len(table)

    def snapshot(self) -> dict[str, bytes]:
        """`learned`, and `week/N` with the visits of the remembered days of a week."""
        weeks: dict[int, list[tuple[int, Packed]]] = {}
        for number, packed in sorted(self._packed.items()):
            weeks.setdefault(number // 7, []).append((number, packed))
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
                for number, packed in msgspec.msgpack.decode(
                    blocks[f"week/{week}"], type=list[tuple[int, Packed]]
                ):
                    self._keep(number, packed)
        except (KeyError, ValueError, msgspec.DecodeError) as error:
            raise ValueError(f"state of detector {self.name} cannot be read: {error!r}") from error


def _visits(table: Table, first: int = 0) -> Ints:
    """The rows from `first` on that are visits: made by a person, to a person."""
    known = table.column("subject_ref").where(lambda subject: subject is not None)
    return np.flatnonzero((known & manual(table))[first:]) + first


def _pairs(table: Table, rows: Ints) -> Iterator[Pair]:
    columns = (table.column(name) for name in ("requester_id", "subject_ref"))
    requesters, subjects = (map(values.__getitem__, codes[rows].tolist()) for values, codes in columns)
    return zip(requesters, subjects, strict=True)


def _cases(table: Table) -> list[str]:
    """The case of each search, empty where none was given."""
    values, codes = table.column("case_number")
    cases = [(value or "").strip() for value in values]
    return [cases[code] for code in codes.tolist()]


def _counts(made: Iterable[Made]) -> tuple[int, int, int]:
    """Distinct cases, days and weeks; without a case number each day counts as a case."""
    visits = list(made)
    days = {day for day, _ in visits}
    return len({case or day for day, case in visits}), len(days), len({day // 7 for day in days})


def _visit(table: Table, row: int) -> _Visit:
    return _Visit(
        requester=table.value("requester_id", row),
        subject=table.value("subject_ref", row),
        case=(table.value("case_number", row) or "").strip(),
        unit=table.value("unit_id", row),
        at=float(table.times[row]),
        event=table.event_ids[row],
    )
