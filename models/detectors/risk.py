"""Somebody of whom several things were found that are little by themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import msgspec
import numpy as np
from msgspec import Meta, Struct

from models.alert import Finding, Severity
from models.detectors.base import Day, Detector, Found, Settings
from models.wording import day_text, figure, plural

if TYPE_CHECKING:
    from models.reference import Reference

#: What a breach of a rule counts like, in the unit of -ln p.
BREACHES: Mapping[Severity, float] = {"info": 0.0, "low": 2.0, "medium": 4.0, "high": 7.0, "critical": 10.0}
#: Contributions remembered of one requester, ids of each, and the share of one that is forgotten.
MOST, MOST_IDS, FORGOTTEN = 24, 8, 0.01
#: Contributions that the sentence names.
NAMED = 4
#: Requesters in one block of a snapshot.
BLOCK = 250


class RiskSettings(Settings, kw_only=True, frozen=True):
    """Settings of `risk`."""

    threshold: Annotated[float, Meta(gt=0)] = 20.0
    """Least sum of contributions that raises an alert; 20 is two findings of p = 0.00005."""
    minimum_kinds: Annotated[int, Meta(ge=1)] = 2
    """Fewest different stanzas that must have contributed."""
    cap: Annotated[float, Meta(gt=0)] = 12.0
    """Most that one finding contributes, however small its p-value."""
    half_life_days: Annotated[float, Meta(gt=0, le=3650)] = 30.0
    """After so many days a contribution counts half."""
    same_days: Annotated[int, Meta(ge=0, le=365)] = 7
    """Findings of one stanza and clause no further apart than this are one contribution, the largest."""
    episode_days: Annotated[int, Meta(ge=0, le=365)] = 30
    """Findings about one requester that are no further apart than this belong to one alert."""


class _Part(Struct, array_like=True):
    """One contribution."""

    detector: str
    clause: str
    amount: float
    day: int
    """When it was found at that amount."""
    latest: int
    """Last day with a finding of the kind."""
    began: float
    """Begin of its window, epoch seconds."""
    ids: list[str]


class Risk(Detector):
    """Sum of what all detectors found of one requester, fading with time.

    A finding contributes -ln p, at most 12; a breach of a rule 2, 4, 7 or 10 by its severity. Each
    contribution halves every 30 days, and findings of one stanza and clause that follow within a
    week count once, so that one long story is not many. The sum is told on days on which it grows,
    when it reaches 20 and at least two stanzas stand behind it. It is no chance, so there is no
    p-value: the contributions themselves are shown, and beside them the sums of all others of whom
    anything was found.

    Innocent explanations: those of the findings it is made of; two detectors that see the same
    thing, as a new posting or a large case.
    Blind spots: what no detector finds; breaches told late, after their day had closed; who is
    found by one stanza only.

    Source: risk-based alerting as in Splunk Enterprise Security: scores add up for one entity
    because single alerts are too many and too weak.
    """

    function = "risk"
    version = 2
    settings_type = RiskSettings
    judging = Detector.judging | {"cap", "half_life_days", "minimum_kinds", "same_days", "threshold"}
    bytes_per_key = 300 + MOST * (300 + MOST_IDS * 131)

    settings: RiskSettings

    def __init__(self, name: str, settings: Settings, reference: Reference, agency_id: str) -> None:
        super().__init__(name, settings, reference, agency_id)
        self._parts: dict[str, list[_Part]] = {}

    def close(self, day: Day) -> Iterable[Finding]:
        """Nothing: searches say nothing here."""
        return ()

    def weigh(self, day: Day, found: Sequence[Found]) -> Iterable[Finding]:
        """Add what was found of each requester; tell of those whose sum has grown beyond the threshold."""
        self._fade(day.number)
        grown: dict[str, Finding] = {}
        for detector, finding in found:
            if finding.entity_kind == "requester" and self._add(day.number, detector, finding):
                grown[finding.entity] = finding
        told = []
        for who in sorted(grown):
            parts = self._parts[who]
            enough = len({part.detector for part in parts}) >= self.settings.minimum_kinds
            if enough and self._sum(parts, day.number) >= self.settings.threshold:
                told.append(self._finding(day, who, grown[who].unit_id))
        return told

    def _add(self, day: int, detector: str, finding: Finding) -> bool:
        """Take in one finding. Returns whether the sum grew."""
        amount = BREACHES[finding.severity] if finding.p_value is None else finding.score
        amount = min(amount, self.settings.cap)
        if amount <= 0:
            return False
        parts = self._parts.setdefault(finding.entity, [])
        ids = list(finding.evidence[-MOST_IDS:])
        new = _Part(detector, finding.clause or "", amount, day, day, finding.first_seen, ids)
        for index, part in enumerate(parts):
            same = (part.detector, part.clause) == (new.detector, new.clause)
            if same and day - part.latest <= self.settings.same_days:
                part.latest = day
                if self._worth(part, day) >= amount:
                    return False
                new.began = min(part.began, new.began)
                parts[index] = new
                return True
        parts.append(new)
        if len(parts) > MOST:
            parts.remove(min(parts, key=lambda part: (self._worth(part, day), part.day, part.detector)))
        return True

    def _fade(self, day: int) -> None:
        """Forget what hardly counts any more."""
        for who in list(self._parts):
            kept = [
                part
                for part in self._parts[who]
                if day - part.latest <= self.settings.same_days
                or self._worth(part, day) >= FORGOTTEN * part.amount
            ]
            if kept:
                self._parts[who] = kept
            else:
                del self._parts[who]

    def _worth(self, part: _Part, day: int) -> float:
        return float(part.amount * 0.5 ** ((day - part.day) / self.settings.half_life_days))

    def _sum(self, parts: Sequence[_Part], day: int) -> float:
        return sum(self._worth(part, day) for part in parts)

    def _finding(self, day: Day, who: str, unit: str | None) -> Finding:
        def worth(part: _Part) -> float:
            return self._worth(part, day.number)

        parts = sorted(
            self._parts[who], key=lambda part: (-worth(part), part.day, part.detector, part.clause)
        )
        total = self._sum(parts, day.number)
        others = [self._sum(own, day.number) for name, own in self._parts.items() if name != who] or [0.0]
        low, usual, high = np.quantile(np.sort(others), (0.025, 0.5, 0.975)).tolist()
        said = [
            f"{part.detector}{f' {part.clause}' if part.clause else ''} on {day_text(part.day)} "
            f"({figure(round(worth(part), 1))})"
            for part in parts[:NAMED]
        ]
        rest = parts[NAMED:]
        if rest:
            more = figure(round(self._sum(rest, day.number), 1))
            said.append(f"{len(rest)} more ({more})")
        evidence = [event for part in sorted(parts, key=lambda part: part.began) for event in part.ids]
        began = min(part.began for part in parts)
        critical = total >= 2 * self.settings.threshold
        return Finding(
            entity_kind="requester",
            entity=who,
            unit_id=unit,
            window_start=began,
            window_end=day.end,
            first_seen=began,
            severity="critical" if critical else "high",
            score=total,
            observed=total,
            expected=usual,
            interval=(low, high),
            evidence=tuple(dict.fromkeys(evidence)),
            explanation=(
                f"{plural(len(parts), 'contribution')} {'adds' if len(parts) == 1 else 'add'} up to a risk "
                f"of {figure(round(total, 1))} on {day_text(day.number)}, where {figure(round(usual, 1))} "
                f"[{figure(round(low, 1))}-{figure(round(high, 1))}] is usual for others with findings: "
                f"{'; '.join(said)}."
            ),
        )

    def snapshot(self) -> dict[str, bytes]:
        """Blocks `parts/N` of 250 requesters."""
        names = sorted(self._parts)
        return {
            f"parts/{first // BLOCK:05d}": _pack(
                {who: self._parts[who] for who in names[first : first + BLOCK]}
            )
            for first in range(0, len(names), BLOCK)
        }

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take back what `snapshot` gave."""
        with self.reading():
            read = [
                msgspec.msgpack.decode(blocks[name], type=dict[str, list[_Part]]) for name in sorted(blocks)
            ]
        self._parts = {who: parts for block in read for who, parts in block.items()}


_pack = msgspec.msgpack.Encoder(order="deterministic").encode
