"""One agency under watch: open days, the fast lane, and the closing of days.

A day stays open until the smallest watermark of the agency's sources has passed its end. Then all
its searches are put in canonical order and every detector judges the complete day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from models.alert import Alert
from models.book import Book, Reporter, episodes_longest
from models.days import LocalDays, LocalHour
from models.detectors.base import Day, Detector
from models.packing import Pack
from models.search import Search

NEVER = float("-inf")


class _State(Struct, array_like=True):
    closed: int | None
    """Last closed local day; None before the first."""
    marks: dict[str, float]
    """source_id -> watermark, epoch seconds."""
    absorbed: dict[str, int]
    """Partition of the raw log, in decimal, -> offset of the last search taken from it."""


class _OpenDay:
    """The searches of a day that is still open, as they arrived."""

    __slots__ = ("ids", "searches", "times")

    def __init__(self, searches: list[Search] | None = None) -> None:
        self.searches = searches or []
        self.times = [search.event_time.timestamp() for search in self.searches]
        self.ids = {
            search.event_id: (search.requester_id, at)
            for search, at in zip(self.searches, self.times, strict=True)
        }


class Agency:
    """State of one agency. `lateness` (seconds) is how long after a day's end it is known to be
    complete; it dates the final alerts."""

    def __init__(
        self,
        agency_id: str,
        *,
        days: LocalDays,
        sources: Sequence[str],
        lateness: float,
        detectors: Sequence[Detector],
        book: Book,
    ) -> None:
        self.agency_id = agency_id
        self._days = days
        self._lateness = lateness
        self._detectors = tuple(detectors)
        self._named = tuple(Reporter.of(detector) for detector in detectors)
        pairs = tuple(zip(self._detectors, self._named, strict=True))
        self._observers = tuple(
            (detector.observe, named)
            for detector, named in pairs
            if type(detector).observe is not Detector.observe
        )
        self._rules = tuple(pair for pair in pairs if pair[0].kind == "policy")
        self._book = book
        self._state = _State(None, dict.fromkeys(sources, NEVER), {})
        self._open: dict[int, _OpenDay] = {}
        self._changed = {"book", "detectors"}
        self._touched: set[int] = set()
        """Open days that changed since the last snapshot."""
        self._stored: set[str] = set()

    @property
    def watermark(self) -> float:
        """The smallest over the sources, epoch seconds."""
        return min(self._state.marks.values(), default=NEVER)

    @property
    def open_searches(self) -> int:
        """Searches kept until their day closes."""
        return sum(len(day.searches) for day in self._open.values())

    def take(self, pack: Pack) -> tuple[list[Alert], list[Search], int]:
        """Absorb one pack. Returns the alerts, the searches that came after their day had closed,
        and how many were repeats from another source."""
        state = self._state
        origin = str(pack.origin)
        last = state.absorbed.get(origin, -1)
        late = set(pack.late)
        marks = iter(pack.marks)
        mark = next(marks, None)
        alerts: list[Alert] = []
        after: list[Search] = []
        repeats = 0
        self._changed.add("state")
        for index, (offset, search) in enumerate(zip(pack.offsets, pack.searches, strict=True)):
            while mark is not None and mark[0] <= index:
                alerts += self._mark(mark[1], mark[2])
                mark = next(marks, None)
            if offset <= last:
                continue
            last = offset
            at = search.event_time.timestamp()
            hour = self._days.at(at)
            if index in late:
                alerts += self._late(search, at)
            elif state.closed is not None and hour.day <= state.closed:
                after.append(search)
                alerts += self._late(search, at)
            elif not self._accept(search, at, hour, alerts):
                repeats += 1
        while mark is not None:
            alerts += self._mark(mark[1], mark[2])
            mark = next(marks, None)
        state.absorbed[origin] = last
        return alerts, after, repeats

    def _accept(self, search: Search, at: float, hour: LocalHour, alerts: list[Alert]) -> bool:
        """Keep a search until its day closes and show it to the fast lane; False for a repeat."""
        day = self._open.get(hour.day)
        if day is None:
            day = self._open[hour.day] = _OpenDay()
        # Two logs may tell of one search; that two searches of different people share an id is chance.
        who = (search.requester_id, at)
        if day.ids.setdefault(search.event_id, who) is not who and self._is_repeat(day, search, who):
            return False
        day.searches.append(search)
        day.times.append(at)
        self._touched.add(hour.day)
        for observe, named in self._observers:
            for finding in observe(search, hour):
                alert = self._book.note(named, finding, self._days.start(hour.day), at)
                if alert is not None:
                    alerts.append(alert)
                    self._changed.add("book")
        return True

    def _is_repeat(self, day: _OpenDay, search: Search, who: tuple[str, float]) -> bool:
        return any(
            one.event_id == search.event_id and (one.requester_id, at) == who
            for one, at in zip(day.searches, day.times, strict=True)
        )

    def _mark(self, source_id: str, watermark: float) -> list[Alert]:
        marks = self._state.marks
        if watermark <= marks.get(source_id, NEVER):
            return []
        marks[source_id] = watermark
        return self._advance()

    def _late(self, search: Search, at: float) -> list[Alert]:
        """A late search is not counted, but what breaks a rule breaks it whenever it arrives."""
        alerts = []
        for detector, named in self._rules:
            for finding in detector.judge(search, at):
                alerts.append(self._book.once(named, finding, at))
                self._changed.add("detectors")
        return alerts

    def _advance(self) -> list[Alert]:
        state = self._state
        watermark = self.watermark
        if watermark == NEVER or (state.closed is None and not self._open):
            return []
        day = min(self._open) if state.closed is None else state.closed + 1
        alerts: list[Alert] = []
        while self._days.end(day) <= watermark:
            alerts += self._close(day)
            state.closed = day
            day += 1
            self._changed.update(("book", "detectors"))
        return alerts

    def _close(self, number: int) -> list[Alert]:
        opened = self._open.pop(number, None) or _OpenDay()
        self._touched.add(number)
        # No two agree in all three, so searches themselves are never compared.
        rows = sorted(
            (at, search.event_id, search.requester_id, search)
            for at, search in zip(opened.times, opened.searches, strict=True)
        )
        times = tuple(row[0] for row in rows)
        day = Day(
            agency_id=self.agency_id,
            number=number,
            start=self._days.start(number),
            end=self._days.end(number),
            searches=tuple(row[3] for row in rows),
            times=times,
            hours=tuple(self._days.at(at).hour for at in times),
        )
        alerts: list[Alert] = []
        for detector, named in zip(self._detectors, self._named, strict=True):
            alerts += self._book.close(
                named, detector.close(day), day.start, day.end, day.end + self._lateness
            )
        return alerts + self._book.end_day(day.start, day.end, episodes_longest(self._named))

    def snapshot(self, *, full: bool) -> dict[str, bytes]:
        """Blocks `state`, `book`, `open/N` for each open day, `detector/NAME/BLOCK`."""
        changed = self._changed
        blocks = {"state": _pack(self._state)}
        if full or "book" in changed:
            blocks["book"] = self._book.snapshot()
        for number, day in self._open.items():
            if full or number in self._touched:
                blocks[f"open/{number}"] = _pack(day.searches)
        if full or "detectors" in changed:
            judged = {
                f"detector/{detector.name}/{name}": block
                for detector in self._detectors
                for name, block in detector.snapshot().items()
            }
            blocks |= judged
            if not full:
                blocks |= dict.fromkeys(self._stored - judged.keys(), b"")
            self._stored = set(judged)
        if not full:
            blocks |= {f"open/{number}": b"" for number in self._touched if number not in self._open}
        self._touched.clear()
        changed.clear()
        return blocks

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take back a full snapshot. Raises ValueError when a block cannot be read."""
        try:
            self._state = msgspec.msgpack.decode(blocks["state"], type=_State)
            self._book.restore(blocks["book"])
            for name, block in blocks.items():
                if name.startswith("open/"):
                    self._open[int(name[5:])] = _OpenDay(msgspec.msgpack.decode(block, type=list[Search]))
        except (KeyError, msgspec.DecodeError) as error:
            raise ValueError(f"state of agency {self.agency_id!r} cannot be read: {error!r}") from error
        self._stored = {name for name in blocks if name.startswith("detector/")}
        for detector in self._detectors:
            prefix = f"detector/{detector.name}/"
            detector.restore({n[len(prefix) :]: b for n, b in blocks.items() if n.startswith(prefix)})
        for day in self._open.values():
            for search, at in zip(day.searches, day.times, strict=True):
                for observe, _ in self._observers:
                    observe(search, self._days.at(at))


_pack = msgspec.msgpack.Encoder(order="deterministic").encode
