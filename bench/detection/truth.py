"""What a finding is about: whom it names and when, or whose searches fill its window."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from bench.detection.log import FIELDS, Ints, Log
from bench.evaluation import SHARED, SLACK
from bench.labels import Label
from models.days import LocalDays


class Truth:
    """Labels by the keys and the days that they concern.

    A finding is about an incident when it names one of its keys and its window touches the incident
    or the `SLACK` after it, or when at least the share `shared` of the searches in its window are the
    incident's. It is the rule of `bench.evaluation`, in whole days, for methods that name no evidence.
    """

    def __init__(self, labels: Sequence[Label], log: Log, zone: str, shared: float = SHARED) -> None:
        self.labels = labels
        self._log = log
        self._shared = shared
        days = LocalDays.of(zone)
        #: First and last day of each label, ordinals.
        self.spans = [
            (days.at(one.start.timestamp()).day, days.at(one.end.timestamp()).day) for one in labels
        ]
        self._named: dict[tuple[str, str], list[int]] = defaultdict(list)
        self._touched: dict[tuple[str, str], dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
        for number, label in enumerate(labels):
            for kind, names in label.keys.items():
                for name in names:
                    self._named[kind, name].append(number)
            for event in label.event_ids:
                row = log.row.get(event)
                for kind in FIELDS if row is not None else ():
                    entity = log.entity(kind, row) if row is not None else None
                    if row is not None and entity is not None:
                        self._touched[kind, entity][number].append(int(log.days[row]))
        self._days: dict[str, dict[str, Ints]] = {}

    def about(self, entity: tuple[str, str], day: int, window: int) -> set[int]:
        """Numbers of the labels that a finding is about; `window` days end with `day`."""
        first, slack = day - window + 1, SLACK.days
        found = {
            number
            for number in self._named.get(entity, ())
            if day >= self.spans[number][0] and first <= self.spans[number][1] + slack
        }
        for number, days in self._touched.get(entity, {}).items():
            mine = sum(first <= one <= day for one in days)
            if (
                mine
                and day >= self.spans[number][0]
                and mine >= self._shared * self._made(entity, first, day)
            ):
                found.add(number)
        return found

    def _made(self, entity: tuple[str, str], first: int, last: int) -> int:
        """How many searches an entity made from one day to another, both included."""
        kind, name = entity
        if kind not in self._days:
            by_name: dict[str, list[int]] = defaultdict(list)
            touched = {other for of, other in self._touched if of == kind}
            for row, day in enumerate(self._log.days.tolist()):
                one = self._log.entity(kind, row)
                if one in touched:
                    by_name[str(one)].append(day)
            self._days[kind] = {one: np.sort(np.array(days, np.int64)) for one, days in by_name.items()}
        edges = np.searchsorted(self._days[kind][name], [first, last + 1])
        return int(edges[1] - edges[0])
