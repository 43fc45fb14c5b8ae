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
    Way("/names/look-ups", "Look-ups", Permission.READ_LOOK_UPS),
    Way("/accounts", "Accounts", Permission.MANAGE_ACCOUNTS),
)
