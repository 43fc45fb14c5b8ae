"""When a file of searches says that time has passed: one rule, used by `produce` and by replay.

Windows are closed by messages, never by a clock, so both ways of reading a file must put the same
ticks at the same places. This module decides where; the callers only write them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from models.days import instant
from models.search import Identifier, Instant, Tick
from models.serving import Statement

#: Event time between two ticks of one source, seconds.
EVERY_SECONDS = 6 * 3600.0
#: How far past the last event the closing tick lies, seconds: more than any lateness or idle time
#: in use, so that it closes every window.
CLOSE_AFTER_SECONDS = 10 * 86400.0


class Head(NamedTuple):
    """What is to be known of a search before it is judged: its source, its event_time in epoch seconds,
    and its agency if it names one."""

    source_id: str
    event_time: float
    agency_id: str | None = None


def head(raw: bytes) -> Head | None:
    """Source, time and agency of one line: plain JSON or a CloudEvents envelope.

    None when they cannot be read, or when the time is one that ingest refuses (before 2000 or
    after 2099), so that a line which will become a dead letter for its time moves no time.
    """
    try:
        found = _plain.decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        try:
            found = _envelope.decode(raw).data
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return None
    if not 2000 <= found.event_time.year <= 2099:
        return None
    agency = found.agency_id if isinstance(found.agency_id, str) else None
    return Head(found.source_id, found.event_time.timestamp(), agency)


class Ticker:
    """Turns the event times of a file, in the file's order, into ticks for each of its sources.

    The file's time is the *second* largest distinct event_time so far: one wrong clock, even if
    its record is repeated, cannot jump ahead and make every later search late. Ticks are due when
    that time enters another slot of `every_seconds` (slots are counted from 1970-01-01 UTC), and
    they go to all known sources, so that one which fell silent still learns that time goes on.
    `sources` are those of the whole file; one that appears only in `before` joins from then on.

    Two wrong clocks that agree to be in the future within one file do move it; ingest refuses
    such searches when their arrival time is known.

    >>> ticker = Ticker(3600, sources=["a", "b"])
    >>> due = [ticker.before("a", at) for at in (10.0, 20.0, 90_000.0, 3_700.0)]
    >>> [(tick.source_id, tick.tick.isoformat()) for tick in due[-1]]
    [('a', '1970-01-01T01:01:40+00:00'), ('b', '1970-01-01T01:01:40+00:00')]
    """

    def __init__(
        self,
        every_seconds: float = EVERY_SECONDS,
        *,
        sources: Iterable[str] = (),
        close_after_seconds: float = CLOSE_AFTER_SECONDS,
        models: Sequence[Statement] = (),
    ) -> None:
        """`models` are the statements that the ticks carry.

        Raises ValueError when `every_seconds` is not positive or `close_after_seconds` negative.
        """
        if not every_seconds > 0:
            raise ValueError(f"every_seconds must be above 0, not {every_seconds}")
        if not close_after_seconds >= 0:
            raise ValueError(f"close_after_seconds must not be below 0, not {close_after_seconds}")
        self.every_seconds = every_seconds
        self.close_after_seconds = close_after_seconds
        self._models = tuple(models)
        self._sources = sorted(set(sources))
        self._known = set(self._sources)
        self._largest = float("-inf")
        self._second = float("-inf")
        self._slot: float | None = None

    def before(self, source_id: str, event_time: float) -> list[Tick]:
        """The ticks to write before this search, in order of source; mostly none.

        `event_time` is in epoch seconds. A search that cannot be read has no time: do not ask.
        """
        if source_id not in self._known:
            self._known.add(source_id)
            self._sources = sorted(self._known)
        if event_time <= self._second or event_time == self._largest:
            return []
        if event_time > self._largest:
            self._second, self._largest = self._largest, event_time
        else:
            self._second = event_time
        if self._second == float("-inf"):
            return []
        slot = self._second // self.every_seconds
        if self._slot is None:
            self._slot = slot
        if slot <= self._slot:
            return []
        self._slot = slot
        return self._to_all(self._second)

    def close(self) -> list[Tick]:
        """The last ticks of a file: its end plus `close_after_seconds`; none for an empty file.

        They say that the file ends, so that nobody takes the rest of time for a silence."""
        if self._largest == float("-inf"):
            return []
        return self._to_all(self._end() + self.close_after_seconds, end=True)

    @property
    def now(self) -> float | None:
        """The file's time (epoch seconds); None until two different times have been seen."""
        return self._second if self._second > float("-inf") else None

    @property
    def doubtful(self) -> float | None:
        """The latest event_time (epoch seconds) if it is too far ahead of all others to be believed.

        It then lies more than `close_after_seconds` after the second latest, and `close` leaves
        its window open: say so to whoever owns the file.
        """
        return self._largest if self._largest > self._end() else None

    def _end(self) -> float:
        alone = self._second == float("-inf")
        believable = alone or self._largest - self._second <= self.close_after_seconds
        return self._largest if believable else self._second

    def _to_all(self, seconds: float, *, end: bool = False) -> list[Tick]:
        now = instant(seconds)
        return [Tick(tick=now, source_id=source, end=end, models=self._models) for source in self._sources]


def encode_tick(tick: Tick) -> bytes:
    """The tick as one compact JSON object, as it stands on `searches.raw`."""
    return _json.encode(tick)


class _Head(Struct):
    source_id: Identifier
    event_time: Instant
    agency_id: Any = None


class _Envelope(Struct):
    data: _Head


_plain = msgspec.json.Decoder(_Head)
_envelope = msgspec.json.Decoder(_Envelope)
_json = msgspec.json.Encoder()
