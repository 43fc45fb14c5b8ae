"""From findings to alerts: identity, episodes and status.

A finding in an open window goes out as `provisional`. When the window closes the complete set of
searches is judged again: the alert becomes `final`, or is `withdrawn`. Findings about the same
entity that follow within the detector's `episode_days` amend that alert instead of raising
another. A breach of policy needs no window to be certain, so it is final from the first search
on and amended when the closed day holds more of them. What stands in the end depends on the
searches alone, never on the order in which they came.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec
from msgspec import Struct

from models.alert import MAX_EVIDENCE, SEVERITIES, Alert, Finding, Kind, Severity, Status, alert_id
from models.days import instant
from models.detectors.base import Detector, SourceDetector

DAY = 86_400.0


class Reporter(Struct, frozen=True):
    """Who found something: what the book needs to know of a detector."""

    name: str
    kind: Kind
    version: int
    episode_days: int

    @classmethod
    def of(cls, detector: Detector | SourceDetector) -> Reporter:
        """The part of a detector that goes into its alerts."""
        return cls(detector.name, detector.kind, detector.version, detector.settings.episode_days)


class Episode(Struct, array_like=True):
    """The alert that later findings about the same entity amend."""

    alert: Alert
    ended: float
    """End of the last window with a finding, epoch seconds."""


class Noted(Struct, array_like=True):
    """An alert that went out before its day was complete."""

    alert: Alert
    key: str
    day_start: float


class _State(Struct, array_like=True):
    episodes: dict[str, Episode]
    noted: dict[str, Noted]


class Book:
    """The alerts of one agency or one source."""

    def __init__(self, agency_id: str | None, config_digest: str) -> None:
        self._agency_id = agency_id
        self._digest = config_digest
        self._episodes: dict[str, Episode] = {}
        self._noted: dict[str, Noted] = {}

    def note(self, detector: Reporter, finding: Finding, day_start: float, at: float) -> Alert | None:
        """A finding of the fast lane, made at `at` (event time) in the open day that began at
        `day_start`. None when an alert that is already out covers it."""
        key = key_of(detector, finding)
        reach = detector.episode_days * DAY
        episode = self._episodes.get(key)
        if episode is not None and day_start - episode.ended <= reach:
            return None
        for noted in self._noted.values():
            if noted.key == key and 0 <= day_start - noted.day_start <= reach + DAY:
                return None
        status: Status = "final" if detector.kind == "policy" else "provisional"
        alert = self._alert(detector, finding, status, at, day_start)
        self._noted[alert.alert_id] = Noted(alert, key, day_start)
        return alert

    def amends(self, detector: Reporter, finding: Finding, day_start: float) -> bool:
        """Whether a finding of the complete day that began at `day_start` belongs to an alert that is out."""
        episode = self._episodes.get(key_of(detector, finding))
        return episode is not None and (
            finding.opened is not None or day_start - episode.ended <= detector.episode_days * DAY
        )

    def close(
        self,
        detector: Reporter,
        findings: Iterable[Finding],
        day_start: float,
        day_end: float,
        decided_at: float,
    ) -> list[Alert]:
        """The findings of the complete day from `day_start` to `day_end`; `decided_at` is the event
        time at which the day could be known to be complete."""
        alerts = []
        for finding in findings:
            key = key_of(detector, finding)
            episode = self._episodes.get(key)
            if episode is not None and self.amends(detector, finding, day_start):
                alert = _amended(
                    episode.alert, self._alert(detector, finding, "amended", decided_at, day_start)
                )
            else:
                repeated = detector.kind == "policy" and len(finding.evidence) > 1
                alert = self._alert(
                    detector, finding, "amended" if repeated else "final", decided_at, day_start
                )
            noted = self._noted.pop(alert.alert_id, None)
            already = noted.alert if noted is not None else episode.alert if episode is not None else None
            self._episodes[key] = Episode(alert, day_end)
            if alert != already:
                alerts.append(alert)
        return alerts

    def once(self, detector: Reporter, finding: Finding, at: float) -> Alert:
        """A finding that stands for itself, outside any window: a late search that breaks a rule.
        Its identity hangs on its evidence."""
        alert = self._alert(detector, finding, "final", at, finding.first_seen)
        which = f"{finding.clause}@{','.join(finding.evidence)}"
        identity = alert_id(detector.name, self._agency_id, finding.entity, which, finding.first_seen)
        return msgspec.structs.replace(alert, alert_id=identity)

    def end_day(
        self, day_start: float, day_end: float, longest: int, held: Collection[str] = ()
    ) -> list[Alert]:
        """Withdraw what the complete day did not confirm; forget episodes older than `longest` days.
        `held` are the keys of what it confirmed and the budget of alerts held back."""
        alerts = []
        for identity in sorted(name for name, noted in self._noted.items() if noted.day_start <= day_start):
            noted = self._noted.pop(identity)
            alert, episode = noted.alert, self._episodes.get(noted.key)
            why = "the complete window does not support it"
            if episode is not None and episode.ended == day_end:
                why = f"it belongs to alert {episode.alert.alert_id}"
            elif noted.key in held:
                why = "stronger findings of the day used up the budget of alerts"
            said = f"Withdrawn, because {why}. It said: {alert.explanation}"
            alerts.append(msgspec.structs.replace(alert, status="withdrawn", explanation=said))
        for key in [k for k, e in self._episodes.items() if day_end - e.ended > (longest + 1) * DAY]:
            del self._episodes[key]
        return alerts

    def noted_on(self, day_start: float) -> int:
        """Provisional alerts of the open day that began at `day_start`."""
        return sum(
            noted.day_start == day_start and noted.alert.status == "provisional"
            for noted in self._noted.values()
        )

    def open_alerts(self) -> int:
        """Alerts that went out and await the end of their window."""
        return len(self._noted)

    def snapshot(self) -> bytes:
        """The state; equal states give equal bytes."""
        return _pack(_State(dict(sorted(self._episodes.items())), dict(sorted(self._noted.items()))))

    def restore(self, block: bytes) -> None:
        """Take back what `snapshot` gave. Raises ValueError when it cannot be read."""
        try:
            state = _unpack(block)
        except msgspec.DecodeError as error:
            raise ValueError(f"the book of alerts cannot be read: {error}") from error
        self._episodes, self._noted = state.episodes, state.noted

    def _alert(
        self, detector: Reporter, finding: Finding, status: Status, at: float, day_start: float
    ) -> Alert:
        # Not the window's start: the complete day may be told by a window of another length.
        opened = finding.opened if finding.opened is not None else day_start
        return Alert(
            alert_id=alert_id(detector.name, self._agency_id, finding.entity, finding.clause, opened),
            detector=detector.name,
            kind=detector.kind,
            entity_kind=finding.entity_kind,
            entity=finding.entity,
            agency_id=self._agency_id,
            unit_id=finding.unit_id,
            window_start=instant(finding.window_start),
            window_end=instant(finding.window_end),
            first_seen=instant(finding.first_seen),
            decided_at=instant(at if finding.decided_at is None else finding.decided_at),
            status=status,
            severity=finding.severity,
            p_value=finding.p_value,
            score=finding.score,
            observed=finding.observed,
            expected=finding.expected,
            interval=finding.interval,
            clause=finding.clause,
            evidence=finding.evidence[:MAX_EVIDENCE],
            evidence_count=max(len(finding.evidence), finding.evidence_count or 0),
            explanation=finding.explanation,
            detector_version=detector.version,
            config_digest=self._digest,
        )


def key_of(detector: Reporter, finding: Finding) -> str:
    """What findings of one episode have in common."""
    opened = "" if finding.opened is None else f"{finding.opened:.6f}"
    return "\x1f".join((detector.name, finding.entity, finding.clause or "", opened))


def _amended(before: Alert, now: Alert) -> Alert:
    """One alert for both: the stronger statement, the longer window, the evidence of both."""
    stronger = now if (now.p_value or 0.0) <= (before.p_value or 0.0) else before
    new = [event for event in now.evidence if event not in before.evidence]
    apart = now.window_start >= before.window_end
    count = (
        before.evidence_count + now.evidence_count
        if apart
        else max(before.evidence_count, now.evidence_count, len(before.evidence) + len(new))
    )
    severity: Severity = max(before.severity, now.severity, key=SEVERITIES.index)
    return msgspec.structs.replace(
        stronger,
        alert_id=before.alert_id,
        window_start=min(before.window_start, now.window_start),
        window_end=max(before.window_end, now.window_end),
        first_seen=min(before.first_seen, now.first_seen),
        decided_at=before.decided_at,
        status="amended",
        severity=severity,
        evidence=(*before.evidence, *new)[:MAX_EVIDENCE],
        evidence_count=count,
    )


_pack = msgspec.msgpack.Encoder(order="deterministic").encode
_unpack = msgspec.msgpack.Decoder(_State).decode


def episodes_longest(detectors: Iterable[Reporter]) -> int:
    """The longest `episode_days` of some detectors."""
    return max((detector.episode_days for detector in detectors), default=0)
