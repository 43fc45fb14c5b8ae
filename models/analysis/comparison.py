"""Two sets of alerts over the same searches: what is new, what is gone, what has moved.

An alert keeps its identity when detector, agency, entity, clause and the begin of its episode are the
same. Where only the begin differs and the windows overlap it is the same matter told from another day on:
it has moved. Pairs are made one to one, earliest windows first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from models.alert import Alert


class Pair(NamedTuple):
    """One matter in both sets."""

    before: Alert
    after: Alert


@dataclass(frozen=True)
class Comparison:
    """How a set of alerts differs from another. All in order of decision, then identity."""

    new: tuple[Alert, ...]
    """Only in the second set."""
    gone: tuple[Alert, ...]
    """Only in the first set."""
    moved: tuple[Pair, ...]
    """In both with overlapping windows, but told from another day on."""
    changed: tuple[Pair, ...]
    """The same alert with another severity, window, count or sentence."""
    same: tuple[Alert, ...]
    """Alike but for the configuration that they name; as in the first set."""


def compare(before: Iterable[Alert], after: Iterable[Alert]) -> Comparison:
    """Compare standing alerts, one record for each identity."""
    first = {one.alert_id: one for one in before}
    second = {one.alert_id: one for one in after}
    kept = [Pair(first[name], second[name]) for name in first if name in second]
    gone = [one for name, one in first.items() if name not in second]
    new = [one for name, one in second.items() if name not in first]
    moved = _moved(gone, new)
    paired = {one.alert_id for pair in moved for one in pair}
    return Comparison(
        new=tuple(_ordered(one for one in new if one.alert_id not in paired)),
        gone=tuple(_ordered(one for one in gone if one.alert_id not in paired)),
        moved=tuple(sorted(moved, key=lambda pair: _place(pair.before))),
        changed=tuple(sorted((p for p in kept if not _alike(p)), key=lambda pair: _place(pair.before))),
        same=tuple(_ordered(pair.before for pair in kept if _alike(pair))),
    )


def overlap(one: Alert, other: Alert) -> bool:
    """Whether the windows of two alerts have time in common."""
    return one.window_start < other.window_end and other.window_start < one.window_end


def matter(alert: Alert) -> tuple[str, str, str, str, str]:
    """What two alerts of one matter have in common: detector, agency, entity and clause."""
    return alert.detector, alert.agency_id or "", alert.entity_kind, alert.entity, alert.clause or ""


def _moved(gone: Sequence[Alert], new: Sequence[Alert]) -> list[Pair]:
    waiting: dict[tuple[str, ...], list[Alert]] = defaultdict(list)
    for one in sorted(new, key=_window):
        waiting[matter(one)].append(one)
    found = []
    for one in sorted(gone, key=_window):
        candidates = waiting.get(matter(one), [])
        place = next((place for place, other in enumerate(candidates) if overlap(one, other)), None)
        if place is not None:
            found.append(Pair(one, candidates.pop(place)))
    return found


def _alike(pair: Pair) -> bool:
    digest = pair.after.config_digest
    return msgspec.structs.replace(pair.before, config_digest=digest) == pair.after


def _window(alert: Alert) -> tuple[object, ...]:
    return alert.window_start, alert.window_end, alert.alert_id


def _place(alert: Alert) -> tuple[object, ...]:
    return alert.decided_at, alert.alert_id


def _ordered(alerts: Iterable[Alert]) -> list[Alert]:
    return sorted(alerts, key=_place)
