"""Many requesters who have nothing to do with one another search for one person."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta, Struct

from models.alert import Finding
from models.columns import Ints, distinct
from models.days import LocalDays
from models.detectors.base import Day, Detector, Settings
from models.statistics import ladder
from models.statistics.negative_binomial import central_interval, upper_tail
from models.statistics.visits import MOST_VISITS, DayVisits, Visit, Visits
from models.windows import manual
from models.wording import chance, day_text, figure, plural

if TYPE_CHECKING:
    from models.reference import Reference

#: Windows before the one that is judged in which a subject's own fame is counted.
WINDOWS_BEFORE = 2
#: Grounds up to which the propensities are learned.
DEEPEST = 100
#: A chance below this is "surprising" when the detector checks itself.
SURPRISING = 0.01
_LOW = (1 << 32) - 1


class ManyRequestersSettings(Settings, kw_only=True, frozen=True):
    """Settings of `many_requesters`."""

    episode_days: Annotated[int, Meta(ge=0, le=365)] = 28
    """Findings about one person that are no further apart than this belong to one alert."""
    alpha: Annotated[float, Meta(gt=0, lt=1)] = 1e-5
    """Largest p-value that raises an alert."""
    window_days: Annotated[int, Meta(ge=7, le=90)] = 28
    """Length of the sliding window."""
    minimum_count: Annotated[int, Meta(ge=2)] = 6
    """Fewest requesters, each on grounds of their own, that can raise an alert."""
    minimum_units: Annotated[int, Meta(ge=1)] = 2
    """Fewest units that they belong to."""
    shared_case: Annotated[float, Meta(gt=0, le=1)] = 0.7
    """Part of the requesters under one case number from which on all are taken to work on that case."""
    minimum_history_days: Annotated[int, Meta(ge=0)] = 90
    """Days of the agency's log before the first alert."""


class _Learned(Struct, array_like=True):
    first_day: int | None
    reached: list[int]
    """How many persons without a past were searched for on 1, 2, ... grounds within a window."""
    announced: dict[str, int]
    """Persons for whom the log shows automatic look-ups, and the last day of these."""
    told: dict[str, int]
    """Persons about whom there was a finding, and the last day of these."""
    expected: float = 1.0
    surprising: float = 1.0


class _Seen(NamedTuple):
    """Some visits to one person by requester (a number) and case (empty where none was given)."""

    who: Sequence[int]
    cases: Sequence[str]

    def grounds(self) -> int:
        """Requesters, but those who cite one case number as one, and one requester as one."""
        return min(len(set(self.who)), len({case or who for who, case in zip(*self, strict=True)}))

    def under_one_case(self) -> float:
        """The part of the requesters who cite the number that most of them cite."""
        each = Counter(case for _, case in set(zip(*self, strict=True)) if case)
        return max(each.values(), default=0) / len(set(self.who))


