"""One requester who comes back to the same person again and again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from operator import attrgetter, itemgetter
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
from models.statistics.open_visits import Begun, Open, OpenVisits
from models.statistics.returns import Returns, cases
from models.statistics.visits import MOST_VISITS, DayVisits, Made, Visit, Visits, begun, rows_of
from models.wording import chance, day_text, figure, plural

if TYPE_CHECKING:
    from models.reference import Reference

#: Ways of being surprised: by visits and their pauses, and by case numbers.
WAYS = 2
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
    """Fewest visits that can raise an alert; searches of one day within four hours of the first are one."""
    minimum_history_days: Annotated[int, Meta(ge=0)] = 60
    """Days of the agency's log before the first alert."""


class _Learned(Struct, array_like=True):
    first_day: int | None
    returns: Returns


class RepeatSubject(Detector):
    """Surprise at how often, and after what pauses, one requester searches for one subject.

    Searches of a pair on one day within four hours of a visit's first are one visit. The propensity
    h_j that a pair with j visits comes back once more within the horizon is learned from the whole
    agency (shrunk towards h_(j-1) with weight 20), so that an agency whose cases run for weeks does not
    alarm; and so is how long pauses are. The chance of k returns after such pauses is h_1 h_2 ... h_k
    times the chance of a product of k uniforms as small as that of the shares S of returns after as
    many days; of the smallest of these, at whichever visit, it is asked how likely any pair is so surprising.
    Distinct case numbers are counted beside, with propensities of their own; searches without one
    count one case a day. To both is added mu^k / k!, the chance that a person whom everybody looks for
    came up k times, where mu is the requester's visits times the subject's share of the visits of all
    others. The smaller one, times two, is the p-value. Automatic look-ups (hot list, batch) are not visits.

    Innocent explanations: a long investigation by one detective, a missing person, a suspect whose
    photographs keep arriving, somebody whose cases all take long (the pauses of one pair are taken for
    independent), a test record used in training.
    Blind spots: searches without `subject_ref`; somebody who asks colleagues to search.

    Source: gamma-Poisson surprise with learned repeat propensity, `docs/detection.md`; the misuse is
    that of the Milwaukee and Louisville cases (about 180 look-ups of one person in two months).
    """

    function = "repeat_subject"
    version = 2
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
        self._learned = _Learned(None, Returns())
        self._visits = Visits()
        self._open = OpenVisits()

    def observe(self, arrivals: Sequence[Arrivals]) -> Iterable[tuple[int, Finding]]:
        """A visit to somebody who was visited before is judged at once."""
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
        near = every[self._visits.numbers(every) + opened.most(every) >= least]
        if len(near):
            yield from self._follow(came, near)

    def _follow(
        self, came: Sequence[tuple[Open, Ints, Ints, Ints]], near: Ints
    ) -> Iterable[tuple[int, Finding]]:
        """Go through the searches that came of the pairs that are near, one after the other. `came` has for
        each open day what was there before, and places, rows and pairs of what is new."""
        steps = []
        for was, places, rows, pairs in came:
            for at in np.flatnonzero(np.isin(pairs, near)).tolist():
                steps.append((int(places[at]), int(pairs[at]), was.day, int(rows[at])))
        new = {was.day.number: was for was, *_ in came}
        opened = [new.get(one.day.number, one) for one in self._open.all()]
        days = {one.day.number: (one.day, one.begun(near)) for one in opened}
        for place, pair, day, row in sorted(steps, key=itemgetter(0)):
            begins = days[day.number][1].setdefault(pair, Begun()).add(row, float(day.times[row]))
            if not begins:
                continue
            visits = self._visits.of(pair)
            for number, (table, begun_by) in sorted(days.items()):
                if number <= day.number and pair in begun_by:
                    visits += [Visit.of(table, at) for at in begun_by[pair].rows]
            finding = self._judge(pair, sorted(visits, key=attrgetter("at")), day.number)
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
            if number[place] >= MOST_VISITS:
                continue  # not all is known of it
            made = [Made(float(day.times[row]), day.number, today.case(row)) for row in own[place]]
            self._learned.returns.learn(before.made(int(names[place])), made)
        self._learned.returns.met_once(len(names) - len(again))
        before.remember(day, names)
        return [finding for _, finding in sorted(findings, key=itemgetter(0))]

    def _judge(self, pair: int, visits: list[Visit], day: int, *, closed: bool = False) -> Finding | None:
        settings = self.settings
        first = self._learned.first_day
        if first is None or day - first < settings.minimum_history_days:
            return None
        made = [Made(visit.at, self._days.at(visit.at).day, visit.case) for visit in visits]
        came, numbers = begun(made), cases(made)
        if len(came) < settings.minimum_visits:
            return None
        requester, subject = visits[-1].requester, visits[-1].subject
        known, returns = self._visits, self._learned.returns
        others, own = known.by_subject(pair) - known.number(pair), known.by_requester(pair)
        mu = own * (others + 0.05) / (max(known.total - own, 0) + 1)
        by_visits = returns.by_visits(came) + _by_fame(mu, len(came))
        by_cases = returns.by_cases(numbers) + _by_fame(mu, numbers)
        p = min(1.0, WAYS * min(by_visits, by_cases))
        if closed:
            self.p_values.one(p)
        if p > settings.alpha:
            return None
        observed, noun, reached = (
            (len(came), "visit", returns.visits)
            if by_visits <= by_cases
            else (numbers, "case", returns.cases)
        )
        expected, upper = ladder.expected(reached)
        days = {one.day for one in made}
        more = "" if len(visits) < MOST_VISITS else " or more"
        start = self._days.start(self._days.at(visits[0].at).day)
        severity: Severity = "critical" if p < CRITICAL else "high"
        cited = sorted({visit.case for visit in visits if visit.case})
        said = (
            f"all citing case {cited[0]}"
            if len(cited) == 1 and len(visits) > 1
            else (f"citing {plural(len(cited), 'case number')}" if cited else "citing no case number")
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
            observed=float(observed),
            expected=expected,
            interval=(1.0, upper),
            evidence=tuple(visit.event for visit in visits),
            explanation=(
                f"Searched for one person ({subject}) on {plural(len(days), 'day')}{more} in "
                f"{plural(len({day // 7 for day in days}), 'week')} to {day_text(day)}, {said}: "
                f"{plural(observed, noun)}{more} where {figure(expected)} [1-{figure(upper)}] "
                f"{'is' if expected == 1 else 'are'} expected once a person has been searched for"
                f"{self._pauses(came) if noun == 'visit' and not more else ''}; "
                f"{plural(max(others, 0), 'visit')} by others; {chance(p)}."
            ),
        )

    def _pauses(self, visits: Sequence[Made]) -> str:
        """How long the longest pause was and is otherwise; nothing where that says nothing."""
        longest = max((later.day - one.day for one, later in pairwise(visits)), default=0)
        usual = self._learned.returns.usual_pause()
        if not longest or usual is None:
            return ""
        often = "on the same day" if not usual else f"within {plural(usual, 'day')}"
        return f", the longest pause {plural(longest, 'day')} where half of all returns come {often}"

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


def _by_fame(mu: float, count: int) -> float:
    """Chance that somebody who is looked for by all came up so often, once there is one."""
    repeats = count - 1
    return math.exp(repeats * math.log(mu) - math.lgamma(count)) if repeats and mu > 0 else 0.0
