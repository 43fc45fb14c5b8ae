"""The contract between the engine and a detector.

A detector is one file in this folder. Its constructor takes its settings (a msgspec Struct that
refuses unknown keys) and the reference data; its state changes in `close` only. The engine calls:

* `observe(search, at)` for each accepted search of an open day, in arrival order: the fast lane.
  It costs a counter and a comparison and may return findings, which go out as provisional.
* `close(day)` when the agency's watermark has passed the end of a local day: the slow lane.
  `day.searches` is complete, free of repeats and in canonical order (event_time, event_id), so
  what `close` returns depends on the set of searches alone. These findings are final.

`snapshot` gives the state as named blocks of bytes, `restore` takes them back; a detector that is
restored must behave as if it had never stopped. Counters for open days are not part of the state:
the engine feeds the open days through `observe` again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta, Struct

from models.alert import EntityKind, Finding, Kind
from models.days import LocalHour
from models.search import Search

if TYPE_CHECKING:
    from models.reference import Reference


class Settings(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Settings every detector has."""

    episode_days: Annotated[int, Meta(ge=0, le=365)] = 7
    """Findings about one entity that are no further apart than this belong to one alert, which is
    amended instead of repeated."""


@dataclass(frozen=True, slots=True)
class Day:
    """A closed local day of one agency."""

    agency_id: str
    number: int
    """Local calendar day as `date.toordinal()`."""
    start: float
    end: float
    """Epoch seconds; a day is 23, 24 or 25 hours long."""
    searches: tuple[Search, ...]
    """All accepted searches of the day, in canonical order."""
    times: tuple[float, ...]
    """`event_time` of each search, epoch seconds."""
    hours: tuple[int, ...]
    """Local hour 0-23 of each search."""
    _groups: dict[str, dict[str, list[int]]] = field(default_factory=dict, repr=False, compare=False)

    def manual_by(self, name: str) -> Mapping[str, list[int]]:
        """Places in `searches` by the value of a text field, in canonical order; automatic look-ups
        (hot list, batch) are left out. Made once and shared by all detectors."""
        groups = self._groups.get(name)
        if groups is None:
            groups = self._groups[name] = {}
            for index, (value, kind) in enumerate(map(attrgetter(name, "search_type"), self.searches)):
                if kind == "manual":
                    if value in groups:
                        groups[value].append(index)
                    else:
                        groups[value] = [index]
        return groups


class Detector(ABC):
    """Base of the detectors that watch one agency. One instance serves one agency."""

    #: Name of the function in `config/detectors.yaml`; equals the file's name.
    function: ClassVar[str]
    kind: ClassVar[Kind] = "anomaly"
    #: Raised by one whenever the same input would give other findings.
    version: ClassVar[int] = 1
    settings_type: ClassVar[type[Settings]] = Settings
    #: Most bytes of state one key may take, stated and checked by the laws.
    bytes_per_key: ClassVar[int]

    def __init__(self, name: str, settings: Settings, reference: Reference, agency_id: str) -> None:
        self.name = name
        self.settings = settings
        self.reference = reference
        self.agency_id = agency_id

    def observe(self, search: Search, at: LocalHour) -> Sequence[Finding]:
        """Fast lane: one accepted search of an open day. Default: nothing to say yet."""
        return ()

    def judge(self, search: Search, at: float) -> Sequence[Finding]:
        """One search by itself, at epoch seconds `at`, without any window. Rules of policy answer
        here also for searches that come too late to be counted. Default: nothing."""
        return ()

    @abstractmethod
    def close(self, day: Day) -> Iterable[Finding]:
        """Slow lane: a complete day. Days come in order, empty ones included."""

    @abstractmethod
    def snapshot(self) -> dict[str, bytes]:
        """The state as named blocks; equal states give equal bytes."""

    @abstractmethod
    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take back what `snapshot` gave. Raises ValueError when a block is not readable."""


@dataclass(frozen=True, slots=True)
class SourceDay:
    """A closed day of one source: what the log itself looked like, whoever searched."""

    source_id: str
    number: int
    start: float
    end: float
    times: tuple[float, ...]
    """Event times of the accepted searches, ascending, epoch seconds."""
    sequences: tuple[int | None, ...]
    """`source_sequence` of each search, in the order of `times`."""
    event_ids: tuple[str, ...]
    ended: bool = False
    """The log was said to end in or before this day: nothing follows from what is not there."""


class SourceDetector(ABC):
    """Base of the detectors that ask whether a log is whole. One instance serves one source."""

    function: ClassVar[str]
    kind: ClassVar[Kind] = "anomaly"
    version: ClassVar[int] = 1
    settings_type: ClassVar[type[Settings]] = Settings
    bytes_per_key: ClassVar[int]

    def __init__(self, name: str, settings: Settings, source_id: str) -> None:
        self.name = name
        self.settings = settings
        self.source_id = source_id

    def tick(self, complete_until: float, latest: float, latest_event: str) -> Finding | None:
        """Fast lane: time has passed. All searches before `complete_until` should have arrived;
        `latest` is the newest event time seen (epoch seconds), `latest_event` that search's id.
        Default: nothing to say."""
        return None

    @abstractmethod
    def close(self, day: SourceDay) -> Iterable[Finding]:
        """Slow lane: a complete day. Days come in order, empty ones included."""

    @abstractmethod
    def snapshot(self) -> dict[str, bytes]:
        """The state as named blocks; equal states give equal bytes."""

    @abstractmethod
    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take back what `snapshot` gave. Raises ValueError when a block is not readable."""


__all__ = ["Day", "Detector", "EntityKind", "Finding", "Settings", "SourceDay", "SourceDetector"]
