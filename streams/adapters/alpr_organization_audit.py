"""The organisation audit of a plate-reader network: who searched, in thirteen columns."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from models.search import Search, SearchType
from streams.adapters.base import UNKNOWN, Adapter, Given, Problem, checked
from streams.adapters.reasons import PLATE, find_case_number, read_reason
from streams.adapters.table import Row, read_time, records

COLUMNS: dict[str, tuple[str, ...]] = {
    "ID": ("search id", "audit id"),
    "Name": ("user", "user name"),
    "Org Name": ("organization", "organisation", "organization name", "agency"),
    "Total Networks Searched": ("networks", "total networks", "networks searched"),
    "Time Frame": ("timeframe", "search time frame"),
    "License Plate": ("plate", "licence plate", "plate number"),
    "Reason": ("search reason",),
    "Case #": ("case", "case number", "case no"),
    "Filters": ("filter",),
    "Search Time": ("search date", "time", "timestamp", "searched at"),
    "Search Type": ("type",),
    "Text Prompt": ("prompt", "freeform"),
    "Moderation": ("moderated",),
}
#: What the searcher did. Not: ID, number of networks and moderation, which each log writes its own way.
_WHAT_WAS_DONE = (
    "Org Name", "Name", "Search Time", "Search Type", "License Plate", "Reason", "Case #", "Time Frame",
    "Filters", "Text Prompt",
)  # fmt: skip
_TYPES: dict[str, SearchType] = {
    "lookup": "hotlist",
    "hotlist": "hotlist",
    "alert": "hotlist",
    "batch": "batch",
}
_SAME_ID = "another search has this ID; give each search its own"
_NO_ID = (
    "without an ID, it differs from another search in its plate alone, of which nothing may be told without "
    "a key; import with a key of pseudonyms, or give each search an ID"
)
_FIELDS = {
    "event_id": "ID", "event_time": "Search Time", "requester_id": "Name", "agency_id": "Org Name",
    "source_id": "Org Name", "case_number": "Case #", "reason_text": "Reason",
}  # fmt: skip


class AlprOrganizationAudit(Adapter):
    """CSV with ID, Name, Org Name, Total Networks Searched, Time Frame, License Plate, Reason,
    Case #, Filters, Search Time, Search Type, Text Prompt, Moderation.

    The plate is never carried: with a key it becomes the pseudonym in subject_ref, without one it
    is dropped and the summary says so. Names of staff are kept as given, because ingest replaces
    them under the same key as those of a live feed, so that both stay one person; keep the file
    of events as safe as the log. Text Prompt, which may describe a person, is not carried.

    Traps: `***` stands for redacted cells; a redacted name becomes `redacted`, one for the whole
    agency, so judge no person by it. Cells may hold line ends. Search times come in ISO or as
    06/18/2025, 03:22:10 PM UTC; those without a zone are taken for --timezone. `lookup` rows are
    automatic and get the search type `hotlist`. The agency is --agency, else Org Name.

    One search stands in the log of every organisation it reached. Rows that agree in Org Name,
    Name, Search Time, Search Type, License Plate, Reason, Case #, Time Frame, Filters and Text
    Prompt are one search and are taken once, also across the files of one import; logs that are
    redacted differently do not agree. A row without an ID gets one made from these cells, but
    never from the plate unless there is a key: a plain digest of a plate can be guessed.
    """

    name = "alpr-organization-audit"

    def __init__(self, given: Given) -> None:
        super().__init__(given)
        self._done: set[int] = set()
        self._ids: set[int] = set()

    def rows(self, lines: Iterable[str]) -> Iterator[Search | Problem]:
        """The searches in the order of the file, each once."""
        needed = ("Name", "Org Name", "License Plate", "Reason", "Search Time")
        for record in records(lines, COLUMNS, needed):
            if isinstance(record, Problem):
                yield record
                continue
            came = self._search(record)
            if isinstance(came, Problem):
                yield came
                continue
            done = _digest("\0".join(record.cells.get(name, "") for name in _WHAT_WAS_DONE))
            if done in self._done:
                self.notes["searches that stand in several logs, taken once"] += 1
                continue
            own = _digest(came.event_id)
            if own in self._ids:
                yield Problem(record.line, "ID", _SAME_ID if _open(record.cells.get("ID", "")) else _NO_ID)
                continue
            self._done.add(done)
            self._ids.add(own)
            yield came

    def _search(self, row: Row) -> Search | Problem:
        cells = row.cells
        try:
            at = read_time(cells["Search Time"], self.given.zone)
        except ValueError as error:
            return Problem(row.line, "Search Time", str(error))
        agency = self.given.agency_id or _slug(cells["Org Name"])
        if not agency:
            return Problem(row.line, "Org Name", "Org Name is blank or redacted; give --agency")
        name = _open(cells["Name"])
        if not name:
            self.notes["names of staff redacted in the log"] += 1
        plate = _open(cells["License Plate"])
        told = _open(cells["Reason"])
        if plate:
            told = re.sub(rf"(?<!\w){re.escape(plate)}(?!\w)", PLATE, told, flags=re.IGNORECASE)
        reason = read_reason(told, at.year)
        if reason.plates:
            self.notes["plates in reason texts, replaced"] += reason.plates
        case = _open(cells.get("Case #", ""))
        number, _ = find_case_number(case, at.year)
        if case and number is None:
            self.notes["Case # that is no case number, left out"] += 1
        kind = _TYPES.get(cells.get("Search Type", "").casefold(), "manual")
        subject = self._subject(plate)
        search = Search(
            event_id=_open(cells.get("ID", "")) or self._made_id(cells, subject, at),
            event_time=at,
            source_id=self.source_id(agency),
            requester_id=name or "redacted",
            agency_id=agency,
            unit_id=UNKNOWN,
            tool="alpr",
            gallery="alpr",
            purpose=reason.purpose,
            image_source="unknown",
            case_number=number or reason.case_number,
            reason_text=reason.text or None,
            subject_ref=subject,
            search_type=kind,
        )
        return checked(search, row.line, _FIELDS)

    def _subject(self, plate: str) -> str | None:
        plate = re.sub(r"[^A-Z0-9]", "", plate.upper())
        if not plate:
            return None
        if self.given.pseudonyms is None:
            self.notes["plates dropped, because there is no key"] += 1
            return None
        return self.given.pseudonyms(f"plate:{plate}")

    def _made_id(self, cells: Mapping[str, str], subject: str | None, at: datetime) -> str:
        self.notes["rows without an ID, given one"] += 1
        parts = [at.isoformat(), subject or ""]
        parts += [
            cells.get(name, "") for name in _WHAT_WAS_DONE if name not in ("Search Time", "License Plate")
        ]
        return "made-" + hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


def _open(cell: str) -> str:
    """The cell, or nothing when it is redacted."""
    return "" if not cell.strip("*█ ") or cell.casefold() in ("redacted", "[redacted]", "n/a") else cell


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", _open(name).casefold()).strip("-")


def _digest(text: str) -> int:
    # Eight bytes: among twelve million searches two agree by chance once in 250,000 imports.
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())
