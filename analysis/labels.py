"""What is known to be misuse and what is not: from dispositions of staff, and from simulations.

Both become labels: an incident has keys (who or what it is about), a span of time and event ids. A closed
alert that staff confirmed is an incident; one that was explained, or was a false alarm, is a trap that
should stay quiet. One for which the policy has to change is neither: somebody was rightly called.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import msgspec

from bench.evaluation import SHARED, SLACK
from bench.labels import Label, read_labels
from models.alert import Alert, Finding, decode_alert
from models.days import instant
from models.decisions import Decision, Disposition, Seen, decode_decision, fold
from streams.exits import Stop

#: Dispositions after which an alert counts as false.
FALSE: frozenset[Disposition] = frozenset({"explained", "false_alarm"})


@dataclass(frozen=True)
class Labels:
    """Incidents that should be told, and traps that should not."""

    incidents: tuple[Label, ...] = ()
    traps: tuple[Label, ...] = ()

    def __add__(self, other: Labels) -> Labels:
        return Labels(self.incidents + other.incidents, self.traps + other.traps)

    def of(self, stanza: str, function: str) -> Labels:
        """Those that a stanza should tell or not: incidents that name it or its function, and traps of
        which either nothing is said or that it fell for."""
        names = {stanza, function}
        return Labels(
            tuple(one for one in self.incidents if not names.isdisjoint(one.detectors)),
            tuple(one for one in self.traps if not one.detectors or not names.isdisjoint(one.detectors)),
        )


def simulated(labels: Path) -> Labels:
    """The anomalies of a labels.jsonl, and the traps of decoys.jsonl beside it.

    Raises:
        Stop: a file cannot be read; the text names file, line and field.
    """
    beside = labels.with_name("decoys.jsonl")
    try:
        incidents = [one for one in read_labels(labels) if one.kind == "anomaly" and "source" not in one.keys]
        traps = [one for one in read_labels(beside) if one.keys] if beside.exists() else []
    except (OSError, msgspec.DecodeError) as error:
        raise Stop(f"the labels {labels} cannot be read: {error}") from error
    return Labels(tuple(incidents), tuple(traps))


def gathered(labels: Path | None, alerts: Path | None, decisions: Path | None) -> Labels:
    """Labels of files: those of a simulation, of alerts with what staff decided about them, or both.

    Raises:
        Stop: a file cannot be read.
    """
    known = simulated(labels) if labels else Labels()
    if alerts and decisions:
        with alerts.open("rb") as lines, decisions.open("rb") as other:
            told = read_alerts(lines, str(alerts))
            known += disposed(told, dispositions(told, read_decisions(other, str(decisions))))
    return known


def read_alerts(values: Iterable[bytes], name: str) -> list[Alert]:
    """Alerts, the last record of each. Raises Stop naming the line."""
    return list({one.alert_id: one for one in _read(values, name, decode_alert, "an alert")}.values())


def read_decisions(values: Iterable[bytes], name: str) -> list[Decision]:
    """Decisions in the order of the ledger. Raises Stop naming the line."""
    return list(_read(values, name, decode_decision, "a decision"))


def dispositions(alerts: Iterable[Alert], decisions: Iterable[Decision]) -> dict[str, Disposition]:
    """What came of each alert whose work is closed, by id. Rules of two people hold here too."""
    by_alert: dict[str, list[Decision]] = defaultdict(list)
    for decision in decisions:
        by_alert[decision.alert_id].append(decision)
    found: dict[str, Disposition] = {}
    for alert in alerts:
        work = fold([Seen.of(alert), *by_alert.get(alert.alert_id, ())])
        if work.state == "closed" and work.disposition is not None:
            found[alert.alert_id] = work.disposition
    return found


def disposed(alerts: Sequence[Alert], known: dict[str, Disposition]) -> Labels:
    """The closed alerts as labels."""
    told = [(one, known[one.alert_id]) for one in alerts if one.alert_id in known]
    return Labels(
        tuple(_label(one) for one, what in told if what == "confirmed"),
        tuple(_label(one) for one, what in told if what in FALSE),
    )


class Matters:
    """Labels, ready to be looked up for findings."""

    def __init__(self, labels: Sequence[Label]) -> None:
        self.labels = labels
        self._named: dict[tuple[str, str, str], list[int]] = defaultdict(list)
        self._touched: dict[str, list[int]] = defaultdict(list)
        for number, label in enumerate(labels):
            for kind, names in label.keys.items():
                for name in names:
                    self._named[label.agency_id, kind, name].append(number)
            for event in dict.fromkeys(label.event_ids):
                self._touched[event].append(number)

    def of(self, finding: Finding, agency_id: str) -> set[int]:
        """Numbers of the labels that a finding is about: the rule by which `./probewatch evaluate` judges
        alerts."""
        shared = Counter(number for event in finding.evidence for number in self._touched.get(event, ()))
        hit = {number for number, count in shared.items() if count >= SHARED * len(finding.evidence)}
        start = instant(finding.window_start)
        for number in self._named.get((agency_id, finding.entity_kind, finding.entity), ()):
            if start <= self.labels[number].end + SLACK:
                hit.add(number)
        return {
            number
            for number in hit
            if self.labels[number].agency_id == agency_id
            and finding.window_end >= self.labels[number].start.timestamp()
        }


def _label(alert: Alert) -> Label:
    return Label(
        incident=alert.alert_id,
        scenario="disposition",
        level=1,
        kind=alert.kind,
        title=alert.explanation,
        agency_id=alert.agency_id or "",
        keys={alert.entity_kind: (alert.entity,)},
        event_ids=alert.evidence,
        start=alert.window_start,
        end=max(alert.window_end - timedelta(microseconds=1), alert.window_start),
        detectors=(alert.detector,),
        clauses=(alert.clause,) if alert.clause else (),
    )


def _read(values: Iterable[bytes], name: str, decode: Callable[[bytes], T], what: str) -> Iterator[T]:
    for number, value in enumerate(values, 1):
        if value.strip():
            try:
                yield decode(value)
            except msgspec.DecodeError as error:
                raise Stop(f"{name}, line {number} is not {what}: {error}") from error


T = TypeVar("T")
