"""One requester uses the same image, reason or case number again and again for something else."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from models.alert import Finding
from models.columns import Column, Floats, Ints
from models.days import LocalDays
from models.detectors.base import Day, Detector, Settings
from models.reasons import normalised
from models.windows import manual
from models.wording import chance, day_text, figure, plural

if TYPE_CHECKING:
    from models.reference import Reference

#: What must differ for a use to count, by what is used again; and the nouns for both.
_DIFFERENT = {
    "probe_hash": ("tool", "gallery", "threshold", "candidates_requested", "probe_edited"),
    "reason_text": ("case_number", "subject_ref"),
    "case_number": ("subject_ref",),
}
_NOUNS = {
    "probe_hash": ("image", "way"),
    "reason_text": ("reason text", "matter"),
    "case_number": ("case number", "person"),
}
#: Propensities are learned up to so many repeats and held constant beyond.
DEEPEST = 64
#: Weight of the coarser estimate when there are few pairs.
PRIOR_WEIGHT, PRIOR_PROPENSITY = 20.0, 0.25
#: Days after which half of what was learned is forgotten.
HALF_LIFE_DAYS = 180.0
#: Most uses remembered of a pair and day.
MOST_USES = 50

Hashes = NDArray[np.uint64]


class RepeatedSettings(Settings, kw_only=True, frozen=True):
    """Settings of `repeated`."""

    of: Literal["probe_hash", "reason_text", "case_number"] = "case_number"
    """What is used again: an image in other ways (tool, gallery, threshold, length of the list, edited), a
    reason text for other matters, or a case number for other people."""
    alpha: Annotated[float, Meta(gt=0, lt=1)] = 1e-5
    """Largest p-value that raises an alert."""
    horizon_days: Annotated[int, Meta(ge=1, le=90)] = 28
    """Uses further back are forgotten."""
    minimum_count: Annotated[int, Meta(ge=1)] = 4
    """Fewest different uses that can raise an alert."""
    most_others: Annotated[int, Meta(ge=0)] = 2
    """Nobody is named for what more than so many other requesters use within the horizon: it is a default
    text, a common wording or a case of many."""
    minimum_history_days: Annotated[int, Meta(ge=0)] = 60
    """Days of the agency's log before the first alert."""


class _Uses(NamedTuple):
    """Different uses, in order of time: digests of requester, value and what differs."""

    day: Ints
    at: Floats
    """Epoch seconds."""
    who: Hashes
    value: Hashes
    thing: Hashes

    def where(self, chosen: Ints | NDArray[np.bool_]) -> _Uses:
        day, at, who, value, thing = self
        return _Uses(day[chosen], at[chosen], who[chosen], value[chosen], thing[chosen])

    @property
    def pairs(self) -> Hashes:
        """Requester and value."""
        return _mixed(self.who, self.value)

    @property
    def keys(self) -> Hashes:
        """Requester, value and what differs."""
        return _mixed(self.pairs, self.thing)


class _UsedOn(NamedTuple):
    """The uses of one closed day that are remembered, and the event of each."""

    uses: _Uses
    events: list[str]

    def without(self, places: Ints) -> _UsedOn:
        """The others than those at some places."""
        if not len(places):
            return self
        kept = np.delete(np.arange(len(self.events)), places)
        return _UsedOn(self.uses.where(kept), [self.events[place] for place in kept.tolist()])


