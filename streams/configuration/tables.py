"""The CSV files: the roster and the calendar of demonstrations.

One line is one row, the first is the header; lines that begin with # are comments. Cells are
trimmed. Days are written 2020-05-31.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import date
from functools import lru_cache
from pathlib import Path

from models.calendar import Event
from models.roster import Posting
from models.spelling import did_you_mean
from streams.configuration.document import read_text
from streams.configuration.problems import Mark, Problems

ROSTER = ("requester_id", "agency_id", "unit_id", "role", "shift", "valid_from", "valid_to", "trained_until")
CALENDAR = ("date", "agency_id", "area", "kind", "size", "interventions", "count", "source")
#: Columns that a file must have; the others may be left out.
_ROSTER_NEEDS = ("requester_id", "agency_id", "unit_id", "valid_from")
_CALENDAR_NEEDS = ("date", "agency_id")


class Row:
    """One line of a table."""

    def __init__(
        self, mark: Mark, line: str, header: list[str], cells: list[str], problems: Problems
    ) -> None:
        self.mark = mark
        self.fits = True
        self._line = line
        self._problems = problems
        self._header = header
        self._cells = dict(zip(header, cells, strict=True))

    def report(self, column: str, message: str) -> None:
        """Note a problem with a cell."""
        self.fits = False
        at = self._header.index(column) if column in self._header else 0
        cells = list(self._cells.values())
        offset = 1 if '"' in self._line else 1 + sum(len(cell) + 1 for cell in cells[:at])
        self._problems.add(self.mark._replace(column=offset), column, message)

    def text(self, column: str, default: str = "", *, needed: bool = False) -> str:
        """A cell, trimmed; `default` when empty."""
        cell = self._cells.get(column, "").strip()
        if needed and not cell:
            self.report(column, "is empty")
        return cell or default

    def day(self, column: str, *, needed: bool = False) -> int | None:
        """A cell as the ordinal of a day; None when empty."""
        cell = self.text(column, needed=needed)
        if not cell:
            return None
        day = _ordinal(cell)
        if day is None:
            self.report(column, f"{cell!r} is not a day; write it like 2020-05-31")
        return day

    def number(self, column: str, default: int) -> int:
        """A cell as a count of zero or more."""
        cell = self.text(column)
        if not cell:
            return default
        if not (cell.isascii() and cell.isdigit() and len(cell) <= 9):
            self.report(column, f"{cell!r} is not a whole number of 0 or more")
            return default
        return int(cell)


def read_roster(file: Path, problems: Problems) -> tuple[Posting, ...]:
    """The postings of a roster, with the requester ids as they stand in the file."""
    postings: list[Posting] = []
    marks: list[Mark] = []
    for row in _rows(file, ROSTER, _ROSTER_NEEDS, problems):
        posting = Posting(
            requester_id=row.text("requester_id", needed=True),
            agency_id=row.text("agency_id", needed=True),
            unit_id=row.text("unit_id", needed=True),
            role=row.text("role"),
            shift=row.text("shift"),
            valid_from=row.day("valid_from", needed=True) or 1,
            valid_to=row.day("valid_to"),
            trained_until=row.day("trained_until"),
        )
        if row.fits and posting.valid_to is not None and posting.valid_to <= posting.valid_from:
            row.report("valid_to", "must lie after valid_from; it is the first day after the posting")
        if row.fits:
            postings.append(posting)
            marks.append(row.mark)
    _refuse_overlaps(postings, marks, problems)
    return tuple(postings)


def read_calendar(file: Path, problems: Problems) -> tuple[Event, ...]:
    """The events of a calendar."""
    events = []
    for row in _rows(file, CALENDAR, _CALENDAR_NEEDS, problems):
        event = Event(
            date=row.day("date", needed=True) or 1,
            agency_id=row.text("agency_id", needed=True),
            area=row.text("area"),
            kind=row.text("kind", "demonstration"),
            size=row.number("size", 0),
            interventions=row.number("interventions", 0),
            count=row.number("count", 1),
            source=row.text("source"),
        )
        if row.fits:
            events.append(event)
    return tuple(events)


def _rows(file: Path, known: tuple[str, ...], needs: tuple[str, ...], problems: Problems) -> Iterator[Row]:
    header: list[str] = []
    text = read_text(file, problems)
    for number, line in enumerate((text or "").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        mark = Mark(str(file), number, 1)
        try:
            cells = next(csv.reader((line,), strict=True), [])
        except csv.Error as error:
            problems.add(mark, "", f"cannot be read ({error}); a cell must end on its own line")
            continue
        if not header:
            header = [cell.strip() for cell in cells]
            if not _fits_header(header, known, needs, mark, problems):
                return
        elif len(cells) != len(header):
            problems.add(mark, "", f"{len(cells)} cells where the header has {len(header)} columns")
        else:
            yield Row(mark, line, header, cells, problems)
    if text is not None and not header:
        problems.add(Mark(str(file)), "", f"has no header; the first line is {','.join(known)}")


def _fits_header(
    header: list[str], known: tuple[str, ...], needs: tuple[str, ...], mark: Mark, problems: Problems
) -> bool:
    before = len(problems)
    for column in header:
        if column not in known:
            problems.add(mark, column, f"unknown column{did_you_mean(column, known)}")
        elif header.count(column) > 1:
            problems.add(mark, column, "the column is repeated")
    for column in needs:
        if column not in header:
            problems.add(mark, column, "the column is missing")
    return len(problems) == before


def _refuse_overlaps(postings: list[Posting], marks: list[Mark], problems: Problems) -> None:
    # Badge numbers are an agency's own: the same one in two agencies is two people.
    def person(posting: Posting) -> tuple[str, str]:
        return posting.agency_id, posting.requester_id

    order = sorted(range(len(postings)), key=lambda i: (person(postings[i]), postings[i].valid_from))
    for first, second in zip(order, order[1:], strict=False):
        one, two = postings[first], postings[second]
        if person(one) == person(two) and (one.valid_to is None or one.valid_to > two.valid_from):
            message = (
                f"this posting of {two.requester_id} in {two.unit_id} overlaps the one in {one.unit_id} "
                f"(line {marks[first].line}); end that one with a valid_to"
            )
            problems.add(marks[second], "valid_from", message)


@lru_cache(maxsize=20_000)
def _ordinal(cell: str) -> int | None:
    try:
        return date.fromisoformat(cell).toordinal() if len(cell) == 10 else None
    except ValueError:
        return None
