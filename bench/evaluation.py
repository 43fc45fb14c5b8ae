"""Compare alerts with labels: which incidents were told, by what, how soon, and what was false.

An alert tells an incident when it is about one of the incident's keys at the right time, or when
its evidence is the incident's. A policy incident asks for a policy alert of the right clause. What
a person would be called to in vain is counted as false, and honest traps are counted by name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bench.labels import Label
from models.alert import Alert

#: An alert's window may lie so far outside the incident's and still be about it.
SLACK = timedelta(days=2)
#: Shared events make an alert one about the incident when they are at least this share of its
#: evidence: a busy unit's alert does not tell a stalker because it holds one of their searches.
SHARED = 0.1
#: A trap has alarmed when the evidence is mostly its own.
SHARED_BY_DECOY = 0.5

Rename = Callable[[str], str]


@dataclass(frozen=True)
class Told:
    """What became of one incident. `delay` runs from its start to the earliest alert's decision."""

    label: Label
    detectors: tuple[str, ...]
    delay: timedelta | None
    alerts: tuple[str, ...]
    """Ids of all alerts about it, those included that cannot count as telling it."""

    @property
    def caught(self) -> bool:
        """Whether an alert told it."""
        return self.delay is not None


@dataclass(frozen=True)
class Evaluation:
    """The result. `officer_days` is None when no roster was given."""

    told: tuple[Told, ...]
    false_alerts: tuple[Alert, ...]
    """Anomaly alerts that are about no incident."""
    false_policy: tuple[Alert, ...]
    """Policy alerts whose evidence has no search of a policy incident."""
    decoys: tuple[tuple[Label, tuple[str, ...]], ...]
    """Traps that alarmed, and the detectors that fell for them."""
    decoys_laid: int
    alerts: int
    officer_days: int | None = None

    @property
    def caught(self) -> int:
        """Number of incidents told."""
        return sum(one.caught for one in self.told)

    @property
    def false_by_detector(self) -> dict[str, int]:
        """False anomaly alerts by detector, most first."""
        return dict(Counter(alert.detector for alert in self.false_alerts).most_common())

    def per_day_per_1000(self, count: int) -> float | None:
        """A number of alerts as a rate per day and 1,000 officers; None without a roster."""
        return count / (self.officer_days / 1000) if self.officer_days else None


@dataclass(frozen=True)
class Record:
    """One alert as it stood last, and every moment at which it was decided, in order."""

    alert: Alert
    decided: tuple[datetime, ...]

    def decided_since(self, start: datetime) -> datetime:
        """The first decision from `start` on: an alert that was there before says nothing new."""
        return next(moment for moment in self.decided if moment >= start)


def latest(records: Iterable[Alert]) -> list[Record]:
    """The last record of each alert, in order of first appearance; withdrawn ones are left out."""
    found: dict[str, Record] = {}
    for alert in records:
        before = found.get(alert.alert_id)
        earlier = () if before is None else before.decided
        found[alert.alert_id] = Record(alert, tuple(sorted((*earlier, alert.decided_at))))
    return [record for record in found.values() if record.alert.status != "withdrawn"]


