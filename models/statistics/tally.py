"""What one key did on one day: its searches and its cases."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from models.search import Search

#: Most event ids, and most case keys, that are remembered of a key and day.
MOST_REMEMBERED = 50
#: An allowance so large that only cases count.
CASES_ONLY = 1 << 60
#: A critical count that no day reaches.
NEVER = 1 << 60


class Tally:
    """Searches and new cases of one key on one local day.

    The case of a search is its case number, else its subject, else the search itself. `before`
    holds the cases of the days before, which are not counted again; `told` says that an open day's
    tally has raised its alert.
    """

    __slots__ = ("before", "cases", "first", "ids", "new", "searches", "told", "unit_id")

    def __init__(self, first: float, before: Collection[str] = ()) -> None:
        self.first = first
        self.before = before
        self.told = False
        self.searches = self.new = 0
        self.cases: set[str] = set()
        self.ids: list[str] = []
        self.unit_id = ""

    def add(self, search: Search) -> None:
        """Count a search."""
        self.searches += 1
        case = search.case_number or search.subject_ref
        if case is None:
            self.new += 1
        elif case not in self.cases:
            self.cases.add(case)
            self.new += case not in self.before
        if self.searches <= MOST_REMEMBERED:
            self.ids.append(search.event_id)
        self.unit_id = search.unit_id

    def add_all(self, searches: Sequence[Search]) -> None:
        """Count several, as if one after the other."""
        self.searches += len(searches)
        known = self.cases
        for search in searches:
            case = search.case_number or search.subject_ref
            if case is None:
                self.new += 1
            elif case not in known:
                known.add(case)
                if case not in self.before:
                    self.new += 1
        room = MOST_REMEMBERED - len(self.ids)
        self.ids += [search.event_id for search in searches[:room]] if room > 0 else []
        self.unit_id = searches[-1].unit_id

    def count(self, allowance: int) -> int:
        """New cases, or the searches beyond the allowance if they are more.

        One honest case takes several searches, so repeats are forgiven, but not without end:
        with an allowance of 0 it is plainly the number of searches.
        """
        return max(self.new, self.searches - allowance)
