"""Somebody searches in a way that is new for them: another tool, workstation or hour."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import msgspec
import numpy as np
from msgspec import Meta, Struct

from models.alert import Finding
from models.columns import Codes, Column, Floats
from models.detectors.base import Day, Detector, Settings
from models.windows import Groups
from models.wording import chance, day_text, figure, plural

if TYPE_CHECKING:
    from models.reference import Reference

Aspect = Literal["tool", "workstation", "hour", "purpose", "access_channel"]
#: A requester's own history weighs as much as the unit's after so many days with searches.
UNIT_STRENGTH = 20.0
#: The agency's habit counts in the unit's like so many days; one further day is kept for the unseen.
AGENCY_STRENGTH = 20.0
#: Different values remembered per requester and aspect, and per unit or agency; the rarest make room.
MOST_VALUES = 64
MOST_SHARED_VALUES = 4096
#: Days after which half of a habit is forgotten.
HALF_LIFE_DAYS = 180.0
#: A chance below this is "surprising" when the model checks itself.
SURPRISING = 0.01
#: A share of the own habit that makes a value unremarkable in whatever company: five values of this
#: probability still have a joint chance above SURPRISING.
USUAL = 0.1


class RareSettings(Settings, kw_only=True, frozen=True):
    """Settings of `rare`."""

    of: tuple[Aspect, ...] = ("workstation", "hour")
    """Aspects of a search that are judged together."""
    alpha: Annotated[float, Meta(gt=0, lt=1)] = 1e-5
    """Largest p-value of a requester's day that raises an alert."""
    minimum_days: Annotated[int, Meta(ge=1)] = 20
    """Days with searches that a requester must have before being judged."""
    minimum_searches: Annotated[int, Meta(ge=1)] = 2
    """Fewest searches in the unusual way on the day."""


class _Habit(Struct, array_like=True):
    """How often each value was seen, in days. Counts grow with time instead of fading: what is seen
    on day d weighs 2^(d / half-life), so only ratios within one habit mean anything."""

    at: int
    """Day of the last update."""
    counts: list[dict[str, float]]
    """For each aspect, value -> weight."""
    totals: list[float]
    """For each aspect, the sum of its weights."""
    days: int = 0
    """Days with searches."""


#: The habits of a requester, the unit and the agency.
_Priors = tuple[_Habit, _Habit, _Habit]
N = TypeVar("N", float, Floats)


class _Checked(Struct, array_like=True):
    expected: float = 1.0
    surprising: float = 1.0


