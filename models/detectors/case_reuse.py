"""One case number serves a requester for unrelated persons, over months or after a long rest."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta, Struct

from models.alert import Finding
from models.days import LocalDays
from models.detectors.base import Day, Detector, Settings
from models.statistics import ladder
from models.statistics.uses import (
    MOST_USES,
    USE_BYTES,
    Rest,
    Today,
    Use,
    Uses,
    persons_new,
    rest_before,
    weeks_with_new,
)
from models.wording import chance, day_text, figure, plural

if TYPE_CHECKING:
    from models.reference import Reference

#: Weeks, and doublings of a rest in days, up to which propensities are learned.
WEEKS, DOUBLINGS = 6, 12
#: Days without a use after which the evidence about a number is let go of, and its most event ids.
KEPT_DAYS, MOST_IDS = 90, 50


class CaseReuseSettings(Settings, kw_only=True, frozen=True):
    """Settings of `case_reuse`."""

    episode_days: Annotated[int, Meta(ge=0, le=365)] = 60
    """Findings about one requester that are no further apart than this belong to one alert."""
    alpha: Annotated[float, Meta(gt=0, lt=1)] = 3e-5
    """Largest p-value that raises an alert."""
    horizon_days: Annotated[int, Meta(ge=28, le=3660)] = 730
    """Uses of a number further back are forgotten."""
    minimum_days: Annotated[int, Meta(ge=1)] = 60
    """Days since the first use of a number before which its use is not judged: big cases are worked
    through within weeks."""
    minimum_visits: Annotated[int, Meta(ge=1)] = 2
    """Fewest days on which the requester used the number, since its rest or in all."""
    minimum_history_days: Annotated[int, Meta(ge=0)] = 60
    """Days of the agency's log before the first alert."""


class _Steps(Struct, array_like=True):
    """What is learned, of a unit or the agency: how many came how far on each ladder."""

    weeks: list[int]
    """Pairs of requester and number, by the weeks in which a person new to the case was searched for."""
    rests: list[int]
    """Numbers, by the doublings of their longest rest."""

    @classmethod
    def new(cls) -> _Steps:
        return cls([0] * (WEEKS + 2), [0] * (DOUBLINGS + 2))

    def usual_weeks(self) -> list[float]:
        return ladder.propensities(self.weeks, WEEKS)

    def usual_rests(self) -> list[float]:
        return ladder.propensities(self.rests, DOUBLINGS)


class _Kept(Struct, array_like=True):
    """Evidence about one requester and one number that has been in use for long."""

    last: int
    first_seen: float
    ids: list[str]
    count: int = 0


class _Learned(Struct, array_like=True):
    first_day: int | None
    agency: _Steps
    units: dict[str, _Steps]
    kept: dict[str, _Kept]


