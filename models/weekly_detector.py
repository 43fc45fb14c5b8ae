"""What detectors share that count the cases of requesters, units, tools or agencies by weeks."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from models.alert import EntityKind, Finding, Severity
from models.days import LocalDays
from models.detectors.base import Day, Detector, Settings
from models.statistics.weekly import Weekly

if TYPE_CHECKING:
    from models.reference import Reference

#: p-values are not told below this.
LEAST_P = 1e-300


class WeeklyDetector(Detector):
    """A detector whose state is the weekly counts alone.

    Its settings have `by`, `lag_weeks` and `half_life_weeks`; `windows` says which windows it compares.
    """

    judging = Detector.judging | {"alpha", "minimum_history_days"}
    #: Columns, two names, eight event ids; scores are kept by the agency.
    bytes_per_key = 52 * 8 + 100 + 2 * 140 + 8 * 131

    settings: Any

    def __init__(self, name: str, settings: Settings, reference: Reference, agency_id: str) -> None:
        super().__init__(name, settings, reference, agency_id)
        self._days = LocalDays.of(reference.agency(agency_id).timezone)
        self._reset()

    def _reset(self) -> None:
        self._tested = 0
        own, reference = self.settings, self.reference
        self._weekly = Weekly(
            own.by, self.windows, own.lag_weeks, own.half_life_weeks, reference.roster.of(self.agency_id),
            reference.tools.canonical,
        )  # fmt: skip

    @property
    @abstractmethod
    def windows(self) -> Sequence[int]:
        """Lengths of the windows that end with each Sunday, weeks."""

    @property
    def about(self) -> EntityKind:
        """Those whose searches are counted."""
        kind: EntityKind = self.settings.by
        return kind

    def tested(self, day: Day) -> int:
        """Those with a past that were compared when the day closed: on most days none."""
        return self._tested

    def _told(
        self, day: Day, row: int, length: int, observed: int, mean: float, interval: tuple[float, float],
        p: float, severity: Severity, evidence: Sequence[str], explanation: str, *,
        evidence_count: int | None = None,
    ) -> Finding:  # fmt: skip
        """A finding about a key in the `length` days that end with this one."""
        by, key = self.settings.by, self._weekly.weeks.keys[row]
        start = self._days.start(day.number - length + 1)
        unit = {"requester": str(self._weekly.units[row]) or None, "unit": key}
        return Finding(
            entity_kind=by,
            entity=key,
            unit_id=unit.get(by),
            window_start=start,
            window_end=day.end,
            first_seen=start,
            severity=severity,
            p_value=p,
            score=-math.log(p),
            observed=float(observed),
            expected=mean,
            interval=interval,
            evidence=tuple(evidence),
            evidence_count=evidence_count,
            explanation=explanation,
        )

    def snapshot(self) -> dict[str, bytes]:
        """Blocks of the weekly counts."""
        return self._weekly.snapshot()

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take back what `snapshot` gave."""
        self._reset()
        if blocks:
            self._weekly.restore(blocks)
