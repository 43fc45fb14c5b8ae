"""How the p-values of a detector fall. One that keeps its promise gives at most a share x of values at or
below x; counts are whole numbers, so usually fewer. Only figures for operations: no part of the state."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray

#: Upper bounds of the classes, as of a Prometheus histogram; a p-value lies in (0, 1].
BOUNDS = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 0.5, 1.0)


class PValues:
    """Counts by class of what was judged since the last `take`."""

    def __init__(self) -> None:
        self._counts = np.zeros(len(BOUNDS), np.int64)
        self.some = False
        """Whether anything has been counted since the last `take`."""
        self.ever = False
        """Whether anything was ever taken; from then on days on which nothing is unusual count too."""

    def add(self, p: NDArray[np.float64]) -> None:
        """Add the p-values of all keys that were judged, told or not."""
        if p.size:
            self.some = True
            places = np.searchsorted(BOUNDS, np.minimum(p, 1.0))
            self._counts += np.bincount(places, minlength=len(BOUNDS))

    def one(self, p: float) -> None:
        """Add a single p-value."""
        self.some = True
        self._counts[bisect_left(BOUNDS, min(p, 1.0))] += 1

    def take(self, tested: int) -> dict[int, int]:
        """Number of values by class, empty ones left out; counting begins anew. Keys that were `tested`
        without a p-value of their own, because it was plain that nothing is unusual, count as 1."""
        self._counts[-1] += max(0, tested - int(self._counts.sum()))
        found = {int(place): int(self._counts[place]) for place in np.flatnonzero(self._counts)}
        self._counts[:] = 0
        self.some, self.ever = False, True
        return found
