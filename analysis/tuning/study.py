"""A log with labels, and what a stanza finds in it under some settings.

The stanza runs with its alpha as wide as its settings permit and with every finding noted, so that one
run says what any alpha would have told, and how many alerts that would have been.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

import msgspec
import numpy as np

from analysis.labels import Labels, Matters
from analysis.packs import TakenIn
from analysis.tuning.ranges import changed
from bench.detection.findings import Findings, alerts, of_detectors, threshold
from bench.detection.hearing import ENDLESS, Overheard, permitted
from bench.labels import Label
from models.alert import Finding
from models.analysis.folds import Fold, folds
from models.analysis.tradeoff import Tally
from models.days import LocalDays
from models.detectors.base import Detector
from models.panel import Chosen
from streams.exits import Stop

#: What separates the agency from the entity in a name.
APART = "\x1f"
#: Most days before a span from which its threshold is set.
HISTORY = 365


class Point(NamedTuple):
    """What a threshold gives on one span of days. From the score `least` on there is an alert; it is -ln of
    alpha, and minus infinity where all that is found is told."""

    least: float
    tally: Tally


@dataclass(frozen=True)
class Heard:
    """Everything a stanza found: for each place of the findings, of which incidents and traps of its own
    it is, and whether of any incident at all."""

    findings: Findings
    told: tuple[frozenset[int], ...]
    fell: tuple[frozenset[int], ...]
    true: tuple[bool, ...]


class Study:
    """One log with its labels, for one stanza."""

    def __init__(self, taken: TakenIn, stanza: Chosen, labels: Labels) -> None:
        """Raises Stop when the stanza has no alpha, or no label is about it."""
        self.taken, self.stanza = taken, stanza
        alpha = permitted(type(stanza.settings))
        if alpha is None:
            raise Stop(f"the stanza {stanza.name} has no alpha by which its alerts could be fewer or more")
        self.widest = alpha
        """The largest alpha that the stanza may have, as far as anybody would open it."""
        own = labels.of(stanza.name, stanza.function)
        if not own.incidents:
            raise Stop(
                f"no label says that {stanza.name} or {stanza.function} should have told it; see `detectors` "
                "in labels.jsonl, or confirm alerts of it"
            )
        self._incidents, self._traps = Matters(own.incidents), Matters(own.traps)
        self._every = Matters(labels.incidents)
        self._begins = [self._day(one.agency_id, one.start.timestamp()) for one in own.incidents]
        self._traps_begin = [self._day(one.agency_id, one.start.timestamp()) for one in own.traps]
        last = max(self._day(one.agency_id, one.end.timestamp()) for one in own.incidents)
        self.span = min(self._begins), last + 1
        """First day of the first incident, and the day behind the last one's end."""
        self._begin = self._day(own.incidents[0].agency_id, taken.first)

    @property
    def incidents(self) -> Sequence[Label]:
        """The incidents that the stanza should tell."""
        return self._incidents.labels

    def folds(self, number: int) -> list[Fold]:
        """Spans of the labelled days, each judged by the year before. Raises Stop when they are too few."""
        first, last = self.span
        try:
            return folds(max(first - HISTORY, self._begin), first, last, number, HISTORY)
        except ValueError:
            begin, one, end = map(date.fromordinal, (self._begin, first, last))
            raise Stop(
                f"the labels reach from {one} to {end} and the log begins on {begin}: there must be {number} "
                "days of labels, and days before them by which a threshold is set; give a log that begins "
                "earlier, or fewer --folds"
            ) from None

    def hear(self, values: dict[str, Any]) -> Heard:
        """Run the stanza with some of its settings changed."""
        wide = {**values, "alpha": self.widest, "episode_days": ENDLESS}
        settings = changed(self.stanza.settings, wide)
        chosen = Chosen(name=self.stanza.name, function=self.stanza.function, settings=settings)
        panel = self.taken.panel([chosen])
        noted: dict[str, list[tuple[int, Finding]]] = {}

        def detectors(agency_id: str) -> Sequence[Detector]:
            return [Overheard(one, noted.setdefault(agency_id, [])) for one in panel.agency(agency_id)]

        self.taken.watch(detectors, budget=False)
        return self._matched(noted)

    def _matched(self, noted: dict[str, list[tuple[int, Finding]]]) -> Heard:
        """Findings about one entity on one day are one; it is about what any of them is about."""
        about: dict[tuple[str, str, int], tuple[set[int], set[int], set[int]]] = {}
        every: list[tuple[int, Finding]] = []
        for agency_id, findings in sorted(noted.items()):
            for day, finding in findings:
                name = f"{agency_id}{APART}{finding.entity}"
                hits = about.setdefault((finding.entity_kind, name, day), (set(), set(), set()))
                for matters, hit in zip((self._incidents, self._traps, self._every), hits, strict=True):
                    hit |= matters.of(finding, agency_id)
                every.append((day, msgspec.structs.replace(finding, entity=name)))
        found = of_detectors(every)
        rows = [
            about[(*found.entities[key], day)]
            for key, day in zip(found.key.tolist(), found.day.tolist(), strict=True)
        ]
        return Heard(
            found,
            tuple(frozenset(told) for told, _, _ in rows),
            tuple(frozenset(fell) for _, fell, _ in rows),
            tuple(bool(true) for _, _, true in rows),
        )

    def at(self, heard: Heard, fold: Fold, budget: float) -> Point:
        """Set the threshold that spends a budget (alerts a day) before a fold, and read the fold at it."""
        before = heard.findings.between(fold.since, fold.first)
        return self.read(heard, fold, threshold(before, budget * (fold.first - fold.since)))

    def read(self, heard: Heard, fold: Fold, least: float) -> Point:
        """Read a fold at a threshold."""
        inside = (heard.findings.day >= fold.first) & (heard.findings.day < fold.last)
        kept = np.flatnonzero(inside)
        made = [kept[list(one.places)].tolist() for one in alerts(heard.findings.chosen(inside), least)]
        told = {number for places in made for place in places for number in heard.told[place]}
        false = [places for places in made if not any(heard.true[place] for place in places)]
        # As everywhere: only an alert that is false anyway fell for a trap.
        fell = {number for places in false for place in places for number in heard.fell[place]}
        mine = {number for number, day in enumerate(self._begins) if fold.first <= day < fold.last}
        traps = {number for number, day in enumerate(self._traps_begin) if fold.first <= day < fold.last}
        days = fold.last - fold.first
        tally = Tally(
            incidents=len(mine),
            told=len(told & mine),
            traps=len(traps),
            fell=len(fell & traps),
            alerts_a_day=len(made) / days,
            false_a_day=len(false) / days,
            days=days,
        )
        return Point(least, tally)

    def _day(self, agency_id: str, at: float) -> int:
        return LocalDays.of(self.taken.subject.configuration.reference.agency(agency_id).timezone).at(at).day
