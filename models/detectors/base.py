"""The contract between the engine and a detector.

A detector is one file in this folder. Its constructor takes its settings (a msgspec Struct that
refuses unknown keys) and the reference data; its state changes in `close` and `told` only. The engine calls:

* `observe(arrivals)` for searches that were accepted into open days: the fast lane. It costs a
  counter and a comparison a search and may give findings, which go out as provisional. However
  the log was cut into batches, each search must give the same finding: that of its own moment.
* `close(day)` when the agency's watermark has passed the end of a local day: the slow lane. The
  day is complete, free of repeats and in canonical order, so what `close` returns depends on the
  set of searches alone. These findings are final.
* `told(day, findings)` with what of these the budget (`models.budget`) lets become alerts.
* `weigh(day, found)` after every detector has closed the day: what all of them found, for the few
  that judge findings instead of searches.

Searches come as tables (`models.columns`): count places with numpy, and make a `Search` of a row
only to tell about it. A detector for which speed does not matter may walk a day as it stands:
`for search in day`.

`snapshot` gives the state as named blocks of bytes, `restore` takes them back; a detector that is
restored must behave as if it had never stopped. Counters for open days are not part of the state:
the engine feeds the open days through `observe` again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, NamedTuple

from msgspec import Meta, Struct

from models.alert import EntityKind, Finding, Kind
from models.columns import distinct
from models.p_values import PValues
from models.search import Search
from models.serving import Statement
from models.windows import Arrivals, Day

if TYPE_CHECKING:
    from models.reference import Reference


class Settings(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Settings every detector has."""

    episode_days: Annotated[int, Meta(ge=0, le=365)] = 7
    """Findings about one entity that are no further apart than this belong to one alert, which is
    amended instead of repeated."""


class Found(NamedTuple):
    """A finding, and which stanza it is from."""

    detector: str
    finding: Finding


class _Declared(ABC):
    """What detectors of agencies and of sources have in common: what they declare, and a state."""

    #: Name of the function in `config/detectors.yaml`; equals the file's name.
    function: ClassVar[str]
    kind: ClassVar[Kind] = "anomaly"
    #: Raised by one whenever the same input would give other findings.
    version: ClassVar[int] = 1
    settings_type: ClassVar[type[Settings]] = Settings
    #: Settings that only judge or fade: whatever they are, state that was written under others stays what
    #: it is. All others shape the state, which is refused when they change.
    judging: ClassVar[frozenset[str]] = frozenset({"episode_days"})
    #: Most bytes of state one key may take, stated and checked by the laws.
    bytes_per_key: ClassVar[int]

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        self.settings = settings
        #: To be told the p-values that `close` works out, whether or not they become findings.
        self.p_values = PValues()

    @abstractmethod
    def snapshot(self) -> dict[str, bytes]:
        """The state as named blocks; equal states give equal bytes."""

    @abstractmethod
    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take back what `snapshot` gave. Raises ValueError when a block is not readable."""

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Round what reads blocks in `restore`: raises ValueError with this detector's name where one is
        missing or not readable."""
        try:
            yield
        except (KeyError, ValueError) as error:
            raise ValueError(f"state of detector {self.name} cannot be read: {error!r}") from error


class Detector(_Declared):
    """Base of the detectors that watch one agency. One instance serves one agency."""

    #: p-value up to which a finding of the fast lane can go out; the engine lowers it to keep the budget.
    line: float = 1.0
    #: What was said about trained models so far; kept and set by the engine, no part of the state.
    statements: tuple[Statement, ...] = ()

    def __init__(self, name: str, settings: Settings, reference: Reference, agency_id: str) -> None:
        super().__init__(name, settings)
        self.reference = reference
        self.agency_id = agency_id

    @property
    def about(self) -> EntityKind:
        """What its findings are about, for the budget: people (also subjects and cases) or groups."""
        return "requester"

    def tested(self, day: Day) -> int:
        """How many keys the `close` of this day tested, for the budget. Default: all who searched."""
        return day.once("requesters", lambda: len(distinct(day.column("requester_id").codes)))

    def observe(self, arrivals: Sequence[Arrivals]) -> Iterable[tuple[int, Finding]]:
        """Fast lane: searches that arrived together, one entry for each open day that has some.
        Returns findings, each with the place of the search that gave it. Default: nothing yet."""
        return ()

    def judge(self, search: Search, at: float) -> Sequence[Finding]:
        """One search by itself, at epoch seconds `at`, without any window. Rules of policy answer
        here also for searches that come too late to be counted. Default: nothing."""
        return ()

    @abstractmethod
    def close(self, day: Day) -> Iterable[Finding]:
        """Slow lane: a complete day. Days come in order, empty ones included."""

    def weigh(self, day: Day, found: Sequence[Found]) -> Iterable[Finding]:
        """What `close` of all detectors found on a day, in the order of their names; what is weighed
        is not weighed again. Called after the last `close` of the day. Default: nothing."""
        return ()

    def told(self, day: Day, findings: Sequence[Finding]) -> None:
        """Called after `close` with those of its findings that were not held back by the budget, for
        those detectors whose state remembers what is known already. Default: nothing."""
        return

    def figures(self) -> Mapping[tuple[str, str], float]:
        """Figures of the last closed day for operations to show, (name, unit) -> number. Default: none."""
        return {}

    def counts(self) -> Mapping[tuple[str, str], int]:
        """What else is to be counted of the last closed day, (name, label) -> number. Default: nothing."""
        return {}

    def changes(self) -> Mapping[str, bytes | None]:
        """As `snapshot`, but None may stand for a block that is as it was at the last call of `changes`."""
        return self.snapshot()


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
    automatic: tuple[bool, ...] = ()
    """Whether a hot list or a batch made each search, in the order of `times`; empty if none."""


class SourceDetector(_Declared):
    """Base of the detectors that ask whether a log is whole. One instance serves one source."""

    def __init__(self, name: str, settings: Settings, source_id: str) -> None:
        super().__init__(name, settings)
        self.source_id = source_id

    def tick(self, complete_until: float, latest: float, latest_event: str) -> Finding | None:
        """Fast lane: time has passed. All searches before `complete_until` should have arrived;
        `latest` is the newest event time seen (epoch seconds), `latest_event` that search's id.
        Default: nothing to say."""
        return None

    def tested(self, day: SourceDay) -> int:
        """How many p-values the `close` of this day is to give, for the histogram. Default: one a day."""
        return 1

    @abstractmethod
    def close(self, day: SourceDay) -> Iterable[Finding]:
        """Slow lane: a complete day. Days come in order, empty ones included."""


def restore_each(detectors: Iterable[_Declared], blocks: Mapping[str, bytes]) -> None:
    """Give every detector its blocks among `detector/NAME/BLOCK`; one without any is new, or had nothing to
    keep, and stays as it was made. Raises ValueError, naming the detector."""
    for detector in detectors:
        prefix = f"detector/{detector.name}/"
        own = {name[len(prefix) :]: block for name, block in blocks.items() if name.startswith(prefix)}
        if not own:
            continue
        try:
            detector.restore(own)
        except ValueError as error:
            raise ValueError(f"detector {detector.name}: {error}") from error


__all__ = [
    "Arrivals",
    "Day",
    "Detector",
    "EntityKind",
    "Finding",
    "Found",
    "Settings",
    "SourceDay",
    "SourceDetector",
    "restore_each",
]
