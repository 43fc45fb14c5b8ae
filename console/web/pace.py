"""How many requests an address may send: so many a minute, and as many at once."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Addresses that are remembered; beyond it all are forgotten, which favours nobody for long.
_MOST = 100_000


class Pace:
    """A bucket for each address, kept in memory: each process of the console has its own."""

    def __init__(self, a_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = float(a_minute)
        self._rate = a_minute / 60
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def wait(self, address: str) -> float:
        """Seconds to wait before the next request; 0 when this one may pass, and then it counts."""
        now = self._clock()
        left, then = self._buckets.get(address, (self._size, now))
        left = min(self._size, left + (now - then) * self._rate)
        if left < 1:
            return max(1.0, (1 - left) / self._rate)
        if len(self._buckets) >= _MOST:
            self._buckets.clear()
        self._buckets[address] = left - 1, now
        return 0.0
