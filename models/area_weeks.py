"""Cases by area and week, out of the searches of one agency, for the report on disparity."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from models.columns import Ints
from models.disparity import Disparity, report, shares

#: Weeks before the report without which nothing is known of an area's usual share.
LEAST_WEEKS = 26


class AreaWeeks:
    """The cases of one agency by area and week. A case counts once in an area and week."""

    def __init__(self) -> None:
        self.cases: dict[tuple[int, str], set[str]] = {}
        self.first = self.last = 0
        """First and last day with a search, ordinals."""
        self.placed = self.elsewhere = 0
        """Searches with an area and without."""

    def add(self, area: str | None, case: str, day: int) -> None:
        """Take in a search that a person made on a local day, an ordinal."""
        self.first, self.last = min(self.first or day, day), max(self.last, day)
        if not area:
            self.elsewhere += 1
            return
        self.placed += 1
        self.cases.setdefault(((day - 1) // 7, area), set()).add(case)

    def between(self, first: int, last: int) -> tuple[list[str], int, Ints]:
        """Areas, the Monday of the first week, and counts (areas x weeks) of the whole weeks that lie in
        the days `first` to `last`, both included. Areas are all that the log names, whenever."""
        start, end = -(-(first - 1) // 7), last // 7
        areas = sorted({area for _, area in self.cases})
        counts = np.zeros((len(areas), max(0, end - start)), np.int64)
        for (week, area), cases in self.cases.items():
            if start <= week < end:
                counts[areas.index(area), week - start] = len(cases)
        return areas, 7 * start + 1, counts

    def against_before(self, first: int, last: int, tolerance: float = 1.1) -> list[list[Disparity]]:
        """The report on the days `first` to `last` with the areas' shares before as what is expected.

        Raises ValueError when the log does not reach back `LEAST_WEEKS` before it.
        """
        areas, _, before = self.between(self.first, first - 1)
        if before.shape[1] < LEAST_WEEKS:
            raise ValueError(
                f"the log has {before.shape[1]} whole weeks before the report and {LEAST_WEEKS} are needed "
                "to know what is usual; begin the report later, or give a denominator for each area"
            )
        # Half a case, so that an area that is new is not infinitely beyond its share.
        usual = before.sum(axis=1) + 0.5
        _, week, counts = self.between(first, last)
        return report(areas, week, counts, usual / usual.sum(), tolerance)

    def against(
        self, denominators: Mapping[str, float], first: int, last: int, tolerance: float = 1.1
    ) -> list[list[Disparity]]:
        """The same with denominators, one for each area. Raises ValueError, naming areas without one."""
        areas, week, counts = self.between(first, last)
        return report(areas, week, counts, shares(denominators, areas), tolerance)
