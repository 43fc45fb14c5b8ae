"""What happened in the streets: demonstrations, weighted, and matched control days.

A yes/no "protest day" is useless: Los Angeles County saw a demonstration on 237 of 328 days of
2020. What counts is how large a day was and whether the police stepped in, and any comparison
needs control days that look the same but for the event. Days are `date.toordinal()`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from msgspec import Struct

#: Control days keep this distance from other events: none from one day before to two days after.
CLEAR_BEFORE, CLEAR_AFTER = 1, 2
#: An event lighter than this does not spoil a control day.
QUIET = 0.5
#: How far control days are looked for, weeks.
MAX_WEEKS = 52


class Event(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The demonstrations of one day in one place.

    `agency_id` "*" concerns every agency; `area` "" is the whole city. `size` is the largest
    estimate of people present (0: unknown), `interventions` the number of demonstrations with
    police intervention or violence, `count` the number of demonstrations.
    """

    date: int
    agency_id: str
    area: str = ""
    kind: str = "demonstration"
    size: int = 0
    interventions: int = 0
    count: int = 1
    source: str = ""

    @property
    def weight(self) -> float:
        """How much the day stands out, in [0, 1]: 1 - (1 - s)(1 - i).

        s = (log10(size) - 1) / 3 held to [0, 1]: 10 people weigh nothing, 10,000 everything.
        i = 1 - 2^-interventions: one intervention weighs a half, two three quarters.
        Sizes are guesses within a factor of two or three, so only their magnitude is used.

        >>> round(Event(date=1, agency_id="*", size=2000, interventions=3).weight, 3)
        0.971
        """
        crowd = min(1.0, max(0.0, (math.log10(max(self.size, 1)) - 1) / 3))
        return 1 - (1 - crowd) * 0.5 ** max(self.interventions, 0)


class Calendar:
    """All events, ready for look-ups by agency and day."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.events: tuple[Event, ...] = tuple(
            sorted(events, key=lambda event: (event.date, event.agency_id, event.area, event.kind))
        )
        self._days: dict[str, dict[int, list[Event]]] = {}
        for event in self.events:
            self._days.setdefault(event.agency_id, {}).setdefault(event.date, []).append(event)

    def on(self, agency_id: str, day: int) -> tuple[Event, ...]:
        """The events of a local day that concern an agency."""
        everywhere = self._days.get("*", {}).get(day, ()) if agency_id != "*" else ()
        return (*self._days.get(agency_id, {}).get(day, ()), *everywhere)

    def weight(self, agency_id: str, day: int) -> float:
        """The largest weight on a day, 0 without events."""
        return max((event.weight for event in self.on(agency_id, day)), default=0.0)

    def large(self, agency_id: str, minimum_weight: float) -> tuple[int, ...]:
        """The days with an event of at least this weight, in order."""
        days = {*self._days.get(agency_id, {}), *self._days.get("*", {})}
        return tuple(sorted(day for day in days if self.weight(agency_id, day) >= minimum_weight))

    def nearest(self, agency_id: str, day: int, within: int = 2) -> Event | None:
        """The weightiest event at most `within` days away; of equal ones the nearest, then earliest."""
        events = (
            event for near in range(day - within, day + within + 1) for event in self.on(agency_id, near)
        )
        return min(events, key=lambda event: (-event.weight, abs(event.date - day), event.date), default=None)

    def controls(
        self, agency_id: str, day: int, n: int = 4, *, both: bool = False, quiet: float = QUIET
    ) -> tuple[int, ...]:
        """Up to `n` quiet days like `day`: the same day of the week, nearest in time first.

        A control day has no event of weight `quiet` or more from one day before it to two days
        after it. Only earlier days are used, so that nothing looks ahead; `both` allows later
        ones for work on history. Fewer are returned when a year does not hold enough.
        """
        found: list[int] = []
        for week in range(1, MAX_WEEKS + 1):
            for candidate in (day - 7 * week, day + 7 * week) if both else (day - 7 * week,):
                if candidate > 0 and len(found) < n and self._is_quiet(agency_id, candidate, quiet):
                    found.append(candidate)
        return tuple(found)

    def _is_quiet(self, agency_id: str, day: int, quiet: float) -> bool:
        return all(
            self.weight(agency_id, near) < quiet for near in range(day - CLEAR_BEFORE, day + CLEAR_AFTER + 1)
        )
