"""One source's log as it arrives: repeats, lateness, its watermark, and whether it is whole.

The watermark is the event time before which nothing more is expected:

    max(second-latest event_time - lateness, latest tick - idle time)

The second-latest, because a single record with a wrong clock must not close every window. The
tick part lets time pass a source that has died; it binds only sources that are declared, or that
were seen alive (a search within the idle time of a tick), or ticks that name the source, so that
last year's log can be loaded while the clock ticks. All of it depends only on the order of
messages within the source, never on other sources or on a clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal
from zlib import crc32

import msgspec
from msgspec import Struct

from models.alert import Alert
from models.book import Book, Reporter, episodes_longest
from models.days import LocalDays
from models.detectors.base import SourceDay, SourceDetector
from models.search import Search

Verdict = Literal["accepted", "late", "duplicate", "conflict"]
NEVER = float("-inf")


class _OpenDay(Struct, array_like=True):
    seen: dict[str, int]
    """event_id -> check sum of what must not differ in a repeat."""
    times: list[float]
    sequences: list[int | None]


class _State(Struct, array_like=True):
    latest: float
    second: float
    tick: float
    alive: bool
    watermark: float
    closed: int | None
    latest_event: str
    ended: bool = False
    """The log was said to end with the latest search."""


class SourceLog:
    """State of one source. `lateness` and `idle` in seconds; days are local to `days`."""

    def __init__(
        self,
        source_id: str,
        *,
        lateness: float,
        idle: float,
        declared: bool,
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
        self._state = _State(NEVER, NEVER, NEVER, declared, NEVER, None, "")
        self._open: dict[int, _OpenDay] = {}
        self._changed = {"book", "detectors"}

    @property
    def watermark(self) -> float:
        """Epoch seconds; minus infinity before anything is known."""
        return self._state.watermark

    def take(self, search: Search, at: float) -> Verdict:
        """Judge one search with event time `at` and remember it when it is accepted."""
        state = self._state
        if at < state.watermark:
            return "late"
        day = self._days.at(at).day
        check = _check(search, at)
        for open_day in self._open.values():
            known = open_day.seen.get(search.event_id)
            if known is not None:
                return "duplicate" if known == check else "conflict"
        open_day = self._open.get(day)  # type: ignore[assignment]
        if open_day is None:
            open_day = self._open[day] = _OpenDay({}, [], [])
        open_day.seen[search.event_id] = check
        open_day.times.append(at)
        open_day.sequences.append(search.source_sequence)
        self._changed.add(f"day/{day}")
        if at > state.latest:
            state.ended = False
            state.second, state.latest, state.latest_event = state.latest, at, search.event_id
        elif at > state.second:
            state.second = at
        if not state.alive and state.latest > state.tick - self.idle and state.tick > NEVER:
            state.alive = True
        if state.second - self.lateness > state.watermark:
            state.watermark = state.second - self.lateness
        return "accepted"

    def tick(self, at: float, *, named: bool, end: bool = False) -> list[Alert]:
        """Time has reached `at`, epoch seconds; `named` when the tick is for this source alone,
        `end` when the log is said to end here."""
        state = self._state
        if at <= state.tick:
            return []
        state.tick = at
        self._changed.add("state")
        if not (named or state.alive):
            return []
        state.watermark = max(state.watermark, at - self.idle)
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
        while self._days.end(day) <= state.watermark:
            alerts += self._close(day)
            state.closed = day
            day += 1
        if alerts or day > first + 1:
            self._changed.update(("state", "book", "detectors"))
        return alerts

    def _close(self, number: int) -> list[Alert]:
        open_day = self._open.pop(number, None) or _OpenDay({}, [], [])
        self._changed.add(f"day/{number}")
        rows = sorted(
            zip(open_day.times, open_day.seen, open_day.sequences, strict=True), key=lambda row: row[:2]
        )
        day = SourceDay(
            source_id=self.source_id,
            number=number,
            start=self._days.start(number),
            end=self._days.end(number),
            times=tuple(row[0] for row in rows),
            event_ids=tuple(row[1] for row in rows),
            sequences=tuple(row[2] for row in rows),
            ended=self._state.ended and self._days.end(number) > self._state.latest,
        )
        alerts: list[Alert] = []
        named = [Reporter.of(detector) for detector in self._detectors]
        for detector, who in zip(self._detectors, named, strict=True):
            alerts += self._book.close(who, detector.close(day), day.start, day.end, day.end + self.lateness)
        return alerts + self._book.end_day(day.start, day.end, episodes_longest(named))

    def snapshot(self, *, full: bool) -> dict[str, bytes]:
        """State blocks: `state`, `book`, `day/N` for each open day, `detector/NAME/BLOCK`."""
        changed = self._changed
        blocks = {"state": _pack(self._state)}
        if full or "book" in changed:
            blocks["book"] = self._book.snapshot()
        for number, open_day in self._open.items():
            if full or f"day/{number}" in changed:
                blocks[f"day/{number}"] = _pack(open_day)
        if full or "detectors" in changed:
            for detector in self._detectors:
                for name, block in detector.snapshot().items():
                    blocks[f"detector/{detector.name}/{name}"] = block
        for name in changed:
            if name.startswith("day/") and int(name[4:]) not in self._open:
                blocks[name] = b""
        if full:
            blocks = {name: block for name, block in blocks.items() if block}
        changed.clear()
        return blocks

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take back a full snapshot. Raises ValueError when a block cannot be read."""
        try:
            self._state = msgspec.msgpack.decode(blocks["state"], type=_State)
            for name, block in blocks.items():
                if name.startswith("day/"):
                    self._open[int(name[4:])] = msgspec.msgpack.decode(block, type=_OpenDay)
            self._book.restore(blocks["book"])
        except (KeyError, msgspec.DecodeError) as error:
            raise ValueError(f"state of source {self.source_id!r} cannot be read: {error!r}") from error
        for detector in self._detectors:
            prefix = f"detector/{detector.name}/"
            detector.restore({n[len(prefix) :]: b for n, b in blocks.items() if n.startswith(prefix)})


def _check(search: Search, at: float) -> int:
    """What a repeat of an event must agree in. Times of arrival and sequence numbers may differ."""
    said = (
        f"{at!r}\0{search.requester_id}\0{search.agency_id}\0{search.tool}\0{search.purpose}\0"
        f"{search.case_number}\0{search.subject_ref}\0{search.image_source}"
    )
    return crc32(said.encode())


_pack = msgspec.msgpack.Encoder(order="deterministic").encode
