"""How many days of how many officers a span has: what false alerts are counted against."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import date
from pathlib import Path

#: Columns without which nobody's service is known.
NEEDED = ("requester_id", "unit_id", "valid_from")


def officer_days(roster: Path, first: date, last: date) -> int:
    """Days served by everybody in a roster.csv from `first` to `last` (exclusive), service accounts
    left out. Raises ValueError naming the line when a date cannot be read."""
    return sum(
        max(0, (min(ends, last) - max(begins, first)).days) for _, begins, ends in served(roster, last)
    )


def served(roster: Path, last: date) -> Iterator[tuple[dict[str, str], date, date]]:
    """The lines of a roster.csv about people, each with its first day and the day after its last; one without
    an end ends with `last`. Raises ValueError naming the line when a date cannot be read."""
    with roster.open(encoding="utf-8-sig", newline="") as stream:
        numbered = [(n, line) for n, line in enumerate(stream, 1) if line.strip() and line[0] != "#"]
    reader = csv.DictReader((line for _, line in numbered), skipinitialspace=True)
    header = [name.strip() for name in reader.fieldnames or ()]
    reader.fieldnames = header
    if lacking := [name for name in NEEDED if name not in header]:
        raise ValueError(f"{roster.name}: the columns {', '.join(lacking)} are missing")
    for cells in reader:
        row = {name: (cells.get(name) or "").strip() for name in header}
        if row.get("role") == "service":
            continue
        try:
            begins = date.fromisoformat(row["valid_from"])
            ends = date.fromisoformat(row["valid_to"]) if row.get("valid_to") else last
        except ValueError as error:
            raise ValueError(f"{roster.name}:{numbered[reader.line_num - 1][0]}: {error}") from error
        yield row, begins, ends
