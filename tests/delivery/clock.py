"""A wall clock that jumps, inside a worker process of a test."""

from __future__ import annotations

import time
from datetime import datetime, tzinfo

from streams import ticks

#: Seconds between two jumps.
EVERY = 2.0


def install(seconds: float) -> None:
    """From now on the wall clock of this process is wrong by so much, jumps back, and so on.

    Wrong first, so that a worker that does not live long is wrong, too. The monotonic clock goes on, as it
    does when an operating system's wall clock is set.
    """
    began, real = time.monotonic(), time.time

    def wall() -> float:
        return real() + (0.0 if (time.monotonic() - began) // EVERY % 2 else seconds)

    class Jumping(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.fromtimestamp(wall(), tz)

    time.time = wall
    vars(ticks)["datetime"] = Jumping
