"""One source's log as it arrives: repeats, lateness, its watermark, and whether it is whole.

The watermark is the event time before which nothing more is expected:

    max(second-latest event_time - lateness, latest tick - idle time)

The second-latest, because a single record with a wrong clock must not close every window. The
tick part lets time pass a source that has died. It binds when the tick names the source, or the
source was seen alive (a search within the idle time of a tick for all), or has sent nothing for as
long as its idle time; so last year's log can be loaded, with ticks of its own, while the clock ticks.
All of it depends only on the order of messages within the source, never on other sources or on a clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from operator import attrgetter, itemgetter
from typing import Literal, NamedTuple
from zlib import crc32

import msgspec
from msgspec import Struct

from models.alert import Alert
from models.book import Book, Reporter, episodes_longest
from models.days import LocalDays
from models.detectors.base import SourceDay, SourceDetector, restore_each
from models.search import Search

Verdict = Literal["accepted", "late", "duplicate", "conflict"]
NEVER = float("-inf")


class _Taken(NamedTuple):
    """An accepted search: event_time in epoch seconds, event_id, source_sequence, a check sum of what
    must not differ in a repeat, and whether a hot list or a batch made it."""

    at: float
    event_id: str
    sequence: int | None
    check: int
    automatic: bool = False


class _State(Struct, array_like=True):
    latest: float
    second: float
    tick: float
    alive: bool
    watermark: float
    closed: int | None
    latest_event: str
    heard: float = NEVER
    """Tick of the clock after which the last search came, taken or not."""
    ended: bool = False
    """The log was said to end with the latest search."""
    clock: float = NEVER
    """The latest tick for all sources; `tick` is the latest that binds."""


class SourceLog:
    """State of one source. `lateness` and `idle` in seconds; days are local to `days`."""

    def __init__(
        self,
        source_id: str,
        *,
        lateness: float,
        idle: float,
        days: LocalDays,
        detectors: tuple[SourceDetector, ...],
        book: Book,
    ) -> None:
        self.source_id = source_id
        self.lateness = lateness
        self.idle = max(idle, lateness)
        self._days = days
        self._detectors = detectors
        self._book = book
        self._state = _State(NEVER, NEVER, NEVER, False, NEVER, None, "")
        self.watermark = NEVER
        """Epoch seconds; minus infinity before anything is known."""
        self._open: dict[int, list[_Taken]] = {}
        # The open day of the latest search, and between which times it lies.
        self._today: list[_Taken] = []
        self._today_from = self._today_until = 0.0
        self._changed = {"book", "detectors"}
        self._touched: set[int] = set()
        """Open days that changed since the last snapshot."""
        self._seen: dict[str, int] = {}
        """event_id -> check sum, of all open days."""
        self.agencies: set[str] = set()
        """The agencies that this log is known to feed."""
        self.p_values: Counter[str] = Counter()
        """How p-values fell since the last look, by "detector|class"; whoever looks empties it."""
        self.next_mark = NEVER
        """From this watermark on there is something to close or to pass on."""

    @property
    def latest(self) -> float:
        """Event time of the latest search, epoch seconds."""
        return self._state.latest

    def take(self, search: Search, at: float) -> Verdict:
        """Judge one search with event time `at` and remember it when it is accepted."""
        event_id = search.event_id
        check = crc32(_encode(_told(search)), int(at * 1e6) & 0xFFFFFFFF)
        known = self._seen.get(event_id)
        if known is not None:
            return "duplicate" if known == check else "conflict"
        state = self._state
        state.heard = state.clock
        if at < self.watermark:
            return "late"
        self._seen[event_id] = check
        if not self._today_from <= at < self._today_until:
            self._turn(at)
        self._today.append(
            _Taken(at, event_id, search.source_sequence, check, search.search_type != "manual")
        )
        if at > state.latest:
            state.ended = False
            state.second, state.latest, state.latest_event = state.latest, at, event_id
        elif state.second < at < state.latest:
            state.second = at
        else:
            return "accepted"
        if state.second - self.lateness > self.watermark:
            self.watermark = state.second - self.lateness
        return "accepted"

    def _turn(self, at: float) -> None:
        """Go to the open day of a time."""
        day = self._days.at(at).day
        self._today = self._open.setdefault(day, [])
        self._today_from, self._today_until = self._days.start(day), self._days.end(day)
        self._touched.add(day)

    def tick(self, at: float, *, named: bool, end: bool = False) -> list[Alert]:
        """Time has reached `at`, epoch seconds; `named` when the tick is for this source alone,
        `end` when the log is said to end here."""
        state = self._state
        if not named:
            # Aliveness is a matter of the clock: a file's own ticks say nothing about it.
            if at <= state.clock:
                return []
            state.clock = at
            self._changed.add("state")
            if state.heard == NEVER:
                state.heard = at
            state.alive = state.alive or state.latest > at - self.idle
            if not (state.alive or at - state.heard > self.idle):
                return []
        if at <= state.tick:
            return []
        state.tick = at
        self._changed.add("state")
        self.watermark = max(self.watermark, at - self.idle)
        state.ended = state.ended or end
        alerts = []
        if state.latest > NEVER and not state.ended:
            for detector in self._detectors:
                complete_until = at - self.lateness
                finding = detector.tick(complete_until, state.latest, state.latest_event)
                if finding is not None:
                    start = self._days.start(self._days.at(complete_until).day)
                    alert = self._book.note(Reporter.of(detector), finding, start, at)
                    if alert is not None:
                        alerts.append(alert)
                        self._changed.add("book")
        return alerts

    def advance(self) -> list[Alert]:
        """Close the days that the watermark has passed."""
        state = self._state
        if state.closed is None:
            if not self._open:
                return []
            first = min(self._open) - 1
        else:
            first = state.closed
        alerts: list[Alert] = []
        day = first + 1
        while self._days.end(day) <= self.watermark:
            alerts += self._close(day)
            state.closed = day
            day += 1
        if alerts or day > first + 1:
            self._changed.update(("state", "book", "detectors"))
        return alerts

    def _close(self, number: int) -> list[Alert]:
        # By time, as good as ever all there is to it, and then by id: ids are unique, so sequence numbers,
        # of which some may be None, are never compared.
        rows = self._open.pop(number, [])
        rows.sort(key=_time_of)
        rows.sort()
        self._touched.add(number)
        self._today_until = self._today_from
        times, event_ids, sequences, _, automatic = zip(*rows, strict=True) if rows else ((),) * 5
        for event_id in event_ids:
            del self._seen[event_id]
        day = SourceDay(
            source_id=self.source_id,
            number=number,
            start=self._days.start(number),
            end=self._days.end(number),
            times=times,
            event_ids=event_ids,
            sequences=sequences,
            ended=self._state.ended and self._days.end(number) > self._state.latest,
            automatic=automatic,
        )
        alerts: list[Alert] = []
        named = [Reporter.of(detector) for detector in self._detectors]
        for detector, who in zip(self._detectors, named, strict=True):
            alerts += self._book.close(who, detector.close(day), day.start, day.end, day.end + self.lateness)
            if detector.p_values.some:
                for place, count in detector.p_values.take(detector.tested(day)).items():
                    self.p_values[f"{detector.name}|{place}"] += count
        return alerts + self._book.end_day(day.start, day.end, episodes_longest(named))

    def snapshot(self, *, full: bool) -> dict[str, bytes]:
        """State blocks: `state`, `book`, `day/N` for each open day, `detector/NAME/BLOCK`."""
        changed = self._changed
        self._state.watermark = self.watermark
        blocks = {"state": _encode(self._state)}
        if full or "book" in changed:
            blocks["book"] = self._book.snapshot()
        for number, opened in self._open.items():
            if full or number in self._touched:
                blocks[f"day/{number}"] = _encode(opened)
        if full or "detectors" in changed:
            for detector in self._detectors:
                for name, block in detector.snapshot().items():
                    blocks[f"detector/{detector.name}/{name}"] = block
        if not full:
            blocks |= {f"day/{number}": b"" for number in self._touched if number not in self._open}
        self._touched.clear()
        self._today_until = self._today_from
        changed.clear()
        return blocks

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take back a full snapshot. Raises ValueError when a block cannot be read."""
        try:
            self._state = msgspec.msgpack.decode(blocks["state"], type=_State)
            self.watermark = self._state.watermark
            for name, block in blocks.items():
                if name.startswith("day/"):
                    opened = msgspec.msgpack.decode(block, type=list[_Taken])
                    self._open[int(name[4:])] = opened
                    self._seen.update((taken.event_id, taken.check) for taken in opened)
            self._book.restore(blocks["book"])
        except (KeyError, msgspec.DecodeError) as error:
            raise ValueError(f"state of source {self.source_id!r} cannot be read: {error!r}") from error
        restore_each(self._detectors, blocks)


#: What a repeat of an event must agree in, besides its time. Times of arrival, sequence numbers and
#: what is known later (outcomes, training) may differ.
_told = attrgetter(
    "requester_id", "agency_id", "tool", "purpose", "case_number", "subject_ref", "image_source", "unit_id",
    "search_type", "gallery", "warrant_ref", "exigent", "requesting_agency", "workstation_id", "approver_id",
)  # fmt: skip
_time_of = itemgetter(0)
_encode = msgspec.msgpack.Encoder(order="deterministic").encode
