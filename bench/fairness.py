"""Whom false alerts hit: how many there are a served day by unit, shift and tenure, beside the rate of all.

Detectors that flag one unit or all newcomers in vain are unfair to them, however few their alerts are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from bench.officer_days import served
from models.alert import Alert

#: How long somebody is a newcomer after joining or a transfer, days.
SETTLING = 60
#: Kind and name of each group that somebody belonged to.
Groups = tuple[tuple[str, str], ...]
NEWCOMERS, SETTLED = f"first {SETTLING} days", "later"


@dataclass(frozen=True)
class Group:
    """False alerts about the members of one group of officers, and the days that they served."""

    alerts: int = 0
    days: int = 0


@dataclass(frozen=True)
class Fairness:
    """The groups of one kind, by name."""

    groups: Mapping[str, Group]

    @property
    def worst(self) -> str:
        """The group with the most false alerts a day."""
        rates = {name: one.alerts / one.days for name, one in self.groups.items() if one.days}
        return max(rates, key=rates.__getitem__)

    @property
    def ratio(self) -> float | None:
        """Rate of the worst group over that of all; None without a false alert about an officer."""
        alerts = sum(one.alerts for one in self.groups.values())
        days = sum(one.days for one in self.groups.values())
        if not alerts:
            return None
        worst = self.groups[self.worst]
        return worst.alerts / worst.days * days / alerts


def fairness(
    roster: Path, false: Iterable[Alert], first: date, last: date, rename: Callable[[str], str] | None = None
) -> dict[str, Fairness]:
    """By unit, shift and tenure, for the alerts about officers that began from `first` to `last` (exclusive).

    Service accounts are left out. `rename` gives the pseudonym that alerts carry. Raises ValueError naming
    the line when a date of the roster cannot be read.
    """
    days: dict[tuple[str, str], int] = defaultdict(int)
    postings: dict[str, list[tuple[date, date, Groups]]] = defaultdict(list)
    for who, unit, shift, begins, ends, since in _postings(roster, last):
        settled = date.fromordinal(min(since.toordinal() + SETTLING, date.max.toordinal()))
        for start, end, tenure in (
            (begins, min(ends, settled), NEWCOMERS),
            (max(begins, settled), ends, SETTLED),
        ):
            start, end = max(start, first), min(end, last)
            if start < end:
                groups: Groups = (("unit", unit), ("shift", shift), ("tenure", tenure))
                postings[rename(who) if rename else who].append((start, end, groups))
                for group in groups:
                    days[group] += (end - start).days
    alerts: dict[tuple[str, str], int] = defaultdict(int)
    for alert in false:
        if alert.entity_kind == "requester":
            day = alert.first_seen.date()
            for start, end, those in postings.get(alert.entity, ()):
                if start <= day < end:
                    for group in those:
                        alerts[group] += 1
    found: dict[str, dict[str, Group]] = defaultdict(dict)
    for (kind, name), number in days.items():
        found[kind][name] = Group(alerts[kind, name], number)
    return {kind: Fairness(groups) for kind, groups in found.items()}


def _postings(roster: Path, last: date) -> Iterable[tuple[str, str, str, date, date, date]]:
    """Who, unit, shift, first day, day after the last, and since when in this unit without a break."""
    rows = [
        (row["requester_id"], begins, ends, row["unit_id"], row.get("shift") or "none")
        for row, begins, ends in served(roster, last)
    ]
    rows.sort()
    since, before = date.min, ("", date.min, "")
    for who, begins, ends, unit, shift in rows:
        if (who, begins, unit) != before:
            since = begins
        before = (who, ends, unit)
        yield who, unit, shift, begins, ends, since
