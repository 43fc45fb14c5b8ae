"""More searches round a demonstration, in its area or in the whole city."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta

from models.alert import EntityKind, Finding, Severity
from models.calendar import Event
from models.columns import Column, Ints, by_appearance, distinct
from models.days import LocalDays
from models.detectors.base import Day, Detector, Settings
from models.expressions import compile_condition
from models.statistics.counts import Counts
from models.statistics.history import RING
from models.statistics.negative_binomial import central_interval
from models.statistics.recent import RecentEvidence, SeenCases
from models.statistics.spikes import AFTER, BEFORE, CONTROLS, FORTNIGHT, LENGTH, Spike, compare
from models.statistics.tally import MOST_REMEMBERED
from models.where import where
from models.windows import manual
from models.wording import chance, day_text, figure, plural

if TYPE_CHECKING:
    from models.reference import Reference

#: Places of one agency that are followed; searches in others count for the city alone.
MOST_PLACES = 200
#: Share of an error round an event of the whole city that its own series may make, and the places together.
CITY_SHARE = 0.75
#: Days after which a case is counted again.
CASE_DAYS = 14


class DemonstrationSpikeSettings(Settings, kw_only=True, frozen=True):
    """Settings of `demonstration_spike`."""

    alpha: Annotated[float, Meta(gt=0, le=1)] = 1e-3
    """Largest p-value that raises an alert: the chance, under normal use, of one round one demonstration."""
    minimum_weight: Annotated[float, Meta(gt=0, le=1)] = 0.6
    """Least weight of a calendar entry that is tested, by its size and police interventions."""
    picked: str = "missing(offence_code)"
    """Cases for which this condition holds are counted beside all cases, and tested too."""
    what: str = "name no offence"
    """How the sentence calls what `picked` asks, after "9 of them"."""
    half_life_days: Annotated[float, Meta(ge=7, le=1000)] = 60.0
    """Days after which a count weighs half in what is expected."""
    minimum_count: Annotated[int, Meta(ge=1)] = 3
    """Fewest cases in the window that can raise an alert."""
    minimum_history_days: Annotated[int, Meta(ge=1, le=1000)] = 60
    """Days of the agency's log before the first alert."""
    high_below: Annotated[float, Meta(gt=0, le=1)] = 1e-5
    """p-value below which an alert is of high severity; above it is medium."""

    def __post_init__(self) -> None:
        """Refuse a condition that cannot be used."""
        compile_condition(self.picked)


class _Made(NamedTuple):
    """What each series did on a day. Series 0 is the city; two counts a series, all and picked."""

    series: list[tuple[EntityKind, str]]
    cases: Ints
    searches: Ints
    ids: dict[str, list[str]]
    """Of days round an event alone: no other day is evidence."""


