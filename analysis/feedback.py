"""What dispositions say of detectors, and which settings would have spared staff the false alarms.

Settings are looked for one at a time, within their declared ranges. All candidates of all stanzas watch
the log side by side in one run, each under a name of its own; what keeps every confirmed alert and loses
false ones is then tried in the whole configuration, with its budget, and only what holds there is told.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from analysis.labels import FALSE
from analysis.packs import TakenIn
from analysis.tuning.ranges import Range, changed, permits, ranges
from models.alert import Alert
from models.analysis.comparison import matter, overlap
from models.analysis.precision import Share, share
from models.decisions import Disposition
from models.detectors import AnyDetector, discover
from models.detectors.base import Detector, SourceDetector
from models.panel import Chosen

#: Values of a setting that are tried.
VALUES = 8
#: Candidates of a stanza that are tried in the whole configuration, the most promising first.
TRIED = 3
#: Beyond these alphas, as parts of that of now, no alarm is spared.
STRICTER = (0.5, 0.2, 0.1, 0.03, 0.01, 0.001)
#: What separates a stanza from the number of its candidate in a name.
AT = "@"


class Quality(NamedTuple):
    """What came of a detector's closed alerts in a period."""

    detector: str
    alerts: int
    """All that it told, closed or not."""
    closed: dict[Disposition, int]
    precision: Share
    """Confirmed ones among those that were confirmed, explained or false."""


@dataclass(frozen=True)
class Sparing:
    """A change of one setting, tried in the whole configuration."""

    stanza: Chosen
    setting: str
    value: Any
    spared: tuple[Alert, ...]
    """False alerts that would not have been told."""
    false: int
    """How many there are of the stanza."""
    confirmed: int
    """Confirmed alerts of any stanza: all of them would have been told."""
    new: int
    """Alerts that would have been told besides, of which nobody knows what they are."""


def within(alerts: Iterable[Alert], first: datetime | None, last: datetime | None) -> list[Alert]:
    """The alerts that were first decided from one moment up to another."""
    return [
        one
        for one in alerts
        if (first is None or one.decided_at >= first) and (last is None or one.decided_at < last)
    ]


def quality(alerts: Sequence[Alert], known: Mapping[str, Disposition]) -> list[Quality]:
    """How right each detector was, by name."""
    of: dict[str, list[Alert]] = defaultdict(list)
    for one in alerts:
        of[one.detector].append(one)
    found = []
    for detector, own in sorted(of.items()):
        closed = Counter(known[one.alert_id] for one in own if one.alert_id in known)
        right = closed["confirmed"]
        wrong = sum(closed[name] for name in FALSE)
        found.append(Quality(detector, len(own), dict(closed), share(right, right + wrong)))
    return found


def sparing(taken: TakenIn, alerts: Sequence[Alert], known: Mapping[str, Disposition]) -> list[Sparing]:
    """For each stanza the change of one setting that spares most of its false alerts and no confirmed one.

    `alerts` are those of a period, `taken` the log that they were told from, with what came before.
    Nothing is told of stanzas of sources, of those that judge what others find, and of those without a
    false alert.
    """
    false = [one for one in alerts if known.get(one.alert_id) in FALSE]
    confirmed = [one for one in alerts if known.get(one.alert_id) == "confirmed"]
    names = {one.detector for one in false}
    functions = discover()
    stanzas = [one for one in taken.stanzas if one.name in names and _by_itself(functions[one.function])]
    weakest = {
        one.name: max(
            (alert.p_value or 0.0 for alert in confirmed if alert.detector == one.name), default=0.0
        )
        for one in stanzas
    }
    candidates = {one.name: _candidates(one, weakest[one.name]) for one in stanzas}
    said = _side_by_side(taken, stanzas, candidates)
    found = []
    for stanza in stanzas:
        mine = [one for one in false if one.detector == stanza.name]
        keep = [one for one in confirmed if one.detector == stanza.name]
        ranked = []
        for place, (setting, value) in enumerate(candidates[stanza.name]):
            told = said[f"{stanza.name}{AT}{place}"]
            spared = len(mine) - len(_told(mine, told))
            if spared and len(_told(keep, told)) == len(keep):
                ranked.append((-spared, len(told), place, setting, value))
        for _, _, _, setting, value in sorted(ranked)[:TRIED]:
            one = _tried(taken, stanza, setting, value, alerts, mine, confirmed)
            if one is not None:
                found.append(one)
                break
    return found