class Repeated(Detector):
    """Surprise at the number of different uses of one value by one requester.

    Different uses of a pair of requester and value within the horizon are counted: ways in which an
    image was searched, matters for which a reason text was given, people for whom a case number was
    cited. The propensity h_j that a pair with j uses comes to one more is learned from the whole
    agency, discounted with a half-life of 180 days (each h_j shrunk towards h_(j-1) with weight 20),
    so that where people write the same again and again nobody stands out. The chance of k uses is
    h_1 ... h_(k-1). What more than `most_others` other requesters use in the same time says nothing
    about one of them. Texts are compared without case, punctuation and blanks.

    Innocent explanations: a wording of one's own for one kind of work, a hard image that a trained
    examiner tries in several ways, one case with many suspects, a form with a private template.
    Blind spots: texts that are changed a little each time; an image that is cropped anew, whose
    digest is another one; groups larger than `most_others` who share a text; repeats that are
    further apart than the horizon.

    Source: learned repeat propensity as in `repeat_subject`; a celebrity's photograph and edited
    images run in place of a suspect's (Garvie, Garbage In, Garbage Out, Georgetown Law 2019).
    """

    function = "repeated"
    settings_type = RepeatedSettings
    judging = Detector.judging | {"alpha", "minimum_count", "minimum_history_days", "most_others"}
    #: A pair keeps at most 50 uses a day, of four numbers and an event id.
    bytes_per_key = 90 * MOST_USES * 170

    settings: RepeatedSettings

    def __init__(self, name: str, settings: Settings, reference: Reference, agency_id: str) -> None:
        super().__init__(name, settings, reference, agency_id)
        self._days = LocalDays.of(reference.agency(agency_id).timezone)
        self._reset()

    def _reset(self) -> None:
        self._first_day = 0
        self._reached: Floats = np.zeros(DEEPEST + 1)
        """How many pairs came to 1, 2, ... different uses."""
        self._past: dict[int, _UsedOn] = {}
        """By closed day, in order."""

    def close(self, day: Day) -> Iterable[Finding]:
        """Judge every pair with a use on the day, then learn from it."""
        if len(day):
            self._first_day = self._first_day or day.number
        for old in [number for number in self._past if number <= day.number - self.settings.horizon_days]:
            del self._past[old]
        rows, today = self._made(day)
        if not len(rows):
            self._learn(np.zeros(0, np.int64), np.zeros(0, np.int64))
            return []
        every = _Uses(
            *map(np.concatenate, zip(*(one.uses for one in self._past.values()), today, strict=True))
        )
        # Only of what is used today is anything asked.
        asked = np.flatnonzero(_among(every.value, today.value))
        every, is_today = every.where(asked), every.day[asked] == day.number
        _, number = np.unique(every.pairs, return_inverse=True)
        _, first = np.unique(every.keys, return_index=True)
        new = np.zeros(len(asked), np.bool_)
        new[first] = True
        before = np.bincount(number[new & ~is_today], minlength=int(number.max()) + 1)
        after = np.bincount(number[new], minlength=len(before))
        used = np.bincount(number[is_today], minlength=len(before)) > 0
        findings = []
        if day.number - self._first_day >= self.settings.minimum_history_days:
            log_chance = np.cumsum(np.log(self._propensities(int(after.max()))))
            near = used & (after > before) & (after >= max(self.settings.minimum_count, 2))
            chances = log_chance[np.maximum(after - 2, 0)]
            self.p_values.add(np.exp(chances[near]))
            near &= chances <= math.log(self.settings.alpha)
            events: list[str] = []
            if near.any():
                events += (event for one in self._past.values() for event in one.events)
                events += (day.event_ids[row] for row in rows.tolist())
            for pair in np.flatnonzero(near).tolist():
                mine = number == pair
                others = every.who[(every.value == every.value[mine][0]) & ~mine]
                if len(np.unique(others)) <= self.settings.most_others:
                    kept = np.flatnonzero(mine & new)
                    last = int(asked[np.flatnonzero(mine)[-1]]) - (len(events) - len(rows))
                    evidence = [events[place] for place in asked[kept].tolist()]
                    p = math.exp(log_chance[len(kept) - 2])
                    findings.append(self._finding(day, int(rows[last]), every.where(kept), evidence, p))
        self._learn(before[used], after[used])
        # An equal use is remembered with its latest day, so that it does not fall out while it goes on.
        again = asked[~is_today & _among(every.keys, today.keys)]
        starts = np.cumsum([0, *(len(one.events) for one in self._past.values())])
        parts = np.split(again, np.searchsorted(again, starts[1:]))
        self._past = {
            number: one.without(part - start)
            for (number, one), part, start in zip(self._past.items(), parts, starts, strict=False)
        }
        self._past[day.number] = _UsedOn(today, [day.event_ids[row] for row in rows.tolist()])
        return sorted(findings, key=lambda finding: (finding.entity, finding.first_seen, finding.evidence))

    def _made(self, day: Day) -> tuple[Ints, _Uses]:
        """The different uses of a day in order of time, and the row of each."""
        of = self.settings.of
        values, codes = day.column(of)
        shown = [normalised(value) if of == "reason_text" else value for value in values]
        given = np.array([bool(value) for value in shown], np.bool_)[codes] & manual(day)
        if of == "case_number":
            # Who is not named is not known to be another person.
            given &= day.column("subject_ref").where(bool)
        rows = np.flatnonzero(given)
        who = _digests(day.column("requester_id"), rows)
        value = _digests(Column(shown, codes), rows)
        thing = np.zeros(len(rows), np.uint64)
        for name in _DIFFERENT[of]:
            thing = _mixed(thing, _digests(day.column(name), rows))
        if of == "reason_text":
            # A search that names neither case nor subject is a matter of its own.
            alone = day.cases.codes[rows] < 0
            ids = Column(day.event_ids, np.arange(len(day)))
            thing[alone] = _digests(ids, rows[alone])
        pairs = _mixed(who, value)
        _, first = np.unique(_mixed(pairs, thing), return_index=True)
        first.sort()
        # Beyond the most that are remembered of a pair, further uses of the day add nothing.
        order = np.argsort(pairs[first], kind="stable")
        ordered = pairs[first][order]
        place = np.arange(len(ordered)) - np.searchsorted(ordered, ordered)
        first = np.sort(first[order[place < MOST_USES]])
        rows = rows[first]
        number = np.full(len(rows), day.number)
        return rows, _Uses(number, day.times[rows], who[first], value[first], thing[first])

    def _propensities(self, uses: int) -> Floats:
        """h_1 ... of so many uses, each in (0, 1)."""
        found, last = [], PRIOR_PROPENSITY
        for j in range(max(uses - 1, 1)):
            if j < DEEPEST:
                last = (self._reached[j + 1] + PRIOR_WEIGHT * last) / (self._reached[j] + PRIOR_WEIGHT)
            found.append(last)
        return np.array(found)

    def _learn(self, before: Ints, after: Ints) -> None:
        self._reached *= 2.0 ** (-1 / HALF_LIFE_DAYS)
        for j in range(min(DEEPEST + 1, int(after.max(initial=0)))):
            self._reached[j] += int(((before <= j) & (j < after)).sum())

    def _finding(self, day: Day, row: int, uses: _Uses, evidence: list[str], p: float) -> Finding:
        settings, count = self.settings, len(evidence)
        thing, noun = _NOUNS[settings.of]
        chances = np.cumprod(self._propensities(DEEPEST))
        expected, upper = 1.0 + float(chances.sum()), 1.0 + int((chances > 0.025).sum())
        first = int(uses.day.min())
        p = max(p, 1e-300)
        said = day.value(settings.of, row)
        named = f' "{normalised(said)[:60]}"' if settings.of == "reason_text" else f" {said}"
        several = "people" if noun == "person" else plural(count, noun).split(" ", 1)[1]
        return Finding(
            entity_kind="requester",
            entity=day.value("requester_id", row),
            unit_id=day.value("unit_id", row),
            window_start=self._days.start(first),
            window_end=self._days.end(day.number),
            first_seen=float(uses.at.min()),
            severity="high" if p < settings.alpha * 1e-3 else "medium",
            p_value=p,
            score=-math.log(p),
            observed=float(count),
            expected=expected,
            interval=(1.0, upper),
            evidence=tuple(evidence),
            explanation=(
                f"One {thing}{named} for {count:,} different {several} from {day_text(first)} to"
                f" {day_text(day.number)}, where {figure(expected)} [1-{figure(upper)}] are usual once it has"
                f" been used; at most {plural(settings.most_others, 'other requester')} used it; {chance(p)}."
            ),
        )

    def snapshot(self) -> dict[str, bytes]:
        """`learned`, and `day/N` with the uses of each remembered day."""
        blocks = {"learned": msgspec.msgpack.encode((self._first_day, self._reached.tobytes()))}
        for number, (uses, events) in self._past.items():
            packed = _Packed(number, [column.tobytes() for column in uses[1:]], events)
            blocks[f"day/{number % self.settings.horizon_days:02d}"] = msgspec.msgpack.encode(packed)
        return blocks

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take back what `snapshot` gave."""
        self._reset()
        if not blocks:
            return
        with self.reading():
            self._first_day, raw = msgspec.msgpack.decode(blocks["learned"], type=tuple[int, bytes])
            self._reached = np.frombuffer(raw, np.float64).copy()
            days = [
                msgspec.msgpack.decode(block, type=_Packed)
                for name, block in blocks.items()
                if name.startswith("day/")
            ]
            for day in sorted(days, key=lambda packed: packed.number):
                at, *digests = day.columns
                who, value, thing = (np.frombuffer(raw, np.uint64) for raw in digests)
                uses = _Uses(np.full(len(who), day.number), np.frombuffer(at, np.float64), who, value, thing)
                self._past[day.number] = _UsedOn(uses, day.events)


class _Packed(Struct, array_like=True):
    number: int
    columns: list[bytes]
    events: list[str]


def _digests(column: Column, rows: Ints) -> Hashes:
    """64 bits of the value of each row."""
    used, place = np.unique(column.codes[rows], return_inverse=True)
    made = [
        int.from_bytes(blake2b(repr(column.values[code]).encode(), digest_size=8).digest(), "little")
        for code in used.tolist()
    ]
    return np.array(made, np.uint64)[place]


def _among(hashes: Hashes, some: Hashes) -> NDArray[np.bool_]:
    """Which occur among some; as `np.isin`, which sorts both."""
    ordered = np.sort(some)
    return np.asarray(ordered.take(np.searchsorted(ordered, hashes), mode="clip") == hashes)


def _mixed(one: Hashes, other: Hashes) -> Hashes:
    """One number for two; different pairs hardly ever meet (64 bits)."""
    mixed = (one ^ (one >> np.uint64(31))) * np.uint64(0x9E3779B97F4A7C15) + other
    mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    return np.asarray(mixed ^ (mixed >> np.uint64(32)))
