"""The ways through the console: what stands in the head of every page, for those who may go there."""

from __future__ import annotations

from typing import NamedTuple

from console.access.permissions import Permission
from console.access.visits import Current


class Way(NamedTuple):
    """A page that can be gone to from everywhere."""

    path: str
    title: str
    permission: Permission


WAYS = (
    Way("/", "Inbox", Permission.READ_ALERTS),
    Way("/alerts", "All alerts", Permission.READ_ALERTS),
    Way("/people", "Who and what", Permission.READ_SEARCHES),
    Way("/calendar", "Calendar", Permission.READ_FIGURES),
    Way("/completeness", "Completeness", Permission.READ_COMPLETENESS),
    Way("/policy", "Policy", Permission.READ_POLICY),
    Way("/figures", "Figures", Permission.READ_FIGURES),
    Way("/ledger", "Ledger", Permission.READ_LEDGER),
)


def ways(current: Current | None) -> list[Way]:
    """The ways that somebody may take; none before the login."""
    return [] if current is None else [way for way in WAYS if current.may(way.permission)]
