"""What an adapter is: the rows of an outside log as searches, and what is wrong with the others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple
from zoneinfo import ZoneInfo

from models.decoding import decode
from models.pseudonym import Pseudonyms
from models.search import Refusal, Search, encode_search

#: Stands for a unit or agency that the log does not tell.
UNKNOWN = "unknown"


class Problem(NamedTuple):
    """A row that cannot be used: the line of the file at which it begins, the field in the file's
    own words, and what to do about it. Never holds the row's content, which may be a plate."""

    line: int
    field: str | None
    detail: str


class WrongFormat(ValueError):
    """The file as a whole is not what the adapter reads; the message says what is missing."""


@dataclass(frozen=True)
class Given:
    """What the person who imports knows and the file does not.

    `pseudonyms` is None without a key: then whatever would need one is left out. `zone` is for
    times that name none.
    """

    agency_id: str | None = None
    source_id: str | None = None
    pseudonyms: Pseudonyms | None = None
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))


class Adapter(ABC):
    """One format. The class docstring is the user's page: what the format is, and its traps.

    One instance reads all files of one import, so it can recognise what they repeat.
    """

    name: ClassVar[str]

    def __init__(self, given: Given) -> None:
        self.given = given
        #: What happened to the rows besides being taken or refused, for the summary.
        self.notes: Counter[str] = Counter()

    @abstractmethod
    def rows(self, lines: Iterable[str]) -> Iterator[Search | Problem]:
        """The searches of one file in its order. Raises WrongFormat when it is another format."""

    def source_id(self, agency_id: str) -> str:
        """The source under which the rows are filed: the given one, or agency and format."""
        return self.given.source_id or f"{agency_id}.{self.name}"


def checked(search: Search, line: int, columns: dict[str, str]) -> Search | Problem:
    """The search if ingest will take it, else the problem in the words of the file's columns."""
    came = decode(encode_search(search), None)
    if isinstance(came, Refusal):
        return Problem(line, columns.get(came.field or "", came.field), came.detail)
    return search