class Rare(Detector):
    """Chance that a requester searches in a way as unusual as this, given the habit so far.

    Each aspect (tool, workstation, hour in six blocks of four) has a Dirichlet-multinomial habit
    per requester, counted in days, discounted with a half-life of 180 days; its prior is the
    habit of the unit (strength 20), whose prior is that of the agency, with one day kept for
    values never seen. The chance of an aspect is the sum of the predictive probabilities that do
    not exceed that of the observed value. The chances of m aspects of one search are put together
    by the law of the product of uniforms, P = x (1 - ln x + ... + (-ln x)^(m-1)/(m-1)!). A day's
    chance is the smallest over its distinct ways of searching, times their number. The model
    checks itself: when more than 1% of judged days fall below 0.01, all chances are raised by
    that ratio.

    Innocent explanations: a transfer that the roster does not show, a borrowed desk, overtime, a
    new computer or tool for the whole unit in its first days.
    Blind spots: misuse in the usual way, at the usual desk, in the usual hours.

    Source: exact multinomial test on the Dirichlet-multinomial predictive; misuse as in the shared
    password case (24 searches in two days by somebody else, patch.com).
    """

    function = "rare"
    settings_type = RareSettings
    judging = Detector.judging | {"alpha", "minimum_days", "minimum_searches"}
    bytes_per_key = 5 * MOST_VALUES * 160

    settings: RareSettings

    def __init__(self, name: str, settings: Settings, reference: Reference, agency_id: str) -> None:
        super().__init__(name, settings, reference, agency_id)
        self._reset()

    def _reset(self) -> None:
        self._requesters: dict[str, _Habit] = {}
        self._units: dict[str, _Habit] = {}
        self._agency = self._new(0)
        self._check = _Checked()
        self._origin: int | None = None
        """First day; weights are 1 then and double every half-life."""
        self._weight = 1.0

    def close(self, day: Day) -> Iterable[Finding]:
        """Judge each requester's day against the habits before it, then learn the day."""
        if self._origin is None:
            self._origin = day.number
        self._weight = 2.0 ** ((day.number - self._origin) / HALF_LIFE_DAYS)
        by_requester = day.manual_by("requester_id")
        columns = [self._column(aspect, day) for aspect in self.settings.of]
        shown = [_Shown(by_requester, column) for column in columns]
        habits = [self._requesters.get(who) for who in by_requester.names]
        unusual = self._unusual(shown, habits)
        units, unit_codes = day.column("unit_id")
        unit_of = unit_codes[by_requester.rows[by_requester.bounds[1:] - 1]]
        findings = []
        for group, who in sorted(enumerate(by_requester.names), key=itemgetter(1)):
            habit = habits[group]
            if habit is None:
                habits[group] = self._requesters[who] = self._new(day.number)
            elif habit.days >= self.settings.minimum_days:
                self._check.expected += SURPRISING
                if group in unusual:
                    rows_by: dict[tuple[str, ...], list[int]] = {}
                    for row in by_requester.of(group).tolist():
                        way = tuple(values[codes[row]] for values, codes in columns)
                        rows_by.setdefault(way, []).append(row)
                    ways = dict(sorted(rows_by.items()))
                    finding = self._judge(who, units[unit_of[group]], habit, ways, day)
                    if finding is not None:
                        findings.append(finding)
        # Nobody's day is judged by what others did on it.
        for aspect, one in enumerate(shown):
            self._learn(aspect, one, habits)
            for unit, values in one.by(unit_of).items():
                habit = self._units.get(units[unit])
                if habit is None:
                    habit = self._units[units[unit]] = self._new(day.number)
                for shared in (habit, self._agency):
                    self._add(shared, aspect, values, MOST_SHARED_VALUES)
        for habit in (*habits, *(self._units[units[unit]] for unit in set(unit_of.tolist())), self._agency):
            if habit is not None and unit_of.size:
                habit.days += day.number != habit.at or habit.days == 0
                habit.at = day.number
        return findings

    def _unusual(self, shown: Sequence[_Shown], habits: Sequence[_Habit | None]) -> set[int]:
        """The requesters whose own habit alone does not make all that they did unremarkable: a chance
        is never below the probability of the value itself, nor that below its own part."""
        strength = UNIT_STRENGTH * self._weight
        found: set[int] = set()
        for aspect, one in enumerate(shown):
            for group, value in zip(one.groups, one.values, strict=True):
                habit = habits[group]
                if habit is not None and habit.counts[aspect].get(value, 0.0) < USUAL * (
                    habit.totals[aspect] + strength
                ):
                    found.add(group)
        return found

    def _learn(self, aspect: int, shown: _Shown, habits: Sequence[_Habit | None]) -> None:
        """Add what each requester showed of an aspect to the own habit."""
        weight = self._weight
        for group, value in zip(shown.groups, shown.values, strict=True):
            habit = habits[group]
            assert habit is not None
            counts = habit.counts[aspect]
            counts[value] = counts.get(value, 0.0) + weight
            habit.totals[aspect] += weight
            if len(counts) > MOST_VALUES:
                _evict(habit, aspect, MOST_VALUES)

    def _column(self, aspect: Aspect, day: Day) -> Column:
        """What each search of the day shows of an aspect."""
        if aspect == "hour":
            return Column(_BLOCKS, day.hours // 4)
        field = "workstation_id" if aspect == "workstation" else aspect
        values, codes = day.column(field)
        if aspect == "tool":
            return Column([self.reference.tools.canonical(value) for value in values], codes)
        return Column([value or "" for value in values], codes)

    def _judge(
        self, who: str, unit: str, habit: _Habit, ways: Mapping[tuple[str, ...], list[int]], day: Day
    ) -> Finding | None:
        priors = (habit, self._units.get(unit) or self._new(day.number), self._agency)
        least = min(
            _product([self._probability(priors, i, value) for i, value in enumerate(way)]) for way in ways
        )
        if least * len(ways) > SURPRISING:
            return None
        best, best_way = 1.0, None
        best_parts: tuple[float, ...] = ()
        for way in ways:
            parts = tuple(self._chance(priors, i, value) for i, value in enumerate(way))
            joint = _product(parts)
            if joint < best:
                best, best_way, best_parts = joint, way, parts
        p = min(1.0, best * len(ways))
        self._check.surprising += p <= SURPRISING
        p = min(1.0, p * max(1.0, self._check.surprising / self._check.expected))
        if best_way is None or p > self.settings.alpha:
            return None
        indexes = ways[best_way]
        if len(indexes) < self.settings.minimum_searches:
            return None
        said = " and ".join(
            f"{aspect} {value or 'none'} (seen on {self._days_of(habit, i, value)} of {habit.days} days)"
            for i, (aspect, value) in enumerate(zip(self.settings.of, best_way, strict=True))
            if best_parts[i] < 0.2
        )
        total = sum(map(len, ways.values()))
        expected = total * math.prod(best_parts)
        upper = 1 if expected > 0.025 else 0
        return Finding(
            entity_kind="requester",
            entity=who,
            unit_id=unit,
            window_start=day.start,
            window_end=day.end,
            first_seen=float(day.times[indexes[0]]),
            severity="high" if p < self.settings.alpha * 1e-3 else "medium",
            p_value=max(p, 1e-300),
            score=-math.log(max(p, 1e-300)),
            observed=float(len(indexes)),
            expected=expected,
            interval=(0.0, float(upper)),
            evidence=tuple(day.event_ids[index] for index in indexes),
            explanation=(
                f"{plural(len(indexes), 'search')} on {day_text(day.number)} in a way that is new for "
                f"this requester: {said}; {figure(expected)} [0-{upper}] expected; {chance(p)}."
            ),
        )

    def _days_of(self, habit: _Habit, aspect: int, value: str) -> str:
        """About how many of the habit's days showed a value."""
        share = habit.counts[aspect].get(value, 0.0) / (habit.totals[aspect] or 1.0)
        return figure(round(share * habit.days))

    def _probability(self, priors: _Priors, aspect: int, value: str) -> float:
        """Predictive probability of one value."""
        own, unit, agency = (habit.counts[aspect].get(value, 0.0) for habit in priors)
        return self._predicted(priors, aspect, own, unit, agency)

    def _predicted(self, priors: _Priors, aspect: int, own: N, unit: N, agency: N) -> N:
        """Predictive probability of one value or many, given their weights in the three habits."""
        weight = self._weight
        totals = [habit.totals[aspect] for habit in priors]
        whole = agency / (totals[2] + weight)
        prior = (unit + AGENCY_STRENGTH * weight * whole) / (totals[1] + AGENCY_STRENGTH * weight)
        return (own + UNIT_STRENGTH * weight * prior) / (totals[0] + UNIT_STRENGTH * weight)

    def _chance(self, priors: _Priors, aspect: int, value: str) -> float:
        """Chance of a value no more probable than the one observed, the unseen included."""
        own, unit, agency = priors
        weight = self._weight
        unseen = (
            UNIT_STRENGTH * weight / (own.totals[aspect] + UNIT_STRENGTH * weight)
            * AGENCY_STRENGTH * weight / (unit.totals[aspect] + AGENCY_STRENGTH * weight)
            * weight / (agency.totals[aspect] + weight)
        )  # fmt: skip
        # Equal probabilities must compare as equal although they were rounded differently.
        bound = max(self._probability(priors, aspect, value), unseen) * (1 + 1e-9)
        values = sorted({*own.counts[aspect], *unit.counts[aspect], *agency.counts[aspect]})
        weights = (np.array([habit.counts[aspect].get(one, 0.0) for one in values]) for habit in priors)
        p: Floats = self._predicted(priors, aspect, *weights)
        return min(1.0, unseen + float(p[p <= bound].sum()))

    def _new(self, day: int) -> _Habit:
        return _Habit(day, [{} for _ in self.settings.of], [0.0] * len(self.settings.of))

    def _add(self, habit: _Habit, aspect: int, values: Iterable[str], most: int) -> None:
        counts = habit.counts[aspect]
        # Each value is counted by itself, so the order does not matter.
        for value in values:
            counts[value] = counts.get(value, 0.0) + self._weight
            habit.totals[aspect] += self._weight
        _evict(habit, aspect, most)

    def snapshot(self) -> dict[str, bytes]:
        """`shared` (units, agency, self-check) and the requesters in blocks of about 1,000."""
        blocks = {"shared": _pack((self._origin, self._units, self._agency, self._check))}
        names = sorted(self._requesters)
        for start in range(0, len(names), 1000):
            part = {name: self._requesters[name] for name in names[start : start + 1000]}
            blocks[f"requesters/{start // 1000}"] = _pack(part)
        return blocks

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take back what `snapshot` gave."""
        self._reset()
        if not blocks:
            return
        try:
            self._origin, self._units, self._agency, self._check = msgspec.msgpack.decode(
                blocks["shared"], type=tuple[int | None, dict[str, _Habit], _Habit, _Checked]
            )
            for name in sorted(blocks):
                if name.startswith("requesters/"):
                    self._requesters |= msgspec.msgpack.decode(blocks[name], type=dict[str, _Habit])
        except (KeyError, msgspec.DecodeError) as error:
            raise ValueError(f"state of detector {self.name} cannot be read: {error!r}") from error


def _product(parts: Sequence[float]) -> float:
    """Chance that a product of independent uniforms is as small as that of `parts`."""
    x = max(math.prod(parts), 1e-300)
    log = -math.log(x)
    term = total = 1.0
    for i in range(1, len(parts)):
        term *= log / i
        total += term
    return min(1.0, x * total)


class _Shown:
    """What each requester showed of one aspect on a day: pairs of group and value, each once."""

    def __init__(self, by_requester: Groups, column: Column) -> None:
        values, codes = column
        pairs = np.unique(by_requester.number * max(len(values), 1) + codes[by_requester.rows])
        self._groups, self._codes = np.divmod(pairs, max(len(values), 1))
        self._values = values
        self.groups: list[int] = self._groups.tolist()
        self.values = [values[code] for code in self._codes.tolist()]

    def by(self, unit_of: Codes) -> dict[int, set[str]]:
        """The values shown in each unit, when `unit_of` tells the unit of each group."""
        found: dict[int, set[str]] = {}
        size = max(len(self._values), 1)
        units, codes = np.divmod(np.unique(unit_of[self._groups].astype(np.int64) * size + self._codes), size)
        for unit, code in zip(units.tolist(), codes.tolist(), strict=True):
            found.setdefault(unit, set()).add(self._values[code])
        return found


def _evict(habit: _Habit, aspect: int, most: int) -> None:
    """The rarest values make room."""
    counts = habit.counts[aspect]
    while len(counts) > most:
        rarest = min((count, value) for value, count in counts.items())[1]
        habit.totals[aspect] -= counts.pop(rarest)


#: Hours of the day in six blocks of four.
_BLOCKS = tuple(f"{hour:02d}-{hour + 3:02d}" for hour in range(0, 24, 4))
_pack = msgspec.msgpack.Encoder(order="deterministic").encode
