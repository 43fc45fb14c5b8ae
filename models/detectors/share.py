"""A share of somebody's searches that is larger than it should be: for others, vague, without result."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import groupby, islice
from operator import itemgetter
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from models.alert import Finding
from models.columns import Column, Ints, distinct
from models.days import LocalDays
from models.detectors.base import Day, Detector, Settings
from models.expressions import Condition, compile_condition
from models.roster import NO_END
from models.statistics.beta_binomial import central_interval
from models.statistics.recent import RecentEvidence
from models.statistics.shares import Shares, Window
from models.statistics.tally import MOST_REMEMBERED
from models.where import where
from models.windows import Groups, grouped, manual
from models.wording import chance, day_text, figure, plural

if TYPE_CHECKING:
    from models.reference import Reference

#: Values that are told apart with `each`; those that come later count as one.
MOST_VALUES = 16
OTHER = "other"
#: p-values are not told below this.
LEAST_P = 1e-300
#: In place of the end of a posting, of who is not on the roster: a day that never comes either.
_UNKNOWN = NO_END << 1


class ShareSettings(Settings, kw_only=True, frozen=True):
    """Settings of `share`."""

    by: Literal["requester", "unit"] = "requester"
    """Whose searches are looked at. A requester's peers are the unit, a unit's the other units."""
    when: str = "missing(case_number)"
    """The condition whose share is judged."""
    among: str | None = None
    """Only searches for which this condition holds are looked at."""
    each: Literal["none", "purpose", "image_source", "access_channel", "gallery"] = "none"
    """Instead of `when`: the share of every value of this field."""
    what: str = "without a case number"
    """How the sentence calls what `when` asks, after "8 of 9 matters were"."""
    windows: Annotated[tuple[Annotated[int, Meta(ge=1, le=90)], ...], Meta(min_length=1, max_length=8)] = (
        1, 7, 28,
    )  # fmt: skip
    """Lengths of the windows that end with each day, local days."""
    alpha: Annotated[float, Meta(gt=0, le=1)] = 5e-5
    """Largest p-value of a key-day that raises an alert, after multiplying the smallest by the number of
    windows and of values (Bonferroni) and by what the self-check found."""
    half_life_days: Annotated[float, Meta(ge=7, le=1000)] = 180.0
    """Days after which a search weighs half in what is expected."""
    minimum_count: Annotated[int, Meta(ge=1)] = 4
    """Least hits in a window that can raise an alert."""
    minimum_history_days: Annotated[int, Meta(ge=1, le=1000)] = 30
    """Days since a key's first search before it is judged; the agency's log must be twice as long."""
    newcomer_days: Annotated[int, Meta(ge=1, le=1000)] = 7
    """The same for a requester whose joining or transfer the roster knows: the unit's share serves as
    history, with the unit's whole spread as uncertainty."""

    def __post_init__(self) -> None:
        """Refuse what does not go together, and conditions that cannot be used."""
        if len(set(self.windows)) < len(self.windows):
            raise ValueError("windows: a length is given twice")
        compile_condition(self.when)
        if self.among is not None:
            compile_condition(self.among)