class CaseReuse(Detector):
    """Surprise at how long, or after how long, a requester uses one case number for other persons.

    The alert is about the requester; the number stands in its sentence. A number that was first used
    60 days ago or earlier is judged in two ways. Weeks: in how many weeks did this requester
    search for a person who was new to the case? The propensity h_j to do so in one week more is
    learned from all pairs of requester and number, in the agency and, leaning on it with the weight
    of 20, in the unit; the chance of k weeks is h_1 ... h_(k-1), to which mu^(k-1)/(k-1)! is added,
    mu being the persons whom others searched for under the number: a case of several officers is no
    surprise. Rest: after how many days without any use did this requester, and nobody else since,
    take the number up again, on at least two days and for a person new to the case? The propensity
    of a rest to last twice as long is learned in the same way, from one day up. The smaller chance,
    times two, is the p-value.

    Innocent explanations: a cold case, a long investigation by one detective, a number that a new
    report inherited, a mistyped number that happens to be an old one.
    Blind spots: searches without `subject_ref`; a number that others use at the time; many persons
    within a few weeks; numbers used more than 500 times, such as a placeholder of the whole agency.

    Source: learned propensities as in `repeat_subject`, `docs/detection.md`; the misuse is that of Evansville
    (nine people from April to December under one valid case number).
    """

    function = "case_reuse"
    settings_type = CaseReuseSettings
    judging = Detector.judging | {"alpha", "minimum_visits", "minimum_history_days"}
    #: A case number has less than 500 uses before the day that fills it, and at most 500 of that day.
    bytes_per_key = 2 * MOST_USES * USE_BYTES

    settings: CaseReuseSettings

    def __init__(self, name: str, settings: Settings, reference: Reference, agency_id: str) -> None:
        super().__init__(name, settings, reference, agency_id)
        self._days = LocalDays.of(reference.agency(agency_id).timezone)
        self._reset()

    def _reset(self) -> None:
        self._learned = _Learned(None, _Steps.new(), {}, {})
        self._uses = Uses()

    def close(self, day: Day) -> Iterable[Finding]:
        """Judge who used an old number on the day, then learn from all of it."""
        learned = self._learned
        if learned.first_day is None and len(day):
            learned.first_day = day.number
        self._uses.forget(day.number - self.settings.horizon_days)
        for key in [key for key, kept in learned.kept.items() if day.number - kept.last > KEPT_DAYS]:
            del learned.kept[key]
        if not len(day):
            return []
        today = Today.of(day)
        cases, case_of = np.unique(today.case, return_inverse=True)
        places = self._uses.where(cases)
        number = np.diff(places, axis=2).sum(axis=(1, 2))
        fits, old = number < MOST_USES, (number > 0) & (number < MOST_USES)
        order = np.argsort(case_of, kind="stable")
        bounds = np.searchsorted(case_of[order], np.arange(len(cases) + 1))
        findings: list[tuple[str, float, Finding]] = []
        steps: list[tuple[str, bool, int, int]] = []
        for place in np.flatnonzero(old).tolist():
            past = self._uses.between(places[place])
            own = order[bounds[place] : bounds[place + 1]]
            findings += self._returned(day, today, own, past, steps)
        self._learn_new(day, today, order[bounds[:-1]], fits & ~old, case_of)
        for unit, resting, was, is_now in steps:
            for one in (learned.agency, self._unit(unit)):
                ladder.climb(one.rests if resting else one.weeks, was, is_now)
        self._uses.remember(day.number, today.only(fits[case_of]))
        return [finding for *_, finding in sorted(findings, key=lambda found: found[:2])]

    def _learn_new(
        self, day: Day, today: Today, firsts: np.ndarray, new: np.ndarray, case_of: np.ndarray
    ) -> None:
        """Numbers never used before, and whoever searched for a person under them."""
        units, codes = day.column("unit_id")
        pairs = np.flatnonzero(new[case_of] & (today.whom > 0)) if len(new) else np.zeros(0, np.int64)
        _, each = np.unique(case_of[pairs].astype(np.uint64) << 32 | today.who[pairs], return_index=True)
        for resting, entries in ((True, firsts[new]), (False, pairs[each])):
            count = np.bincount(codes[today.rows[entries]], minlength=len(units))
            for code in np.flatnonzero(count).tolist():
                for one in (self._learned.agency, self._unit(units[code])):
                    (one.rests if resting else one.weeks)[0] += int(count[code])

    def _unit(self, unit: str) -> _Steps:
        found = self._learned.units.get(unit)
        if found is None:
            found = self._learned.units[unit] = _Steps.new()
        return found

    def _returned(
        self,
        day: Day,
        today: Today,
        own: np.ndarray,
        past: list[Use],
        steps: list[tuple[str, bool, int, int]],
    ) -> Iterable[tuple[str, float, Finding]]:
        """A number with a past came up today, in the entries `own`."""
        number = day.number
        rest = max((after.day - before.day for before, after in zip(past, past[1:], strict=False)), default=0)
        longest = max(rest, number - past[-1].day)
        unit = day.value("unit_id", int(today.rows[own[0]]))
        steps.append((unit, True, 1 + rest.bit_length(), 1 + longest.bit_length()))
        uses = sorted({Use(number, int(today.who[at]), int(today.whom[at])) for at in own.tolist()})
        history = [*past, *uses]
        for who in sorted({use.who for use in uses}):
            rows = [int(today.rows[at]) for at in own.tolist() if today.who[at] == who and today.by_hand[at]]
            if not rows:
                continue
            unit = day.value("unit_id", rows[-1])
            before, weeks = len(weeks_with_new(past, who)), len(weeks_with_new(history, who))
            steps.append((unit, False, before, weeks))
            if number - past[0].day >= self.settings.minimum_days:
                finding = self._judge(day, rows, history, who, unit)
                if finding is not None:
                    yield finding.entity, float(day.times[rows[0]]), finding

    def _judge(self, day: Day, rows: list[int], history: list[Use], who: int, unit: str) -> Finding | None:
        settings, learned = self.settings, self._learned
        requester, case = day.value("requester_id", rows[0]), day.value("case_number", rows[0]).strip()
        kept = learned.kept.setdefault(
            f"{requester}\x1f{case}", _Kept(day.number, float(day.times[rows[0]]), [])
        )
        kept.last, kept.count = day.number, kept.count + len(rows)
        kept.ids += [day.event_ids[row] for row in rows][: MOST_IDS - len(kept.ids)]
        if learned.first_day is None or day.number - learned.first_day < settings.minimum_history_days:
            return None
        steps = self._unit(unit)
        used = {use.day for use in history if use.who == who}
        weeks, others = len(weeks_with_new(history, who)), len(_others(history, who))
        rest = rest_before(history, who, settings.minimum_visits)
        by_weeks = by_rest = 1.0
        if weeks > 1 and len(used) >= settings.minimum_visits:
            by_weeks = ladder.chance(steps.weeks, weeks, learned.agency.usual_weeks())
            if others:
                by_weeks += math.exp((weeks - 1) * math.log(others) - math.lgamma(weeks))
        if rest is not None:
            doublings = rest.length.bit_length()
            by_rest = ladder.chance(steps.rests, 1 + doublings, learned.agency.usual_rests())
        p = max(min(1.0, 2 * min(by_weeks, by_rest)), 1e-300)
        self.p_values.one(p)
        if p > settings.alpha:
            return None
        account = (
            _Account.of_rest(steps, learned.agency, day.number, case, history, who, rest)
            if rest is not None and by_rest < by_weeks
            else _Account.of_weeks(steps, learned.agency, day.number, case, history, who)
        )
        return Finding(
            entity_kind="requester",
            entity=requester,
            unit_id=unit,
            window_start=self._days.start(self._days.at(kept.first_seen).day),
            window_end=day.end,
            first_seen=kept.first_seen,
            severity="high" if p < settings.alpha * 1e-3 else "medium",
            p_value=p,
            score=-math.log(p),
            observed=account.observed,
            expected=account.expected,
            interval=account.interval,
            evidence=tuple(kept.ids),
            evidence_count=kept.count,
            explanation=f"{account.said}; {chance(p)}.",
        )

    def snapshot(self) -> dict[str, bytes]:
        """`learned`, and `week/N` with the uses of a week."""
        return self._uses.snapshot() | {"learned": _pack(self._learned)}

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take back what `snapshot` gave."""
        self._reset()
        if not blocks:
            return
        with self.reading():
            self._learned = msgspec.msgpack.decode(blocks["learned"], type=_Learned)
            self._uses.restore(blocks)


class _Account(NamedTuple):
    """What was seen, what was expected, and the sentence about it but for its end."""

    observed: float
    expected: float
    interval: tuple[float, float]
    said: str

    @classmethod
    def of_weeks(
        cls, steps: _Steps, agency: _Steps, day: int, case: str, history: Sequence[Use], who: int
    ) -> _Account:
        weeks = len(weeks_with_new(history, who))
        expected, upper = ladder.expected(steps.weeks, agency.usual_weeks())
        span = day - min(use.day for use in history if use.who == who)
        return cls(
            float(weeks),
            expected,
            (1.0, upper),
            f"Searched for {plural(len(persons_new(history, who)), 'person')} under one case number ({case}) "
            f"within {plural(span, 'day')} to {day_text(day)}: a person new to the case in "
            f"{plural(weeks, 'week')} where {figure(expected)} [1-{figure(upper)}] "
            f"{'is' if expected == 1 else 'are'} expected; "
            f"{plural(len(_others(history, who)), 'person')} searched for by others",
        )

    @classmethod
    def of_rest(
        cls, steps: _Steps, agency: _Steps, day: int, case: str, history: Sequence[Use], who: int, rest: Rest
    ) -> _Account:
        expected, upper = _usual_rest(ladder.propensities(steps.rests, DOUBLINGS, agency.usual_rests()))
        return cls(
            float(rest.length),
            expected,
            (0.0, upper),
            f"Took up a case number ({case}) that nobody had used for {plural(rest.length, 'day')}, where a "
            f"rest of {figure(expected)} [0-{figure(upper)}] is expected, and searched under it on "
            f"{plural(rest.days, 'day')} to {day_text(day)} for {plural(rest.persons, 'person')} new to the "
            f"case; first used {plural(day - history[0].day, 'day')} before, by "
            f"{'this requester' if history[0].who == who else 'somebody else'}",
        )


def _others(history: Sequence[Use], who: int) -> set[int]:
    """The persons whom others searched for."""
    return {use.whom for use in history if use.who != who and use.whom}


def _usual_rest(propensities: Sequence[float]) -> tuple[float, float]:
    """Mean and 97.5% point of a number's longest rest, days; one that lasts n doublings counts as
    the shortest such."""
    mean, tail, upper = 0.0, 1.0, 0.0
    for doubling, propensity in enumerate(propensities):
        tail *= propensity
        mean += tail * (2**doubling - (2 ** (doubling - 1) if doubling else 0))
        if tail > 0.025:
            upper = 2.0 ** (doubling + 1) - 1
    return mean, upper


_pack = msgspec.msgpack.Encoder(order="deterministic").encode
