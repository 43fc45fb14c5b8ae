"""More searches or cases than a requester, unit, tool or agency should have."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from msgspec import Meta

from models.alert import EntityKind, Finding, Severity
from models.calendar import Event
from models.columns import Column, Ints, Table
from models.days import LocalDays
from models.detectors.base import Arrivals, Day, Detector, Settings
from models.expressions import compile_condition
from models.statistics import matched_days
from models.statistics.account import Account
from models.statistics.counts import Counts, Expectation
from models.statistics.history import RING
from models.statistics.negative_binomial import central_interval
from models.statistics.open_days import OpenDays
from models.statistics.recent import RecentCases, RecentEvidence
from models.statistics.rule import Rule, factors
from models.statistics.service import Service
from models.statistics.tally import CASES_ONLY, Tally, Totals, totals
from models.where import where
from models.windows import grouped, manual

if TYPE_CHECKING:
    from models.reference import Reference

#: The field of a search that names whom it counts for.
_FIELDS = {"requester": "requester_id", "unit": "unit_id", "tool": "tool", "agency": "agency_id"}
#: p-values are not told below this; beyond it the model has nothing to say.
LEAST_P = 1e-300


class HighCountSettings(Settings, kw_only=True, frozen=True):
    """Settings of `high_count`."""

    by: Literal["requester", "unit", "tool", "agency"] = "requester"
    """Whose searches are counted."""
    over: Literal["unit", "agency", "none"] = "unit"
    """The peer group: it lends its habits to those with little history, and what befalls all of it
    is no surprise. "unit" only for requesters; "none" compares with the key's own past alone."""
    of: Literal["cases", "searches"] = "cases"
    """Distinct cases a day, or searches. For a requester, searches beyond `allowance` a day count
    like cases if they are more, and a case is counted again only after `case_days` without it."""
    allowance: Annotated[int, Meta(ge=0, le=1000)] = 8
    """Searches a day that one requester's cases may take before the rest counts like cases."""
    case_days: Annotated[int, Meta(ge=1, le=28)] = 28
    """Days for which a requester's case is known and not counted again."""
    windows: Annotated[tuple[Annotated[int, Meta(ge=1, le=90)], ...], Meta(min_length=1, max_length=8)] = (
        1, 7, 28, 90,
    )  # fmt: skip
    """Lengths of the windows that end with each day, local days."""
    alpha: Annotated[float, Meta(gt=0, le=0.1)] = 3e-5
    """Largest p-value of a key-day that raises an alert, after a correction for the number of windows
    (Bonferroni; windows share days, so this errs towards silence). What it costs in false alerts is
    printed by `python -m bench.calibration`."""
    when: str | None = None
    """Only searches for which this condition holds are counted."""
    automatic: bool = False
    """Whether hot-list and batch look-ups are counted."""
    calendar: bool = False
    """Also test the days round each demonstration, against matched control days."""
    minimum_weight: Annotated[float, Meta(gt=0, le=1)] = 0.6
    """Least weight of a calendar event that is tested or named."""
    half_life_days: Annotated[float, Meta(ge=7, le=1000)] = 180.0
    """Days after which a count weighs half in what is expected."""
    minimum_count: Annotated[int, Meta(ge=1)] = 2
    """Least count in a window that can raise an alert."""
    minimum_history_days: Annotated[int, Meta(ge=1, le=1000)] = 30
    """Days of service before a key is judged; the agency's log must be twice as long."""
    newcomer_days: Annotated[int, Meta(ge=1, le=1000)] = 7
    """The same for a requester whose joining or transfer the roster knows: the unit's habits serve
    as history, with the unit's whole spread as uncertainty."""
    high_below: Annotated[float, Meta(gt=0, le=1)] = 1e-7
    """p-value below which an alert is of high severity; above it is medium."""
    critical_below: Annotated[float, Meta(gt=0, le=1)] = 1e-12
    """p-value below which an alert is of critical severity."""

    def __post_init__(self) -> None:
        """Refuse what does not go together."""
        if self.over == "unit" and self.by != "requester":
            raise ValueError(f"over: unit needs by: requester; for by: {self.by} write agency or none")
        if self.calendar and self.by == "requester":
            raise ValueError("calendar: true needs by: unit, tool or agency")
        if len(set(self.windows)) < len(self.windows):
            raise ValueError("windows: a length is given twice")


