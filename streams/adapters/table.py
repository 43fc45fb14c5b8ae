"""Comma-separated tables as they really come: other separators, loose headers, cells with line ends."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import NamedTuple

from streams.adapters.base import Problem, WrongFormat

#: Longest record, in lines. A quote that is never closed swallows the rest of the file.
MAX_RECORD_LINES = 500

_OFFSETS = {
    "UTC": 0, "GMT": 0, "Z": 0, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6,
    "PST": -8, "PDT": -7, "AKST": -9, "AKDT": -8, "HST": -10,
}  # fmt: skip
_FORMATS = (
    "%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %I:%M %p", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M",
    "%m/%d/%y %I:%M:%S %p", "%m/%d/%y %I:%M %p", "%m/%d/%y %H:%M",
)  # fmt: skip
_ZONE = re.compile(r"^(?P<time>.*\d|.*[AaPp]\.?[Mm]\.?)\s*\(?(?P<zone>[A-Z]{1,4})\)?$")


class Row(NamedTuple):
    """One record: the line at which it begins, and its cells by wanted column, stripped."""

    line: int
    cells: Mapping[str, str]


def records(
    lines: Iterable[str], wanted: Mapping[str, tuple[str, ...]], needed: Iterable[str]
) -> Iterator[Row | Problem]:
    """The records of a table with a header.

    `wanted` maps a column to the other names it goes by; names are compared without case, blanks
    and punctuation. Raises WrongFormat when one of `needed` is not there or there is no header.
    """
    source = enumerate(lines, 1)
    at, header = next(((at, line) for at, line in source if line.strip()), (0, None))
    if header is None:
        raise WrongFormat("the file is empty: it needs a line with the names of the columns")
    separator, places, width = _header(header, wanted)
    missing = [name for name in needed if name not in places]
    if missing:
        raise WrongFormat(f"the columns {', '.join(missing)} are missing; found: {header.strip()[:200]}")
    begin = at + 1
    for end, text in _whole_records((line for _, line in source), begin, separator):
        if text is None:
            yield Problem(begin, None, f"a quote opened here is not closed by line {end}; close or remove it")
        elif text.strip():
            yield _row(text, begin, separator, places, width)
        begin = end + 1


def check_line_ends(line: str) -> None:
    """Raises WrongFormat for a line that holds others, which end with a carriage return alone."""
    if "\r" in line.rstrip("\r\n"):
        raise WrongFormat(
            "its lines end with a carriage return alone, as on old Macs; write them anew, for instance with: "
            "tr '\\r' '\\n'"
        )


def _header(line: str, wanted: Mapping[str, tuple[str, ...]]) -> tuple[str, dict[str, int], int]:
    check_line_ends(line)
    known = {_plain(other): name for name, others in wanted.items() for other in (name, *others)}
    best: tuple[str, dict[str, int], int] = (",", {}, 0)
    for separator in ",;\t|":
        cells = next(csv.reader([line], delimiter=separator))
        places = {known[_plain(cell)]: at for at, cell in enumerate(cells) if _plain(cell) in known}
        if len(places) > len(best[1]):
            best = separator, places, len(cells)
    return best


def _whole_records(lines: Iterator[str], number: int, separator: str) -> Iterator[tuple[int, str | None]]:
    """Each record with the number of its last line; None for one that never ends."""
    parts: list[str] = []
    quoted, end = False, number
    for end, line in enumerate(lines, number):
        parts.append(line)
        if '"' in line:
            quoted = _ends_quoted(line, separator, quoted)
        if quoted and len(parts) < MAX_RECORD_LINES:
            continue
        yield end, None if quoted else "".join(parts)
        parts, quoted = [], False
    if parts:
        yield end, None


def _ends_quoted(line: str, separator: str, quoted: bool) -> bool:
    """Whether a line ends inside a quoted cell, given whether it begins in one.

    Only a quote at the beginning of a cell opens one; elsewhere it is a letter, as in 5'10" tall.
    """
    at = 0
    while True:
        if not quoted and line.startswith('"', at):
            quoted, at = True, at + 1
        if quoted:
            at = line.find('"', at)
            if at < 0:
                return True
            if line.startswith('""', at):
                at += 2
                continue
            quoted = False
        at = line.find(separator, at) + 1
        if not at:
            return False


def _row(text: str, line: int, separator: str, places: Mapping[str, int], width: int) -> Row | Problem:
    try:
        cells = next(csv.reader([text], delimiter=separator, strict=True))
    except csv.Error as error:
        return Problem(
            line, None, f"the quotes of this row are broken ({error}); double a quote inside a cell"
        )
    if len(cells) != width:
        return Problem(
            line, None, f"the row has {len(cells)} cells and the header {width}; quote cells with commas"
        )
    return Row(line, {name: cells[at].strip() for name, at in places.items()})


def read_time(text: str, zone: tzinfo) -> datetime:
    """A time as logs write it, in UTC. `zone` is for times that name none.

    Takes ISO 8601 and US dates (month first) with 12 or 24 hours and a zone as offset or US
    abbreviation. Raises ValueError, in a sentence, for anything else and for local times that
    the clocks skipped.
    """
    text = " ".join(text.replace("\u202f", " ").replace(",", " ").split())
    given: tzinfo | None = None
    if (match := _ZONE.match(text)) and match["zone"] in _OFFSETS and not _is_half_day(match["zone"]):
        given, text = timezone(timedelta(hours=_OFFSETS[match["zone"]])), match["time"].strip()
    moment = _naive_or_aware(text)
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    local = moment.replace(tzinfo=given or zone)
    back = local.astimezone(UTC).astimezone(given or zone)
    if back.replace(tzinfo=None) != moment:
        raise ValueError(
            f"there was no such local time in {zone} (the clocks were put forward); give --timezone"
        )
    return local.astimezone(UTC)


def _is_half_day(word: str) -> bool:
    return word.upper() in ("AM", "PM", "A", "P")


def _naive_or_aware(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    for form in _FORMATS:
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007 - the caller gives it its zone
        except ValueError:
            continue
    raise ValueError("not a time that is understood; write it as 2025-06-18T00:02:04Z")


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())
