"""One account is used in two places at a time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, cast

import msgspec
import numpy as np
from msgspec import Meta, Struct

from models.alert import Finding
from models.columns import Column, Ints
from models.detectors.base import Day, Detector, Settings
from models.statistics import ladder
from models.windows import Groups, grouped, manual
from models.wording import chance, day_text, figure, plural

if TYPE_CHECKING:
    from models.reference import Reference

#: Days after which half of a habit is forgotten.
HALF_LIFE_DAYS = 180.0
#: Own days at which a requester's habit weighs as much as the agency's.
STRENGTH = 5.0
#: Fewest searches of a day among which one can lie between two others.
FEWEST = 3
#: Colleagues of the unit who must do the same on the day before it explains anything.
TOGETHER = 2
#: Searches in a foreign session up to which propensities are learned.
DEEPEST = 10


class TwoPlacesSettings(Settings, kw_only=True, frozen=True):
    """Settings of `two_places`."""

    alpha: Annotated[float, Meta(gt=0, lt=1)] = 1e-4
    """Largest p-value of a requester's day that raises an alert."""
    session_minutes: Annotated[float, Meta(gt=0, le=1440)] = 30.0
    """Searches at one workstation that are no further apart than this belong to one session."""
    walk_minutes: Annotated[float, Meta(gt=0, le=1440)] = 5.0
    """Less time than this is too short to go from one workstation to another and search there."""
    minimum_count: Annotated[int, Meta(ge=1)] = 2
    """Fewest searches in the midst of a session elsewhere that can raise an alert."""
    minimum_history_days: Annotated[int, Meta(ge=0)] = 60
    """Days of the agency's log before the first alert."""


class _Habit(Struct, array_like=True):
    """Of a requester or the agency: days with enough searches, and those on which sessions overlapped."""

    at: int
    days: float = 0.0
    overlapping: float = 0.0
    told: int = 0
    """Last day that raised an alert."""

    def share(self, prior: float, strength: float, day: int) -> float:
        fade = self._fade(day)
        return (fade * self.overlapping + strength * prior) / (fade * self.days + strength)

    def learn(self, day: int, days: float, overlapping: float) -> None:
        fade = self._fade(day)
        self.at, self.days = day, fade * self.days + days
        self.overlapping = fade * self.overlapping + overlapping

    def _fade(self, day: int) -> float:
        return cast(float, 2.0 ** ((self.at - day) / HALF_LIFE_DAYS))


class _Learned(Struct, array_like=True):
    first_day: int | None
    agency: _Habit
    reached: list[int]
    """On how many days 1, 2, ... searches lay in a session elsewhere."""