class HighCount(Detector):
    """Counts a day, a week, a month and a quarter against an empirical-Bayes negative binomial.

    Every key has a rate, learned from its discounted past and its peer group, and scaled by the day
    of the week and by what its peers did (itself left out). The p-value of a window is the chance
    of as many counts or more; the smallest over the windows is corrected for their number.
    A day that is not itself above its expectation raises nothing, and windows that reach back to an
    alert of an earlier episode are left out, so that a burst is told when it happens and not for as
    long as windows remember it.

    Innocent explanations: a large case or a task force of one's own, covering for colleagues on
    leave, a change of duty that the roster does not show, entering a backlog, training on live data.
    Blind spots: growth slower than the memory's half-life; whole units that misuse together, with a
    peer group (add a stanza with `over: none`); requesters on leave; anybody in the first days.

    Source: gamma-Poisson credibility (Buhlmann & Straub 1970) with learned over-dispersion; counting
    cases beside searches and postings from the roster is what most of its power comes from.
    """

    function = "high_count"
    version = 3
    settings_type = HighCountSettings
    judging = Detector.judging | {
        "alpha",
        "critical_below",
        "half_life_days",
        "high_below",
        "minimum_count",
        "minimum_history_days",
        "minimum_weight",
        "newcomer_days",
    }
    #: Columns of 2 kB and the name; 7 days of event ids and 28 of cases, at most 50 a day with up to
    #: 128 characters each. A usual officer takes 3 kB.
    bytes_per_key = 2_100 + 600 + (7 + 28) * (50 * 131 + 140)

    settings: HighCountSettings

    def __init__(self, name: str, settings: Settings, reference: Reference, agency_id: str) -> None:
        super().__init__(name, settings, reference, agency_id)
        self._days = LocalDays.of(reference.agency(agency_id).timezone)
        self._when = compile_condition(self.settings.when) if self.settings.when else None
        self._name: Callable[[str], str] = reference.tools.canonical if self.settings.by == "tool" else str
        self._allowance = 0 if self.settings.of == "searches" else CASES_ONLY
        if self.settings.by == "requester" and self.settings.of == "cases":
            self._allowance = self.settings.allowance
        self._reset()

    def _reset(self) -> None:
        settings = self.settings
        lengths = {*settings.windows, *((matched_days.LENGTH,) if settings.calendar else ())}
        self._counts = Counts(sorted(lengths), settings.half_life_days, settings.over != "none")
        windows = self._counts.windows.tolist()
        # Row of the window round a demonstration; not used unless the calendar is.
        self._four = windows.index(matched_days.LENGTH) if settings.calendar else 0
        self._rule = Rule(
            places=tuple(windows.index(length) for length in settings.windows),
            factor=factors(settings.windows),
            alpha=settings.alpha,
            minimum_count=settings.minimum_count,
            minimum_history_days=settings.minimum_history_days,
            newcomer_days=min(settings.newcomer_days, settings.minimum_history_days),
            minimum_agency_days=2 * settings.minimum_history_days,
            episode_days=settings.episode_days,
        )
        self._service = Service(self._counts, self.reference.roster.of(self.agency_id), settings.over)
        self._told: Expectation | None = None
        self._evidence = RecentEvidence()
        by_person = settings.by == "requester" and settings.of == "cases"
        self._cases = RecentCases(settings.case_days) if by_person else None
        self._open = OpenDays(
            self._counts, self._cases, self._rule, self._allowance, self._name, lambda: self.line
        )
        self._anew = np.zeros(0, np.bool_)

    def _column(self, table: Table) -> Column:
        """Whom each search counts for."""
        return table.column(_FIELDS[self.settings.by])

    def _counted(self, table: Table, first: int = 0) -> Ints:
        """The rows from `first` on that the settings count."""
        counts = np.ones(len(table) - first, np.bool_) if self.settings.automatic else manual(table, first)
        rows = np.flatnonzero(counts) + first
        if self._when is None:
            return rows
        return rows[where(self._when, table, rows)] if len(rows) else rows

    def _totals(self, day: Day) -> Totals:
        """What each key did on a closed day, of the searches that count."""
        by, before = self.settings.by, self._cases.before if self._cases is not None else None
        if self._when is None and not self.settings.automatic and by != "tool":
            keys = day.manual_by(_FIELDS[by])
            if before is None:
                return day.once(("totals", by), lambda: totals(day, keys, None))
            return totals(day, keys, before)
        column = self._column(day)
        named = Column([self._name(value) for value in column.values], column.codes)
        return totals(day, grouped(named, self._counted(day)), before)

    def observe(self, arrivals: Sequence[Arrivals]) -> Iterable[tuple[int, Finding]]:
        """Told once a key and day, when the count reaches what the closed days make critical."""
        for day, first, places in arrivals:
            number = day.number
            for row, key, tally, told in self._open.add(day, self._column(day), self._counted(day, first)):
                p, place = self._rule.p_values(told, self._rule.judged(self._counts, number))
                at = self._counts.history.rows[key]
                found = self._finding(key, tally, number, told, int(place[at]), float(p[at]))
                yield int(places[row - first]), found

    def close(self, day: Day) -> Iterable[Finding]:
        """Judge every key whose day is above its expectation, then learn from the day."""
        counts, past = self._counts, self._counts.history
        made = self._totals(day)
        rows = self._rows(made, day.number)
        told = counts.close(day.number, rows, made.counted(self._allowance), made.searches)
        self._evidence.close(day.number, made)
        if self._cases is not None:
            self._cases.close(day.number, made)
        self._open.closed(day.number)

        judged = self._rule.judged(counts, day.number)
        p, place = self._rule.p_values(told, judged)
        self.p_values.add(p[judged[list(self._rule.places)].any(axis=0)])
        self._told = told
        matched = None
        if self.settings.calendar:
            among = self._rule.counted(told) & judged
            calendar, least = self.reference.calendar, self.settings.minimum_weight
            matched = matched_days.compare(calendar, self.agency_id, day.number, least, counts, told, among)
        beside = matched.p if matched is not None else np.ones(len(past))
        findings = []
        raised = np.flatnonzero(np.minimum(p, beside) <= self.settings.alpha)
        fresh = self._rule.fresh(counts, day.number)
        anew = np.minimum(
            self._rule.p_values(told, judged & fresh)[0], np.where(fresh[self._four], beside, 1.0)
        )
        self._anew = anew <= self.settings.alpha
        for row in raised.tolist():
            key = past.keys[row]
            tally = _first(made, key, day)
            round_event = matched is not None and bool(beside[row] < p[row])
            findings.append(
                self._finding(key, tally, day.number, told, self._four, float(beside[row]), matched)
                if round_event
                else self._finding(key, tally, day.number, told, int(place[row]), float(p[row]))
            )
        return sorted(findings, key=lambda finding: finding.entity)

    @property
    def about(self) -> EntityKind:
        """Those whose searches are counted."""
        return self.settings.by

    def tested(self, day: Day) -> int:
        """All in service with history enough, whether they searched or not."""
        return int(self._rule.judged(self._counts, day.number).any(axis=0).sum())

    def told(self, day: Day, findings: Sequence[Finding]) -> None:
        """Remember for whom the day raised an alert by itself, without windows that reach back to others."""
        past = self._counts.history
        for finding in findings:
            row = past.rows[finding.entity]
            if self._anew[row]:
                past.told[row] = day.number

    def _rows(self, made: Totals, number: int) -> Ints:
        """The row of each key, new ones entered."""
        past, service = self._counts.history, self._service
        by_person = self.settings.by == "requester"
        if by_person:
            service.follow(number)
        rows = np.array([past.rows.get(key, -1) for key in made.names], np.int64)
        for place in np.flatnonzero(rows < 0).tolist():
            key = made.names[place]
            if by_person:
                rows[place] = service.enter(key, made.units[place], number)
            else:
                group = self._counts.group(key if self.settings.over == "none" else "")
                rows[place] = past.enter(key, group)
        if by_person:
            # The roster tells of all others where they are.
            for place in np.flatnonzero(past.since[rows] == 0).tolist():
                service.moved(int(rows[place]), made.units[place])
        return rows

    def _finding(
        self,
        key: str,
        tally: Tally,
        number: int,
        told: Expectation,
        place: int,
        p: float,
        matched: matched_days.MatchedDays | None = None,
    ) -> Finding:
        settings, past, last = self.settings, self._counts.history, self._counts.last_day
        row, length = past.rows[key], int(self._counts.windows[place])
        first = number - length + 1
        ids = self._evidence.of(key, first, last)
        # An open day is taken to follow the last closed one, whose window is then a day shorter.
        back = range(length if number <= last else length - 1)
        searches = int(sum(past.searches[(last - days) % RING, row] for days in back))
        if number > last:
            ids, searches = [*ids, *tally.ids], searches + tally.searches
        observed, mean = int(told.observed[place, row]), float(told.mean[place, row])
        interval = central_interval(mean, float(told.variance[place, row]))
        p = max(p, LEAST_P)
        account = Account(
            past, row, place, number, last, searches, observed, mean, interval, p,
            peers="unit" if settings.over == "unit" else "agency",
            events=self._events(first - 2, number) if matched is None else (matched.event,),
            matched=matched,
        )  # fmt: skip
        severity: Severity = "high" if p < settings.high_below else "medium"
        unit = {"requester": tally.unit_id or None, "unit": key}
        return Finding(
            entity_kind=settings.by,
            entity=key,
            unit_id=unit.get(settings.by),
            window_start=self._days.start(first),
            window_end=self._days.end(number),
            first_seen=tally.first,
            severity="critical" if p < settings.critical_below else severity,
            explanation=account.sentence(),
            evidence=tuple(ids),
            evidence_count=searches if searches > len(ids) else None,
            p_value=p,
            score=-math.log(p),
            observed=float(observed),
            expected=mean,
            interval=interval,
        )

    def _events(self, first: int, last: int) -> tuple[Event, ...]:
        calendar, least = self.reference.calendar, self.settings.minimum_weight
        return tuple(
            event
            for number in range(first, last + 1)
            for event in calendar.on(self.agency_id, number)
            if event.weight >= least
        )

    def figures(self) -> Mapping[tuple[str, str], float]:
        """Of units: the searches or cases of the last closed day, and how many were expected of them, or of
        those who serve there."""
        told, past = self._told, self._counts.history
        if told is None:
            return {}
        day = zip(("unit_observed", "unit_expected"), (told.observed[0], told.mean[0]), strict=True)
        if self.settings.by == "unit":
            return {(name, unit): float(made[row]) for name, made in day for unit, row in past.rows.items()
                    if row < len(made)}  # fmt: skip
        if self.settings.by != "requester" or self.settings.over != "unit":
            return {}
        units = self._counts.groups
        return {
            (name, unit): total
            for name, made in day
            for unit, total in zip(
                units, np.bincount(past.group[: len(made)], made, len(units)).tolist(), strict=True
            )
        }

    def snapshot(self) -> dict[str, bytes]:
        """Blocks of the counts, the evidence and the cases; see `models.statistics`."""
        cases = self._cases.snapshot() if self._cases is not None else {}
        return {**self._counts.snapshot(), **self._evidence.snapshot(), **cases}

    def changes(self) -> Mapping[str, bytes | None]:
        """As `snapshot`, without the evidence and the cases of days that were among the changes before."""
        cases = self._cases.changes() if self._cases is not None else {}
        return {**self._counts.snapshot(), **self._evidence.changes(), **cases}

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take back what `snapshot` gave."""
        self._reset()
        if blocks:
            self._counts.restore(blocks)
            self._evidence.restore(blocks)
            if self._cases is not None:
                self._cases.restore(blocks)


def _first(made: Totals, key: str, day: Day) -> Tally:
    """Where and when a key began on a closed day; for one without a search, with the day."""
    if key not in made.ids:
        return Tally(day.start)
    place = made.names.index(key)
    tally = Tally(made.first[place])
    tally.unit_id = made.units[place]
    return tally
