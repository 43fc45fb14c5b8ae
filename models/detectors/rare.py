"""Somebody searches in a way that is new for them: another tool, workstation or hour."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from models.alert import Finding
from models.detectors.base import Day, Detector, Settings
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
        columns = [self._column(aspect, day) for aspect in self.settings.of]
        ways_at = list(zip(*columns, strict=True))
        by_requester = day.manual_by("requester_id")
        findings = []
        learned: list[tuple[_Habit, set[tuple[str, ...]]]] = []
        in_units: dict[str, list[set[str]]] = {}
        for who in sorted(by_requester):
            places = by_requester[who]
            unit = day.searches[places[-1]].unit_id
            habit = self._requesters.get(who)
            ways = {ways_at[places[0]]} if len(places) == 1 else {ways_at[place] for place in places}
            if habit is not None and habit.days >= self.settings.minimum_days:
                self._check.expected += SURPRISING
                if not self._usual(habit, ways):
                    ordered = {way: [p for p in places if ways_at[p] == way] for way in sorted(ways)}
                    finding = self._judge(who, unit, habit, ordered, day)
                    if finding is not None:
                        findings.append(finding)
            elif habit is None:
                habit = self._requesters[who] = self._new(day.number)
            unit_values = in_units.get(unit)
            if unit_values is None:
                unit_values = in_units[unit] = [set() for _ in columns]
            learned.append((habit, ways))
            for way in ways:
                for values, value in zip(unit_values, way, strict=True):
                    values.add(value)
        # Nobody's day is judged by what others did on it.
        for habit, ways in learned:
            self._add(habit, day.number, map(set, zip(*ways, strict=True)), MOST_VALUES)
        for unit in sorted(in_units):
            habit = self._units.get(unit)
            if habit is None:
                habit = self._units[unit] = self._new(day.number)
            self._add(habit, day.number, in_units[unit], MOST_SHARED_VALUES)
            self._add(self._agency, day.number, in_units[unit], MOST_SHARED_VALUES)
        return findings

    def _column(self, aspect: Aspect, day: Day) -> list[str]:
        """What each search of the day shows of an aspect."""
        if aspect == "tool":
            return [self.reference.tools.canonical(search.tool) for search in day.searches]
        if aspect == "hour":
            return [_BLOCKS[hour] for hour in day.hours]
        field = "workstation_id" if aspect == "workstation" else aspect
        return [getattr(search, field) or "" for search in day.searches]

    def _usual(self, habit: _Habit, ways: Iterable[Sequence[str]]) -> bool:
        """Whether the requester's own habit alone makes all of this unremarkable: a chance is never
        below the probability of the value itself, nor that below its own part."""
        strength = UNIT_STRENGTH * self._weight
        for way in ways:
            for counts, total, value in zip(habit.counts, habit.totals, way, strict=True):
                if counts.get(value, 0.0) < USUAL * (total + strength):
                    return False
        return True

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
            first_seen=day.times[indexes[0]],
            severity="high" if p < self.settings.alpha * 1e-3 else "medium",
            p_value=max(p, 1e-300),
            score=-math.log(max(p, 1e-300)),
            observed=float(len(indexes)),
            expected=expected,
            interval=(0.0, float(upper)),
            evidence=tuple(day.searches[index].event_id for index in indexes),
            explanation=(
                f"{plural(len(indexes), 'search')} on {day_text(day.number)} in a way that is new for "
                f"this requester: {said}; {figure(expected)} [0-{upper}] expected; {chance(p)}."
            ),
        )

    def _days_of(self, habit: _Habit, aspect: int, value: str) -> str:
        """About how many of the habit's days showed a value."""
        share = habit.counts[aspect].get(value, 0.0) / (habit.totals[aspect] or 1.0)
        return figure(round(share * habit.days))

    def _probability(self, priors: tuple[_Habit, _Habit, _Habit], aspect: int, value: str) -> float:
        """Predictive probability of one value."""
        own, unit, agency = priors
        weight = self._weight
        whole = agency.counts[aspect].get(value, 0.0) / (agency.totals[aspect] + weight)
        units = unit.counts[aspect].get(value, 0.0) + AGENCY_STRENGTH * weight * whole
        prior = units / (unit.totals[aspect] + AGENCY_STRENGTH * weight)
        mine = own.counts[aspect].get(value, 0.0) + UNIT_STRENGTH * weight * prior
        return mine / (own.totals[aspect] + UNIT_STRENGTH * weight)

    def _chance(self, priors: tuple[_Habit, _Habit, _Habit], aspect: int, value: str) -> float:
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
        all_values = (self._probability(priors, aspect, other) for other in values)
        return min(1.0, unseen + sum(p for p in all_values if p <= bound))

    def _new(self, day: int) -> _Habit:
        return _Habit(day, [{} for _ in self.settings.of], [0.0] * len(self.settings.of))

    def _add(self, habit: _Habit, day: int, seen: Iterable[Iterable[str]], most: int) -> None:
        weight = self._weight
        for aspect, values in enumerate(seen):
            counts = habit.counts[aspect]
            # Each value is counted by itself, so the order does not matter.
            for value in values:
                counts[value] = counts.get(value, 0.0) + weight
                habit.totals[aspect] += weight
            while len(counts) > most:
                rarest = min((count, value) for value, count in counts.items())[1]
                habit.totals[aspect] -= counts.pop(rarest)
        habit.days += day != habit.at or habit.days == 0
        habit.at = day

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


#: Hours of the day in six blocks of four.
_BLOCKS = tuple(f"{hour // 4 * 4:02d}-{hour // 4 * 4 + 3:02d}" for hour in range(24))
_pack = msgspec.msgpack.Encoder(order="deterministic").encode