class TwoPlaces(Detector):
    """Surprise at sessions of one account that overlap on different workstations.

    A session is a run of searches of one requester at one workstation, no two neighbours more than
    30 minutes apart. A search at another workstation in the midst of it (A, B, A) counts when it is
    less than 5 minutes from a search at the first: too short to walk. The chance of k such searches on
    one day is q h_1 ... h_(k-1). Here q is the share of the requester's days (with at least three
    searches) on which sessions overlapped, with a half-life of 180 days, and leans with the weight of
    five days on the share in the agency; if two colleagues of the unit or more do the same on that
    day, q is at least their share. h_j is the propensity for one more, learned from the agency. Days
    that were told, and those within `episode_days` after, teach the requester's habit alone; else
    misuse would soon be usual. Somebody who moves once from one desk to another is never counted.

    Innocent explanations: a second device on the same desk, in its first days; a remote desktop; a
    search started by a colleague for somebody who is on the telephone; a workstation that was renamed.
    Blind spots: logs without `workstation_id`; an account that is used elsewhere only while its owner does
    not search (see `rare`); sessions across midnight, which are cut there; two people at one desk; a
    small agency's first year, in which hardly anybody makes three searches a day.

    Source: learned shares and propensities, `docs/detection.md`; the misuse is that of the shared
    password case (24 searches in two days by somebody else, patch.com).
    """

    function = "two_places"
    settings_type = TwoPlacesSettings
    #: What was told is learned from in another way, so there is no setting that only judges.
    judging = frozenset()
    #: A requester's habit is four numbers beside the name.
    bytes_per_key = 128 + 32

    settings: TwoPlacesSettings

    def __init__(self, name: str, settings: Settings, reference: Reference, agency_id: str) -> None:
        super().__init__(name, settings, reference, agency_id)
        self._reset()

    def _reset(self) -> None:
        self._learned = _Learned(None, _Habit(0), [0] * (DEEPEST + 2))
        self._requesters: dict[str, _Habit] = {}

    def close(self, day: Day) -> Iterable[Finding]:
        """Judge each requester's day against the habits before it, then learn the day."""
        learned = self._learned
        if learned.first_day is None and len(day):
            learned.first_day = day.number
            learned.agency.at = day.number
        stations = day.column("workstation_id")
        known = np.flatnonzero(manual(day) & stations.where(lambda station: station is not None))
        groups = grouped(day.column("requester_id"), known)
        enough = np.flatnonzero(groups.sizes >= FEWEST)
        if not len(enough):
            return []
        marked = self._overlapping(day, groups, stations)
        counts = np.add.reduceat(marked, groups.bounds[:-1])
        units, unit_of = day.column("unit_id")
        unit = unit_of[groups.rows[groups.bounds[1:] - 1]]
        peers = np.bincount(unit[enough], minlength=len(units))
        doing = np.bincount(unit[counts > 0], minlength=len(units))
        findings = []
        base = learned.agency.share(0.5, 1.0, day.number)
        taught_days = taught = 0
        steps = []
        for group in sorted(enough.tolist(), key=groups.names.__getitem__):
            who, count = groups.names[group], int(counts[group])
            habit = self._requesters.setdefault(who, _Habit(day.number))
            if count:
                others, alike = int(peers[unit[group]]) - 1, int(doing[unit[group]]) - 1
                share = habit.share(base, STRENGTH, day.number)
                if alike >= TOGETHER:
                    share = max(share, alike / others)
                rows = groups.of(group)[marked[groups.bounds[group] : groups.bounds[group + 1]]]
                finding = self._judge(day, who, units[unit[group]], rows, groups.of(group), share, habit)
                if finding is not None:
                    habit.told = day.number
                    findings.append(finding)
            if not count or day.number - habit.told > self.settings.episode_days:
                taught_days, taught = taught_days + 1, taught + (count > 0)
                steps.append(count)
            habit.learn(day.number, 1.0, float(count > 0))
        learned.agency.learn(day.number, taught_days, taught)
        for count in steps:
            ladder.climb(learned.reached, 0, count)
        return findings

    def _overlapping(self, day: Day, groups: Groups, stations: Column) -> np.ndarray:
        """Which entries of `groups.rows` lie in the midst of a session of the same requester at another
        workstation, and too near to a search there."""
        rows, who = groups.rows, groups.number
        at, place = day.times[rows], stations.distinct().codes[rows].astype(np.int64)
        size = len(rows)
        # Two searches in a row at one workstation; all of the requester between them were elsewhere.
        order = np.lexsort((np.arange(size), place, who))
        first, then = order[:-1], order[1:]
        same = (who[first] == who[then]) & (place[first] == place[then])
        one = same & (at[then] - at[first] <= 60 * self.settings.session_minutes) & (then > first + 1)
        depth = np.zeros(size + 1, np.int64)
        np.add.at(depth, first[one] + 1, 1)
        np.add.at(depth, then[one], -1)
        inside = np.cumsum(depth)[:size] > 0
        near = np.zeros(size, np.bool_)
        moved = (who[1:] == who[:-1]) & (place[1:] != place[:-1])
        quick = moved & (at[1:] - at[:-1] < 60 * self.settings.walk_minutes)
        near[1:] |= quick
        near[:-1] |= quick
        return cast(np.ndarray, inside & near)

    def _judge(
        self, day: Day, who: str, unit: str, inside: Ints, rows: Ints, share: float, habit: _Habit
    ) -> Finding | None:
        settings, learned = self.settings, self._learned
        first, count = learned.first_day, len(inside)
        if first is None or day.number - first < settings.minimum_history_days:
            return None
        p = max(min(1.0, share * ladder.chance(learned.reached, count)), 1e-300)
        self.p_values.one(p)
        if p > settings.alpha or count < settings.minimum_count:
            return None
        mean, upper = ladder.expected(learned.reached)
        upper = upper if share > 0.025 else 0.0
        places = sorted({day.value("workstation_id", int(row)) for row in rows.tolist()})
        named = " and ".join(places) if len(places) < 4 else plural(len(places), "workstation")
        before = round(habit.overlapping), round(habit.days)
        return Finding(
            entity_kind="requester",
            entity=who,
            unit_id=unit,
            window_start=day.start,
            window_end=day.end,
            first_seen=float(day.times[rows[0]]),
            severity="high" if p < settings.alpha * 1e-3 else "medium",
            p_value=p,
            score=-math.log(p),
            observed=float(count),
            expected=share * mean,
            interval=(0.0, upper),
            evidence=tuple(day.event_ids[row] for row in rows.tolist()),
            explanation=(
                f"One account at two places: of {plural(len(rows), 'search')} on {day_text(day.number)} at "
                f"{named}, {count} were made in the midst of a session at another workstation, within "
                f"{figure(settings.walk_minutes)} minutes of a search there, where {figure(share * mean)} "
                f"[0-{figure(upper)}] are expected; so on {before[0]} of this requester's "
                f"{plural(before[1], 'day')} before; "
                f"{chance(p)}."
            ),
        )

    def snapshot(self) -> dict[str, bytes]:
        """`learned`, and the requesters in blocks of about 1,000."""
        blocks = {"learned": _pack(self._learned)}
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
            self._learned = msgspec.msgpack.decode(blocks["learned"], type=_Learned)
            for name in sorted(blocks):
                if name.startswith("requesters/"):
                    self._requesters |= msgspec.msgpack.decode(blocks[name], type=dict[str, _Habit])


_pack = msgspec.msgpack.Encoder(order="deterministic").encode
