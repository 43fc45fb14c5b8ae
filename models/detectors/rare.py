"""Somebody searches in a way that is new for them: another tool, workstation or hour."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from models.alert import Finding
from models.columns import Column, distinct
from models.detectors.base import Day, Detector, Settings
from models.statistics.habits import UNIT_STRENGTH, Habit, Priors, Shown, product_chance
from models.wording import chance, day_text, figure, plural

if TYPE_CHECKING:
    from models.reference import Reference

Aspect = Literal["tool", "workstation", "hour", "purpose", "access_channel"]
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
        self._requesters: dict[str, Habit] = {}
        self._units: dict[str, Habit] = {}
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
        shown = [Shown(by_requester, column) for column in columns]
        units, unit_codes = day.column("unit_id")
        unit_of = unit_codes[by_requester.rows[by_requester.bounds[1:] - 1]]
        names = by_requester.names
        today = [self._requesters.get(who) or self._requester(who, day.number) for who in names]
        judged = [habit.days >= self.settings.minimum_days for habit in today]
        self._check.expected += sum(judged) * SURPRISING
        findings = []
        for group in sorted(self._unusual(shown, today, judged), key=names.__getitem__):
            rows_by: dict[tuple[str, ...], list[int]] = {}
            for row in by_requester.of(group).tolist():
                way = tuple(values[codes[row]] for values, codes in columns)
                rows_by.setdefault(way, []).append(row)
            ways = dict(sorted(rows_by.items()))
            finding = self._judge(names[group], units[unit_of[group]], today[group], ways, day)
            if finding is not None:
                findings.append(finding)
        # Nobody's day is judged by what others did on it.
        for aspect, one in enumerate(shown):
            one.add_to(today, aspect, self._weight, MOST_VALUES)
            for unit, seen in one.by(unit_of).items():
                for habit in (self._unit(units[unit], day.number), self._agency):
                    habit.add(aspect, seen, self._weight, MOST_SHARED_VALUES)
        if today:
            searching = [units[unit] for unit in distinct(unit_of).tolist()]
            for habit in (*today, *(self._units[unit] for unit in searching), self._agency):
                habit.lived(day.number)
        return findings

    def _unusual(self, shown: Sequence[Shown], habits: Sequence[Habit], judged: Sequence[bool]) -> set[int]:
        """The judged requesters whose own habit alone does not make all that they did unremarkable: a
        chance is never below the probability of the value itself, nor that below its own part."""
        strength = UNIT_STRENGTH * self._weight
        found: set[int] = set()
        for aspect, one in enumerate(shown):
            for group, value in zip(one.groups, one.values, strict=True):
                if judged[group] and group not in found:
                    habit = habits[group]
                    bar = USUAL * (habit.totals[aspect] + strength)
                    if habit.counts[aspect].get(value, 0.0) < bar:
                        found.add(group)
        return found

    def _requester(self, who: str, day: int) -> Habit:
        found = self._requesters[who] = self._new(day)
        return found

    def _unit(self, unit: str, day: int) -> Habit:
        found = self._units.get(unit)
        if found is None:
            found = self._units[unit] = self._new(day)
        return found

    def _new(self, day: int) -> Habit:
        return Habit.new(day, len(self.settings.of))

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
        self, who: str, unit: str, habit: Habit, ways: Mapping[tuple[str, ...], list[int]], day: Day
    ) -> Finding | None:
        prior = self._units.get(unit) or self._new(day.number)
        priors = Priors(habit, prior, self._agency, self._weight)
        least = min(
            product_chance([priors.probability(i, value) for i, value in enumerate(way)]) for way in ways
        )
        if least * len(ways) > SURPRISING:
            return None
        best, best_way = 1.0, None
        best_parts: tuple[float, ...] = ()
        for way in ways:
            parts = tuple(priors.chance(i, value) for i, value in enumerate(way))
            joint = product_chance(parts)
            if joint < best:
                best, best_way, best_parts = joint, way, parts
        p = min(1.0, best * len(ways))
        self._check.surprising += p <= SURPRISING
        p = min(1.0, p * max(1.0, self._check.surprising / self._check.expected))
        self.p_values.one(p)
        if best_way is None or p > self.settings.alpha:
            return None
        indexes = ways[best_way]
        if len(indexes) < self.settings.minimum_searches:
            return None
        said = " and ".join(
            f"{aspect} {value or 'none'}"
            f" (seen on {figure(round(habit.share(i, value) * habit.days))} of {habit.days} days)"
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
        with self.reading():
            self._origin, self._units, self._agency, self._check = msgspec.msgpack.decode(
                blocks["shared"], type=tuple[int | None, dict[str, Habit], Habit, _Checked]
            )
            for name in sorted(blocks):
                if name.startswith("requesters/"):
                    self._requesters |= msgspec.msgpack.decode(blocks[name], type=dict[str, Habit])


#: Hours of the day in six blocks of four.
_BLOCKS = tuple(f"{hour:02d}-{hour + 3:02d}" for hour in range(0, 24, 4))
_pack = msgspec.msgpack.Encoder(order="deterministic").encode