class DemonstrationSpike(Detector):
    """Cases from a day before to two days after each demonstration of the calendar, by place and in all.

    A search counts where it happened: for its `incident_area` or, if it names none, for its unit; and
    for the city. A case counts once in 14 days. An entry of the calendar with an area is tested
    there; one without in the whole city, whose series may make three quarters of the errors, and
    in all places, which share the rest. An entry's p-values are divided by its weight (Genovese,
    Roeder & Wasserman 2006), which grows with size and police interventions, so that a small
    gathering needs stronger evidence.

    All cases, and those that name no offence, are each compared with the series' own past (half-life
    60 days, weekday profile, over-dispersion learned away from events: phi mu + tau mu^2), with that
    past times what befell the other places, and with the same days round up to four matched control
    days, each scaled up by how busy the fortnight before was. A Cauchy combination makes one p-value
    of them (`models/statistics/spikes.py`).

    Innocent explanations: arrests, looting or an assault at the demonstration itself, which are crimes
    with cases of their own; a wave of crime that began in the same days; a backlog.
    Blind spots: demonstrations that the calendar does not know, or lighter than `minimum_weight`;
    searches begun more than two days later; a unit that always searches after demonstrations, to
    which the control days and the past bear no witness; places beyond the first 200.

    Source: Long Beach 2020, as told by forthe.org: over a thousand of about four thousand searches
    named no crime, most citing the demonstrations of 31 May. Matching as in case-crossover studies
    (Maclure 1991); Cauchy combination of Liu & Xie (2020).
    """

    function = "demonstration_spike"
    settings_type = DemonstrationSpikeSettings
    judging = Detector.judging | {
        "alpha", "half_life_days", "high_below", "minimum_count", "minimum_history_days", "minimum_weight",
        "what",
    }  # fmt: skip
    #: Two rows of columns, 7 days of event ids; the agency's cases of 14 days, 20 bytes each.
    bytes_per_key = 2 * 2_400 + 7 * (MOST_REMEMBERED * 131 + 140) + CASE_DAYS * 1000 * 20

    settings: DemonstrationSpikeSettings

    def __init__(self, name: str, settings: Settings, reference: Reference, agency_id: str) -> None:
        super().__init__(name, settings, reference, agency_id)
        self._days = LocalDays.of(reference.agency(agency_id).timezone)
        self._picked = compile_condition(self.settings.picked)
        self._reset()

    @property
    def about(self) -> EntityKind:
        """Places and the city."""
        return "agency"

    def tested(self, day: Day) -> int:
        """Entries of the calendar whose window ended with the day."""
        return len(self._events(day.number - AFTER))

    def _reset(self) -> None:
        self._counts = Counts((1, LENGTH), self.settings.half_life_days, pooled=False, shared=False)
        self._evidence = RecentEvidence()
        self._seen = SeenCases(CASE_DAYS)

    def close(self, day: Day) -> Iterable[Finding]:
        """Count the day, then judge the events whose window ends with it."""
        counts = self._counts
        made = self._count(day)
        rows = np.array([self._row(kind, name) for kind, name in made.series], np.int64)
        both = np.stack([rows, rows + 1], axis=1).ravel()
        told = counts.close(
            day.number,
            both,
            made.cases.ravel(),
            made.searches.ravel(),
            self._undisturbed(day.number - LENGTH + 1, day.number),
        )
        self._evidence.keep(day.number, made.ids)
        if day.number - counts.first_day < self.settings.minimum_history_days:
            return []
        events = self._events(day.number - AFTER)
        if not events:
            return []
        centres = self.reference.calendar.controls(self.agency_id, day.number - AFTER, CONTROLS)
        picked = np.arange(len(counts.history)) % 2 == 1
        first = day.number - LENGTH
        calm = np.stack([self._undisturbed(first - back, first - back) for back in range(FORTNIGHT)])
        spike = compare(counts, told, picked, day.number, day.number - AFTER, centres, calm)
        return self._judge(day.number, spike, events)

    def _undisturbed(self, first: int, last: int) -> np.ndarray:
        """Of each row, whether some days are none of those round an event: only then do they show what is
        usual without one."""
        past = self._counts.history
        usual = np.ones(len(past), np.bool_)
        for near in range(first - AFTER, last + BEFORE + 1):
            for event in self._events(near):
                if not event.area:
                    return np.zeros(len(past), np.bool_)
                for row in self._rows_of(event.area):
                    usual[row : row + 2] = False
        return usual

    def _rows_of(self, area: str) -> list[int]:
        """The rows of all cases in an area, and of a unit of that name."""
        rows = self._counts.history.rows
        return [rows[_key(kind, area)] for kind in ("area", "unit") if _key(kind, area) in rows]

    def _events(self, day: int) -> list[Event]:
        """The events of a day that are tested."""
        least = self.settings.minimum_weight
        return [one for one in self.reference.calendar.on(self.agency_id, day) if one.weight >= least]

    def _count(self, day: Day) -> _Made:
        rows = np.flatnonzero(manual(day))
        values, codes = day.cases
        fresh = np.array([*self._seen.fresh(values), True], np.bool_)  # the last for searches without a case
        series, place = self._places(day, rows)
        case = codes[rows].astype(np.int64)
        picked = where(self._picked, day, rows) if len(rows) else np.zeros(0, np.bool_)
        size, cases = len(series), max(len(values), 1)
        found = np.zeros((size, 2, 2), np.int64)
        for column, which in enumerate((fresh[case], fresh[case] & picked)):
            for whose in (np.zeros(len(rows), np.int64), place):
                among = which & (whose >= 0)
                cited = among & (case >= 0)
                pairs = distinct(whose[cited] * cases + case[cited])
                found[:, column, 0] += np.bincount(pairs // cases, minlength=size)
                found[:, column, 0] += np.bincount(whose[among & (case < 0)], minlength=size)
                made = (picked if column else np.ones(len(rows), np.bool_)) & (whose >= 0)
                found[:, column, 1] += np.bincount(whose[made], minlength=size)
        new, _ = by_appearance(case[fresh[case] & (case >= 0)], len(values))
        self._seen.close(day.number, [values[code] for code in new.tolist()])
        ids: dict[str, list[str]] = {}
        if any(self._events(near) for near in range(day.number - AFTER, day.number + BEFORE + 1)):
            ids = {_key(*one): _first(day, rows, place, picked, at) for at, one in enumerate(series)}
        return _Made(series, found[:, :, 0], found[:, :, 1], ids)

    def _places(self, day: Day, rows: Ints) -> tuple[list[tuple[EntityKind, str]], Ints]:
        """The series of the day, and of each row the number of its place, -1 without one."""
        series: dict[tuple[EntityKind, str], int] = {("agency", self.agency_id): 0}
        known, room = self._counts.history.rows, MOST_PLACES - len(self._counts.history) // 2

        def number(kind: EntityKind, column: Column, rows: Ints) -> Ints:
            nonlocal room
            used = set(column.codes[rows].tolist())
            found = np.full(len(column.values), -1, np.int64)
            for code in sorted(used, key=lambda code: str(column.values[code])):
                name = column.values[code]
                if name is None or (
                    _key(kind, name) not in known and (kind, name) not in series and room < 1
                ):
                    continue
                room -= _key(kind, name) not in known and (kind, name) not in series
                found[code] = series.setdefault((kind, name), len(series))
            return found[column.codes[rows]] if len(column.values) else np.full(len(rows), -1, np.int64)

        place = number("area", day.column("incident_area"), rows)
        elsewhere = place < 0
        place[elsewhere] = number("unit", day.column("unit_id"), rows[elsewhere])
        return list(series), place

    def _row(self, kind: EntityKind, name: str) -> int:
        """The row of a series; that of its picked cases is the next."""
        counts, key = self._counts, _key(kind, name)
        row = counts.history.rows.get(key)
        if row is None:
            level = "city" if kind == "agency" else "place"
            row = counts.history.enter(key, counts.group(level))
            counts.history.enter(f"{key}\n", counts.group(f"{level}, picked"))
        return row

    def _judge(self, number: int, spike: Spike, events: Sequence[Event]) -> list[Finding]:
        past = self._counts.history
        rows = np.arange(0, len(past), 2)
        p = spike.together(rows, rows + 1)
        city = past.rows[_key("agency", self.agency_id)] // 2
        best: dict[int, tuple[float, Event]] = {}
        for event in events:
            if event.area:
                tested = self._rows_of(event.area)
                share = {row // 2: 1 / len(tested) for row in tested}
            else:
                each = (1 - CITY_SHARE) / max(len(rows) - 1, 1)
                share = {row: CITY_SHARE if row == city else each for row in range(len(rows))}
            least = 1.0
            for row, part in share.items():
                told = min(1.0, float(p[row]) / (part * event.weight))
                least = min(least, told)
                if spike.observed[2 * row] >= self.settings.minimum_count and told <= self.settings.alpha:
                    best[row] = min(best.get(row, (2.0, event)), (told, event), key=lambda one: one[0])
            self.p_values.one(least)
        found = [self._finding(number, spike, 2 * row, *one) for row, one in best.items()]
        return sorted(found, key=lambda finding: (finding.entity_kind, finding.entity))

    def _finding(self, number: int, spike: Spike, row: int, p: float, event: Event) -> Finding:
        past = self._counts.history
        kind, _, name = past.keys[row].partition(":")
        first = number - LENGTH + 1
        ids = self._evidence.of(past.keys[row], first, number)
        days = [(number - back) % RING for back in range(LENGTH)]
        searches = int(past.searches[days, row].sum())
        mean, picked = float(spike.mean[row]), row + 1
        interval = central_interval(mean, float(spike.variance[row]))
        beside = [] if kind == "agency" else [f"{figure(float(spike.context[row]))} by what befell others"]
        if spike.matched[row] > 0:
            beside.append(f"{figure(float(spike.matched[row]))} on average round matched control days")
        compared = "".join(f", {one}" for one in beside)
        size = f" of {event.size:,}" if event.size else ""
        severity: Severity = "high" if p < self.settings.high_below else "medium"
        return Finding(
            entity_kind=msgspec.convert(kind, EntityKind),
            entity=name,
            unit_id=name if kind == "unit" else None,
            window_start=self._days.start(first),
            window_end=self._days.end(number),
            first_seen=self._days.start(first),
            severity=severity,
            explanation=(
                f"{plural(searches, 'search')} in {plural(int(spike.observed[row]), 'new case')} from "
                f"{day_text(first)} to {day_text(number)}, round the {event.kind}{size} on "
                f"{day_text(event.date)}, where {figure(mean)} [{figure(interval[0])}-{figure(interval[1])}] "
                f"were expected{compared}; {spike.observed[picked]} of them {self.settings.what}, where "
                f"{figure(float(spike.mean[picked]))} would; {chance(p)}."
            ),
            evidence=tuple(ids),
            evidence_count=searches if searches > len(ids) else None,
            p_value=p,
            score=-math.log(p),
            observed=float(spike.observed[row]),
            expected=mean,
            interval=interval,
        )

    def snapshot(self) -> dict[str, bytes]:
        """Blocks of the counts, the evidence and the cases; see `models.statistics`."""
        return {**self._counts.snapshot(), **self._evidence.snapshot(), **self._seen.snapshot()}

    def changes(self) -> Mapping[str, bytes | None]:
        """As `snapshot`, without the evidence and the cases of days that were among the changes before."""
        return {**self._counts.snapshot(), **self._evidence.changes(), **self._seen.changes()}

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take back what `snapshot` gave."""
        self._reset()
        if blocks:
            self._counts.restore(blocks)
            self._evidence.restore(blocks)
            self._seen.restore(blocks)


def _key(kind: str, name: str) -> str:
    return f"{kind}:{name}"


def _first(day: Day, rows: Ints, place: Ints, picked: np.ndarray, at: int) -> list[str]:
    """Ids of searches of a series, those picked before others, in order of time."""
    own = np.flatnonzero(place == at) if at else np.arange(len(rows))
    own = np.concatenate((own[picked[own]], own[~picked[own]]))[:MOST_REMEMBERED]
    return [day.event_ids[row] for row in np.sort(rows[own]).tolist()]
