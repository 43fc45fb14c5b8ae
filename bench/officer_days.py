"""How many days of how many officers a span has: what false alerts are counted against."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path


def officer_days(roster: Path, first: date, last: date) -> int:
    """Days served by everybody in a roster.csv from `first` to `last` (exclusive), service accounts
    left out. Raises ValueError naming the line when a date cannot be read."""
    total = 0
    with roster.open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines)
        for row in reader:
            if row["role"] == "service":
                continue
            try:
                begins = date.fromisoformat(row["valid_from"])
                ends = date.fromisoformat(row["valid_to"]) if row["valid_to"] else last
            except ValueError as error:
                raise ValueError(f"{roster.name}:{reader.line_num}: {error}") from error
            total += max(0, (min(ends, last) - max(begins, first)).days)
    return total