class ManyRequesters(Detector):
    """Surprise at the number of unconnected requesters who searched for one subject.

    Over a sliding window of 28 days the requesters of a subject are counted; those who cite the same
    case number count once, and so does one requester with many case numbers (k "grounds"). The
    propensity h_j that a subject with j grounds gets one more is learned from all subjects of the
    agency whom nobody searched for in the two windows before; the chance of k is
    h_1 h_2 ... h_(k-1). What was told is not learned from. For a subject with A grounds in these
    windows the chance of k in a gamma-Poisson with mean A/2 and size A + 1 is added, so that a city
    does not wonder at its well-known offenders. That part checks itself: when more than 1% of their
    windows fall below 0.01, their chances are raised by that ratio. A subject is not judged when 70%
    of the requesters cite one case number, when all belong to one unit, or when the log shows
    automatic look-ups (hot list, batch) of the subject: then the search was announced.

    Innocent explanations: a bulletin whose number nobody wrote down, a well-known offender with a new
    series of crimes, a test record used in training, a missing person.
    Blind spots: searches without `subject_ref`; colleagues who agree on one case number; the
    curiosity of a single unit; somebody whom a hot list looks for as well.

    Source: learned propensities as in `repeat_subject`, `docs/detection.md`; the misuse is that of Akron and
    Waukesha (over 100 searches of one complainant, by many officers).
    """

    function = "many_requesters"
    version = 2
    settings_type = ManyRequestersSettings
    #: What was told is not learned from, so there is no other setting that only judges.
    #: A pair of requester and subject keeps at most 90 visits of five short strings.
    bytes_per_key = MOST_VISITS * 400

    settings: ManyRequestersSettings

    def __init__(self, name: str, settings: Settings, reference: Reference, agency_id: str) -> None:
        super().__init__(name, settings, reference, agency_id)
        self._days = LocalDays.of(reference.agency(agency_id).timezone)
        self._reset()

    def _reset(self) -> None:
        self._learned = _Learned(None, [0] * (DEEPEST + 2), {}, {})
        self._visits = Visits()

    def close(self, day: Day) -> Iterable[Finding]:
        """Judge every subject of the day that others searched for too, then learn from it."""
        visits, window = self._visits, self.settings.window_days
        if self._learned.first_day is None and len(day):
            self._learned.first_day = day.number
        start = day.number - window + 1
        visits.forget(start - WINDOWS_BEFORE * window)
        visits.renumber([])
        today = DayVisits.of(day)
        self._note_announced(day, today.rows, start)
        if not len(today.rows):
            return []
        pairs, _ = visits.pairs.at(day, today.of_pair)
        findings = self._look(day, today, pairs[today.pair_of])
        visits.remember(day, pairs)
        return [finding for _, finding in sorted(findings.items())]

    def _note_announced(self, day: Day, rows: Ints, start: int) -> None:
        """Remember which of the persons visited are looked up automatically, too."""
        announced = self._learned.announced
        for known in (announced, self._learned.told):
            for subject in [subject for subject, last in known.items() if last < start]:
                del known[subject]
        automatic = ~manual(day)
        if automatic.any():
            names, codes = day.column("subject_ref")
            today = {names[code] for code in distinct(codes[rows]).tolist()}
            for subject in {names[code] for code in distinct(codes[automatic]).tolist()} - {None}:
                if subject in today or self._visits.has(subject):
                    announced[subject] = day.number

    def _look(self, day: Day, today: DayVisits, pairs: Ints) -> dict[str, Finding]:
        """Count the grounds of the day's subjects before and with the day; the findings by subject."""
        learned, window, rows = self._learned, self.settings.window_days, today.rows
        start = day.number - window + 1
        subjects = distinct(pairs & _LOW)
        old_pairs, old = self._visits.about(subjects)
        recent = old >> 32 >= start
        requesters = distinct(np.concatenate((pairs, old_pairs[recent]))) & _LOW
        several, many = np.unique(requesters, return_counts=True)
        several = several[many > 1]
        # Whom nobody had searched for has one ground if one requester does so today.
        alone = int((~np.isin(subjects, old_pairs & _LOW) & ~np.isin(subjects, several)).sum())
        tails = np.cumprod([1.0, *ladder.propensities(learned.reached, DEEPEST)]).tolist()
        findings, steps = {}, []
        own_of, here_of = (_places(part & _LOW, several) for part in (pairs, old_pairs))
        for place in range(len(several)):
            own, here = own_of[place].tolist(), here_of[place]
            parts = []
            for part in (here[~recent[here]], here[recent[here]]):
                which = old[part].tolist()
                parts.append((which, [*(old_pairs[part] >> 32).tolist()], [*map(self._visits.case, which)]))
            (_, *past), (which, who, cited) = parts
            fame = _Seen(*past).grounds()
            was = _Seen(who, cited).grounds()
            seen = _Seen(
                [*who, *(pairs[own] >> 32).tolist()], [*cited, *(today.case(int(rows[at])) for at in own)]
            )
            grounds = seen.grounds()
            p = self._chance(tails, grounds, fame)
            if fame:
                learned.expected += SURPRISING * max(0, grounds - was) / max(1.0, fame / WINDOWS_BEFORE)
                learned.surprising += p <= SURPRISING < self._chance(tails, was, fame)
                p = min(1.0, p * max(1.0, learned.surprising / learned.expected))
            self.p_values.one(p)
            if p <= self.settings.alpha and grounds >= self.settings.minimum_count:
                visits = [
                    *map(self._visits.visit, which),
                    *(Visit.of(day, row) for row in rows[own].tolist()),
                ]
                finding = self._judge(day, visits, seen, fame, p)
                if finding is not None:
                    findings[finding.entity] = finding
                    learned.told[finding.entity] = day.number
            if not fame and day.value("subject_ref", int(rows[own[0]])) not in learned.told:
                steps.append((was, grounds))
        # In the first weeks nobody has a past, however well known.
        if day.number - (learned.first_day or 0) >= WINDOWS_BEFORE * window:
            learned.reached[0] += alone
            for was, grounds in steps:
                ladder.climb(learned.reached, was, grounds)
        return findings

    def _chance(self, tails: Sequence[float], grounds: int, fame: int) -> float:
        if not grounds:
            return 1.0
        by_habit = tails[min(grounds - 1, DEEPEST)]
        by_fame = float(upper_tail(grounds, *_usual(fame))) if fame else 0.0
        return min(1.0, by_habit + by_fame)

    def _judge(self, day: Day, visits: list[Visit], seen: _Seen, fame: int, p: float) -> Finding | None:
        settings, first = self.settings, self._learned.first_day
        if first is None or day.number - first < settings.minimum_history_days:
            return None
        subject, units = visits[0].subject, {visit.unit for visit in visits}
        together = seen.under_one_case()
        if len(units) < settings.minimum_units or together >= settings.shared_case:
            return None
        if subject in self._learned.announced:
            return None
        grounds = seen.grounds()
        expected, upper = ladder.expected(self._learned.reached)
        if fame:
            mean, variance = _usual(fame)
            expected, upper = max(expected, mean), max(upper, central_interval(mean, variance)[1])
        people = len(set(seen.who))
        blank = len({who for who, case in zip(*seen, strict=True) if not case})
        numbers = len(set(seen.cases) - {""})
        said = f"{blank} of them without a case number, the others under {plural(numbers, 'number')}"
        visits.sort(key=lambda visit: (visit.at, visit.event))
        p = max(p, 1e-300)
        return Finding(
            entity_kind="subject",
            entity=subject,
            window_start=self._days.start(day.number - settings.window_days + 1),
            window_end=day.end,
            first_seen=visits[0].at,
            severity="critical" if p < settings.alpha * 1e-3 else "high",
            p_value=p,
            score=-math.log(p),
            observed=float(grounds),
            expected=expected,
            interval=(1.0, upper),
            evidence=tuple(visit.event for visit in visits),
            explanation=(
                f"{plural(people, 'requester')} of {plural(len(units), 'unit')} searched for one person "
                f"({subject}) in {plural(settings.window_days, 'day')} to {day_text(day.number)}, {said}: "
                f"{plural(grounds, 'ground')} that have nothing in common where {figure(expected)} "
                f"[1-{figure(upper)}] {'is' if expected == 1 else 'are'} expected once a person has been "
                f"searched for, and {fame} in the {WINDOWS_BEFORE * settings.window_days} days before; "
                f"{chance(p)}."
            ),
        )

    def snapshot(self) -> dict[str, bytes]:
        """`learned`, and `week/N` with the visits of the remembered days of a week."""
        return self._visits.snapshot() | {"learned": _pack(self._learned)}

    def changes(self) -> Mapping[str, bytes | None]:
        """As `snapshot`, with None for the weeks that are as before."""
        return self._visits.changes() | {"learned": _pack(self._learned)}

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take back what `snapshot` gave."""
        self._reset()
        if not blocks:
            return
        with self.reading():
            self._learned = msgspec.msgpack.decode(blocks["learned"], type=_Learned)
            self._visits.restore(blocks)


def _places(labels: Ints, wanted: Ints) -> list[Ints]:
    """Where each wanted label stands among the labels, ascending."""
    order = np.argsort(labels, kind="stable")
    first, end = (np.searchsorted(labels[order], wanted, side) for side in ("left", "right"))
    return [order[a:b] for a, b in zip(first.tolist(), end.tolist(), strict=True)]


def _usual(fame: int) -> tuple[float, float]:
    """Mean and variance of the grounds in a window after `fame` in the windows before."""
    mean = fame / WINDOWS_BEFORE
    return mean, mean + mean**2 / (fame + 1)


_pack = msgspec.msgpack.Encoder(order="deterministic").encode