def evaluate(
    alerts: Iterable[Alert],
    labels: Sequence[Label],
    *,
    decoys: Sequence[Label] = (),
    first: datetime | None = None,
    last: datetime | None = None,
    officer_days: int | None = None,
    slack: timedelta = SLACK,
    rename: Rename | None = None,
) -> Evaluation:
    """Evaluate alerts, in the order in which they were written, against labels; reports are left out.

    `first` and `last` (exclusive) limit alerts by their window's end and incidents by their start.
    `rename` gives the pseudonym of a requester id when alerts carry pseudonyms and labels do not.
    """
    alerting = [one for one in labels if one.kind != "report"]
    labels = [_renamed(one, rename) for one in alerting if between(one.start, first, last)]
    decoys = [_renamed(one, rename) for one in decoys if between(one.start, first, last)]
    records = [one for one in latest(alerts) if between(one.alert.window_end, first, last)]
    matches = [[record for record in records if _about(record, label, slack)] for label in labels]
    matched = {record.alert.alert_id for about in matches for record in about}
    breaches = {event for label in labels if label.kind == "policy" for event in label.event_ids}
    false_alerts, false_policy = [], []
    for record in records:
        alert = record.alert
        if alert.kind == "policy" and breaches.isdisjoint(alert.evidence):
            false_policy.append(record)
        elif alert.kind == "anomaly" and alert.alert_id not in matched:
            false_alerts.append(record)
    return Evaluation(
        told=tuple(_told(label, about) for label, about in zip(labels, matches, strict=True)),
        false_alerts=tuple(record.alert for record in false_alerts),
        false_policy=tuple(record.alert for record in false_policy),
        decoys=tuple(_alarmed(decoys, false_alerts, false_policy, slack)),
        decoys_laid=len(decoys),
        alerts=len(records),
        officer_days=officer_days,
    )


def clause_family(clause: str) -> str:
    """A clause's subject without the jurisdiction and year in front of it.

    >>> clause_family("la-2020-approved-tools") == clause_family("wa-approved-tools")
    True
    """
    words = clause.split("-")[1:]
    return "-".join(words[1:] if words and words[0].isdigit() else words) or clause


def _about(record: Record, label: Label, slack: timedelta, share: float = SHARED) -> bool:
    """Whether an alert is about an incident, in the right way or in another one."""
    alert = record.alert
    # What was decided before the incident began cannot be about it.
    if record.decided[-1] < label.start:
        return False
    if alert.agency_id is not None and alert.agency_id != label.agency_id:
        return False
    shared = len(set(alert.evidence) & set(label.event_ids))
    # The last search before a silence is its evidence, whoever made it: that tells nothing of people.
    fitting = alert.entity_kind != "source" or "source" in label.keys
    if fitting and shared and shared >= share * len(alert.evidence):
        return True
    if alert.kind == "policy" or alert.entity not in label.keys.get(alert.entity_kind, ()):
        return False
    return alert.window_end >= label.start and alert.window_start <= label.end + slack


def _tells(record: Record, label: Label) -> bool:
    """Whether an alert that is about an incident also says what it is."""
    alert = record.alert
    if label.kind == "anomaly" or alert.kind == "anomaly":
        return label.kind == alert.kind
    families = {clause_family(clause) for clause in label.clauses}
    return alert.clause is not None and clause_family(alert.clause) in families


def _told(label: Label, about: list[Record]) -> Told:
    telling = [one for one in about if _tells(one, label)]
    telling.sort(key=lambda one: one.decided_since(label.start))
    delay = telling[0].decided_since(label.start) - label.start if telling else None
    detectors = tuple(dict.fromkeys(record.alert.detector for record in telling))
    return Told(label, detectors, delay, tuple(record.alert.alert_id for record in about))


def _alarmed(
    decoys: Sequence[Label], false_alerts: list[Record], false_policy: list[Record], slack: timedelta
) -> Iterable[tuple[Label, tuple[str, ...]]]:
    """The traps that an alert fell for. Only alerts that are false anyway can have."""
    for decoy in decoys:
        records = false_policy if decoy.kind == "policy" else [*false_alerts, *false_policy]
        fell = [record.alert.detector for record in records if _about(record, decoy, slack, SHARED_BY_DECOY)]
        if fell:
            yield decoy, tuple(dict.fromkeys(fell))


def between(moment: datetime, first: datetime | None, last: datetime | None) -> bool:
    """Whether it is in a span of which either end may be open; `last` is exclusive."""
    return (first is None or moment >= first) and (last is None or moment < last)


def _renamed(label: Label, rename: Rename | None) -> Label:
    if rename is None or "requester" not in label.keys:
        return label
    keys = {**label.keys, "requester": tuple(rename(name) for name in label.keys["requester"])}
    return Label(**{name: getattr(label, name) for name in label.__struct_fields__} | {"keys": keys})
