"""A police department's own plate-reader audit, as its transparency page offers it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from models.search import Search, encode_search
from streams.adapters.base import UNKNOWN, Adapter, Given, Problem, checked
from streams.adapters.reasons import read_reason
from streams.adapters.table import Row, read_time, records

COLUMNS: dict[str, tuple[str, ...]] = {
    "id": ("search id",),
    "userId": ("user",),
    "searchDate": ("search time", "date"),
    "reason": ("search reason",),
}
_FIELDS = {"event_id": "id", "event_time": "searchDate", "requester_id": "userId", "reason_text": "reason"}


class AlprUserAudit(Adapter):
    """CSV with the columns id, userId, searchDate, cameraCount, reason; one row is one search.

    searchDate names no zone and is UTC unless --timezone says otherwise. userId is a pseudonym
    already and is kept; ingest replaces it once more, as it does with every staff identity.

    A plate-reader log says less than a face-search log: tool and gallery are `alpr`, image_source
    and unit are `unknown`, and purpose is read from the reason text with the vocabulary of
    `reasons.py`. Plates inside the reason text are replaced by `[plate]`. cameraCount is not
    carried. The agency comes from --agency, else it is `unknown`.

    Traps: a default text of the user interface stands in 182 rows of one season; automatic
    look-alike searches carry a plate in their reason; words are joined by `+`; the vocabulary
    changed within three months, from mostly "investigation" to kinds of crime.
    """

    name = "alpr-user-audit"

    def __init__(self, given: Given) -> None:
        super().__init__(given)
        self._seen: dict[str, int] = {}

    def rows(self, lines: Iterable[str]) -> Iterator[Search | Problem]:
        """The searches in the order of the file."""
        for record in records(lines, COLUMNS, ("id", "userId", "searchDate", "reason")):
            came = record if isinstance(record, Problem) else self._search(record)
            if isinstance(came, Search):
                content = hash(encode_search(came))
                known = self._seen.get(came.event_id)
                if known == content:
                    self.notes["rows repeated, taken once"] += 1
                    continue
                if known is None:
                    self._seen[came.event_id] = content
                else:
                    came = Problem(record.line, "id", "another row has this id and other content")
            yield came

    def _search(self, row: Row) -> Search | Problem:
        cells = row.cells
        for column in ("id", "userId", "searchDate"):
            if not cells[column]:
                return Problem(row.line, column, f"{column} is blank; it is needed")
        try:
            at = read_time(cells["searchDate"], self.given.zone)
        except ValueError as error:
            return Problem(row.line, "searchDate", str(error))
        reason = read_reason(cells["reason"], at.year)
        if reason.plates:
            self.notes["plates in reason texts, replaced"] += reason.plates
        agency = self.given.agency_id or UNKNOWN
        search = Search(
            event_id=cells["id"],
            event_time=at,
            source_id=self.source_id(agency),
            requester_id=cells["userId"],
            agency_id=agency,
            unit_id=UNKNOWN,
            tool="alpr",
            gallery="alpr",
            purpose=reason.purpose,
            image_source="unknown",
            case_number=reason.case_number,
            reason_text=reason.text or None,
        )
        return checked(search, row.line, _FIELDS)