class Share(Detector):
    """Share of a key's matters for which a condition holds, against own past, peers and chance.

    A matter is what one search is about: case number and subject together (without both, the search
    itself), counted once a day however many searches it took. A window's hits are compared with a
    beta-binomial whose mean is learned from the key's discounted past, whose prior is its peer
    group's share and the spread of its members, and whose over-dispersion is learned from past
    windows. The mean moves with what the peers do in the same window, and where a quarter of them
    (three at least) do the same, nobody is named: that is a new form, a default text or a new
    instruction. The model checks itself: when more than 1% of cells fall below 0.01, all p-values
    are raised by that ratio. A requester's transfer starts anew with the new unit's share.

    Innocent explanations: a liaison officer, a change of duty that the roster does not show, a form
    that only some have been given, results that are entered weeks later.
    Blind spots: somebody who always did it, from the first day of the log; a quarter of a unit
    together (add a stanza with `by: unit`); fields that are not recorded; fewer hits than
    `minimum_count`; repeats of one case and subject on one day.

    Source: beta-binomial with empirical-Bayes prior (Griffiths 1973, Biometrics 29); searches for
    neighbours who are banned from it (Austin, San Francisco), and arrests without other evidence
    after a match (15 departments), both as told by the Washington Post.
    """

    function = "share"
    version = 2
    settings_type = ShareSettings
    judging = Detector.judging | {"alpha", "minimum_count", "minimum_history_days", "newcomer_days", "what"}
    #: Columns (up to 8 windows), 90 days of counts and 7 days of event ids, for up to 17 values.
    bytes_per_key = 200 + 8 * 8 + (MOST_VALUES + 1) * (8 + 8 * 8 + 90 * 12 + 7 * 50 * 131)

    settings: ShareSettings

    def __init__(self, name: str, settings: Settings, reference: Reference, agency_id: str) -> None:
        super().__init__(name, settings, reference, agency_id)
        self._days = LocalDays.of(reference.agency(agency_id).timezone)
        self._roster = reference.roster.of(agency_id)
        self._when = compile_condition(self.settings.when)
        self._among = compile_condition(self.settings.among) if self.settings.among else None
        self._reset()

    def _reset(self) -> None:
        self._shares = Shares(self.settings.windows, self.settings.half_life_days)
        self._evidence = RecentEvidence()
        # The roster may have changed since the state was written, so all are looked up once.
        self._followed = np.zeros(0, np.bool_)

    def close(self, day: Day) -> Iterable[Finding]:
        """Judge every key that has hits on the day, then learn from it."""
        shares, by = self._shares, f"{self.settings.by}_id"
        # The other stanzas want the same of this day.
        keys, matter, trials = day.once(
            ("matters", by, self.settings.among), lambda: _matters(day, by, self._among)
        )
        value_of = self._values(day, keys.rows)
        rows = shares.enter(keys.names, day.number)
        units, codes = day.column("unit_id")
        unit_of = [units[code] for code in codes[keys.rows[keys.bounds[1:] - 1]].tolist()]
        self._follow(rows, unit_of, day.number)
        number = keys.number
        hits = _hits(matter, number, value_of, (len(keys.names), len(shares.values)))
        judged = self._judged(rows, day.number)[:, None] & (hits > 0)
        windows = shares.close(day.number, rows, trials, hits, judged)

        ids: dict[str, list[str]] = {}
        order = np.lexsort((keys.rows, value_of, number))
        order = order[value_of[order] >= 0]
        shown = zip(number[order].tolist(), value_of[order].tolist(), keys.rows[order].tolist(), strict=True)
        for (key, value), own in groupby(shown, itemgetter(0, 1)):
            name = _joint(keys.names[key], shares.values[value])
            ids[name] = [day.event_ids[row] for _, _, row in islice(own, MOST_REMEMBERED)]
        self._evidence.keep(day.number, ids)
        return self._told(day, rows, unit_of, windows) if len(rows) else []

    def _values(self, day: Day, rows: Ints) -> Ints:
        """For each of some rows the number of the value it is a hit of, -1 for none."""
        shares = self._shares
        if self.settings.each == "none":
            shares.value([""])
            return where(self._when, day, rows).astype(np.int64) - 1
        values, codes = day.column(self.settings.each)
        shown = codes[rows]
        # In order of the day's searches, which is the same however they came.
        named = [str(values[code] or "none") for code in dict.fromkeys(codes[np.sort(rows)].tolist())]
        for name in named:
            shares.value(
                [name if len(shares.values) < MOST_VALUES else OTHER] if name not in shares.values else []
            )
        places = {name: number for number, name in enumerate(shares.values)}
        other = places.get(OTHER, -1)
        place_of = np.array([places.get(str(value or "none"), other) for value in values], np.int64)
        return place_of[shown] if len(rows) else np.zeros(0, np.int64)

    def _follow(self, rows: Ints, unit_of: list[str], day: int) -> None:
        """Put keys into their peer groups, and start those anew who were transferred."""
        shares = self._shares
        if self.settings.by == "unit":
            shares.group[rows] = shares.group_of("")
            return
        more = len(shares) - len(self._followed)
        self._followed = np.concatenate((self._followed, np.zeros(more, np.bool_)))
        due = ~self._followed[rows] | (shares.until[rows] <= day)
        self._followed[rows] = True
        for place in np.flatnonzero(due).tolist():
            self._post(int(rows[place]), unit_of[place], day)
        for place in np.flatnonzero(shares.until[rows] == _UNKNOWN).tolist():
            shares.group[rows[place]] = shares.group_of(unit_of[place])

    def _post(self, row: int, unit: str, day: int) -> None:
        shares = self._shares
        key = shares.keys[row]
        posting, since = self._roster.at(key, day), self._roster.posting_since(key, day)
        if posting is None or since is None:
            shares.posted[row] = False
            shares.until[row] = _UNKNOWN if self._roster.joined(key) is None else day + 1
            shares.group[row] = shares.group_of(unit)
            return
        if since > max(shares.since[row], shares.first_day):
            shares.forget(row, since)
        shares.posted[row] = since > shares.first_day
        shares.since[row] = max(since, min(int(shares.since[row]), shares.first_day or day))
        shares.until[row] = NO_END if posting.valid_to is None else posting.valid_to
        shares.group[row] = shares.group_of(posting.unit_id)

    def _judged(self, rows: Ints, day: int) -> NDArray[np.bool_]:
        shares, settings = self._shares, self.settings
        least = settings.minimum_history_days
        if not shares.first_day or day - shares.first_day < 2 * least:
            return np.zeros(len(rows), np.bool_)
        needed = np.where(shares.posted[rows], min(settings.newcomer_days, least), least)
        return np.asarray(day - shares.since[rows] >= needed)

    def _told(self, day: Day, rows: Ints, unit_of: list[str], windows: list[Window]) -> list[Finding]:
        shares, settings = self._shares, self.settings
        tests = len(windows) * max(len(shares.values), 1) * shares.unrest
        back = day.number - shares.told[rows]
        best = np.ones(back.shape)
        which = np.zeros(back.shape, np.int64)
        anew = np.ones(back.shape)
        for place, one in enumerate(windows):
            p = np.where(one.hits >= settings.minimum_count, np.minimum(1.0, one.p * tests), 1.0)
            fresh = one.length <= back
            # A window that reaches back to an alert may amend it, and is then left out.
            p = np.where(fresh | (back <= settings.episode_days), p, 1.0)
            anew = np.where(fresh, np.minimum(anew, p), anew)
            which = np.where(p < best, place, which)
            best = np.minimum(best, p)
        self.p_values.add(best[self._judged(rows, day.number)].min(axis=1))
        told = shares.told[rows]
        told[anew <= settings.alpha] = day.number
        shares.told[rows] = told
        findings = []
        for key in np.flatnonzero(best.min(axis=1) <= settings.alpha).tolist():
            value = int(best[key].argmin())
            one = windows[int(which[key, value])]
            findings.append(
                self._finding(day, int(rows[key]), unit_of[key], key, value, one, float(best[key, value]))
            )
        return sorted(findings, key=lambda finding: finding.entity)

    def _finding(
        self, day: Day, row: int, unit: str, place: int, value: int, one: Window, p: float
    ) -> Finding:
        settings, shares = self.settings, self._shares
        key, name, first = shares.keys[row], shares.values[value], day.number - one.length + 1
        hits, trials = int(one.hits[place, value]), int(one.trials[place, value])
        mean, rho = float(one.mean[place, value]), float(one.rho[place, value])
        low, high = interval = central_interval(trials, mean, rho)
        ids = self._evidence.of(_joint(key, name), first, day.number)
        p = max(p, LEAST_P)
        what = settings.what if settings.each == "none" else f"with {settings.each.replace('_', ' ')} {name}"
        return Finding(
            entity_kind=settings.by,
            entity=key,
            unit_id=unit if settings.by == "requester" else key,
            window_start=self._days.start(first),
            window_end=self._days.end(day.number),
            first_seen=float(self._first(day, ids)),
            severity="high" if p < settings.alpha * 1e-3 else "medium",
            p_value=p,
            score=-math.log(p),
            observed=float(hits),
            expected=trials * mean,
            interval=interval,
            evidence=tuple(ids),
            evidence_count=hits if hits > len(ids) else None,
            explanation=(
                f"{hits:,} of {plural(trials, 'matter')} in {plural(one.length, 'day')} to"
                f" {day_text(day.number)} {'was' if hits == 1 else 'were'} {what}, where"
                f" {figure(trials * mean)} [{figure(low)}-{figure(high)}] were expected;"
                f" {figure(100 * float(one.peers[place, value]))}% among all others; {chance(p)}."
            ),
        )

    def _first(self, day: Day, ids: list[str]) -> float:
        """When the first search of the day that is in evidence was made."""
        own = set(ids)
        return next(
            (float(day.times[row]) for row, event in enumerate(day.event_ids) if event in own), day.start
        )

    def snapshot(self) -> dict[str, bytes]:
        """Blocks of the shares and the evidence; see `models.statistics`."""
        return {**self._shares.snapshot(), **self._evidence.snapshot()}

    def changes(self) -> Mapping[str, bytes | None]:
        """As `snapshot`, with None for closed days that were given before."""
        return {**self._shares.changes(), **self._evidence.changes()}

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take back what `snapshot` gave."""
        self._reset()
        if blocks:
            self._shares.restore(blocks)
            self._evidence.restore(blocks)


def _joint(key: str, value: str) -> str:
    return f"{key}\x1f{value}" if value else key


def _matters(day: Day, by: str, among: Condition | None) -> tuple[Groups, Ints, Ints]:
    """The day's searches by key, the number of the matter that each is about, and each key's matters."""
    rows = np.flatnonzero(manual(day))
    if among is not None and len(rows):
        rows = rows[where(among, day, rows)]
    keys = grouped(day.column(by), rows)
    numbers, subjects = day.column("case_number").distinct(), day.column("subject_ref").distinct()
    rows = keys.rows
    matter = numbers.codes[rows].astype(np.int64) * max(len(subjects.values), 1) + subjects.codes[rows]
    # A search that names neither is a matter of its own.
    named = _given(numbers)[rows] | _given(subjects)[rows]
    _, matter = np.unique(np.where(named, matter, -1 - rows), return_inverse=True)
    own = distinct(keys.number * _room(matter) + matter)
    return keys, matter, np.bincount(own // _room(matter), minlength=len(keys.names))


def _hits(matter: Ints, key_of: Ints, value_of: Ints, shape: tuple[int, int]) -> Ints:
    """By key and value the matters with a hit. Of each search its matter, its key, and its value or -1."""
    keys, values = shape
    some = np.flatnonzero(value_of >= 0)
    room = max(values, 1)
    cells = distinct((key_of[some] * _room(matter) + matter[some]) * room + value_of[some])
    cells = cells // room // _room(matter) * room + cells % room
    return np.bincount(cells, minlength=keys * values).reshape(shape)


def _room(matter: Ints) -> int:
    return int(matter.max()) + 1 if len(matter) else 1


def _given(column: Column) -> NDArray[np.bool_]:
    return column.where(lambda value: bool(value))