def _by_itself(kind: AnyDetector) -> bool:
    """Whether it watches an agency and judges searches, not what others find."""
    return not issubclass(kind, SourceDetector) and kind.weigh is Detector.weigh


def _candidates(stanza: Chosen, weakest: float) -> list[tuple[str, Any]]:
    """One changed setting each. `weakest` is the largest p-value of a confirmed alert: an alpha just above
    it is one of them."""
    alpha = getattr(stanza.settings, "alpha", None)
    stricter: list[tuple[str, Any]] = []
    if alpha is not None:
        values = [alpha * part for part in STRICTER] + ([1.1 * weakest] if 0 < weakest < alpha / 1.1 else [])
        stricter = [("alpha", float(f"{value:.3g}")) for value in values]
    varied: Sequence[Range] = ranges(stanza.settings)
    every = [*stricter, *((one.name, value) for one in varied for value in one.grid(VALUES))]
    return [(name, value) for name, value in every if permits(stanza.settings, {name: value})]


def _side_by_side(
    taken: TakenIn, stanzas: Sequence[Chosen], candidates: Mapping[str, Sequence[tuple[str, Any]]]
) -> dict[str, list[Alert]]:
    """What each candidate tells without a budget, by its name; alerts are under their stanza's name."""
    variants = [
        Chosen(
            name=f"{one.name}{AT}{place}",
            function=one.function,
            settings=changed(one.settings, {setting: value}),
        )
        for one in stanzas
        for place, (setting, value) in enumerate(candidates[one.name])
    ]
    panel = taken.panel(variants)

    def detectors(agency_id: str) -> Sequence[Detector]:
        return panel.agency(agency_id)

    found: dict[str, list[Alert]] = {one.name: [] for one in variants}
    for alert in taken.watch(detectors, budget=False):
        found[alert.detector].append(alert)
    return found


def _tried(
    taken: TakenIn,
    stanza: Chosen,
    setting: str,
    value: Any,
    before: Sequence[Alert],
    false: Sequence[Alert],
    confirmed: Sequence[Alert],
) -> Sparing | None:
    """The change in the whole configuration; None when it spares nothing there, loses a confirmed one, or
    raises as many alerts anew as it spares."""
    settings = changed(stanza.settings, {setting: value})
    other = Chosen(name=stanza.name, function=stanza.function, settings=settings)
    panel = taken.panel([other if one.name == stanza.name else one for one in taken.stanzas])
    told = [*taken.about_sources, *taken.watch(panel.agency, budget=True)]
    still = {one.alert_id for one in _told(false, told)}
    spared = tuple(one for one in false if one.alert_id not in still)
    if not spared or len(_told(confirmed, told)) < len(confirmed):
        return None
    first, last = min(one.decided_at for one in before), max(one.decided_at for one in before)
    inside = [one for one in told if first <= one.decided_at <= last]
    new = len(inside) - len(_told(inside, before))
    if new >= len(spared):
        return None  # as many that nobody has judged are no relief
    return Sparing(stanza, setting, value, spared, len(false), len(confirmed), new)


def _told(wanted: Iterable[Alert], told: Iterable[Alert]) -> list[Alert]:
    """Those of some alerts that others still tell: about the same, with windows that overlap."""
    of: dict[tuple[str, ...], list[Alert]] = defaultdict(list)
    for one in told:
        of[_about(one)].append(one)
    return [one for one in wanted if any(overlap(one, other) for other in of.get(_about(one), ()))]


def _about(alert: Alert) -> tuple[str, ...]:
    detector, *rest = matter(alert)
    return detector.partition(AT)[0], *rest
