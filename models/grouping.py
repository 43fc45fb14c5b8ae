"""Which alerts make one incident: what is about the same entity at nearly the same time.

Alerts about one entity of one agency whose windows overlap, or lie within seven days of each other,
belong together, and so do those that do so through others. Staff may lay merges over it. An incident is
called by the id of its earliest alert. Nothing depends on the order in which alerts arrive.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

#: Windows that are no further apart belong together.
NEAR = timedelta(days=7)

#: An agency, a kind of entity and the entity.
Key = tuple[str | None, str, str]


class Span(NamedTuple):
    """An alert as far as grouping goes."""

    alert_id: str
    key: Key
    window_start: datetime
    window_end: datetime
    first_seen: datetime


def incidents(spans: Iterable[Span], merges: Iterable[tuple[str, str]] = ()) -> dict[str, str]:
    """The incident of each alert, by alert_id. Merges with alerts that are not among them are passed over."""
    by_id = {span.alert_id: span for span in spans}
    parent = {alert_id: alert_id for alert_id in by_id}

    def root(alert_id: str) -> str:
        while parent[alert_id] != alert_id:
            parent[alert_id] = parent[parent[alert_id]]
            alert_id = parent[alert_id]
        return alert_id

    by_key: dict[Key, list[Span]] = defaultdict(list)
    for span in by_id.values():
        by_key[span.key].append(span)
    for same in by_key.values():
        same.sort(key=lambda span: span.window_start)
        reach = same[0]
        for span in same[1:]:
            if span.window_start - reach.window_end <= NEAR:
                parent[root(span.alert_id)] = root(reach.alert_id)
            if span.window_end > reach.window_end:
                reach = span
    for one, other in merges:
        if one in by_id and other in by_id:
            parent[root(one)] = root(other)
    earliest: dict[str, Span] = {}
    for span in by_id.values():
        place = root(span.alert_id)
        first = earliest.setdefault(place, span)
        if (span.first_seen, span.alert_id) < (first.first_seen, first.alert_id):
            earliest[place] = span
    return {alert_id: earliest[root(alert_id)].alert_id for alert_id in by_id}
