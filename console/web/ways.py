"""The ways through the console: what stands at the top of every page, for whoever may go there."""

from __future__ import annotations

from typing import NamedTuple

from console.access.permissions import Permission


class Way(NamedTuple):
    """A page that can be gone to from anywhere."""

    path: str
    title: str
    permission: Permission


#: In the order in which they are shown.
WAYS = (
    Way("/", "Inbox", Permission.READ_ALERTS),
    Way("/alerts", "All alerts", Permission.READ_ALERTS),
    Way("/people", "Who and what", Permission.READ_SEARCHES),
    Way("/calendar", "Calendar", Permission.READ_FIGURES),
    Way("/completeness", "Completeness", Permission.READ_COMPLETENESS),
    Way("/policy", "Policy", Permission.READ_POLICY),
    Way("/ledger", "Ledger", Permission.READ_LEDGER),
    Way("/names/look-ups", "Look-ups", Permission.READ_LOOK_UPS),
    Way("/accounts", "Accounts", Permission.MANAGE_ACCOUNTS),
)
