"""One agency under watch: open days, the fast lane, and the closing of days.

A day stays open until the smallest watermark of the agency's sources has passed its end. Then all
its searches are put in canonical order and every detector judges the complete day.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from hashlib import blake2b
from itertools import accumulate
from operator import itemgetter

import msgspec
import numpy as np
from msgspec import Struct

from models.alert import Alert, Finding
from models.book import Book, Reporter, episodes_longest, key_of
from models.budget import Budget, BudgetSettings, Candidate, Stanza
from models.columns import Ints, Packed, Rows, Table, distinct, pack_exactly, unpack
from models.days import LocalDays
from models.detectors.base import Detector, Found, restore_each
from models.packing import Mark, Pack
from models.search import Search
from models.serving import Statement, known
from models.windows import Arrivals, Day, OpenDay

NEVER = float("-inf")
LAST_DAY = date(2100, 12, 31).toordinal()


class _State(Struct, array_like=True):
    closed: int | None
    """Last closed local day; None before the first."""
    marks: dict[str, float]
    """source_id -> watermark, epoch seconds."""
    absorbed: dict[str, int]
    """Partition of the raw log, in decimal, -> offset of the last search taken from it."""
    statements: tuple[Statement, ...] = ()
    """What was said about models, by number."""


class _Intake:
    """Packs on their way into the open days, and what came of them so far.

    Searches have places, counted through all packs. `new` tells which were not absorbed before.
    """

    def __init__(self, packs: Sequence[Pack], days: LocalDays, absorbed: dict[str, int]) -> None:
        self._tables = [whole.searches for whole in packs]
        self._starts = [0, *accumulate(len(whole.offsets) for whole in packs)]
        self.size = self._starts[-1]
        self.times = np.concatenate([table.times for table in self._tables])
        self.days = days.all_at(self.times)[0]
        """The local day of each search."""
        self.new = np.zeros(self.size, np.bool_)
        self.late = np.zeros(self.size, np.bool_)
        self.marks: list[Mark] = []
        self.statements: dict[int, list[Statement]] = {}
        """By index of the mark that they come before."""
        for whole, start in zip(packs, self._starts, strict=False):
            origin, offsets = str(whole.origin), whole.offsets
            before = absorbed.get(origin, -1)
            self.new[start : start + len(offsets)] = offsets > before
            if len(offsets):
                absorbed[origin] = max(before, int(offsets[-1]))
            self.late[[start + index for index in whole.late]] = True
            for index, statement in whole.statements:
                self.statements.setdefault(len(self.marks) + index, []).append(statement)
            self.marks += ((start + place, *mark) for place, *mark in whole.marks)  # type: ignore[misc]
        self.alerts: list[Alert] = []
        self.after: list[Search] = []
        self.repeats = 0

    def search(self, place: int) -> Search:
        """One search as an object."""
        table = bisect_right(self._starts, place) - 1
        return self._tables[table].search(place - self._starts[table])

    def parts(self, places: Ints) -> Iterator[tuple[Table, Ints]]:
        """The searches at some places (ascending) as tables, and the places of each table's."""
        cuts = np.searchsorted(places, self._starts)
        for table, start, first, end in zip(self._tables, self._starts, cuts, cuts[1:], strict=False):
            if first < end:
                part = places[first:end]
                yield table if len(part) == len(table) else Rows(table, part - start), part


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
        budget: BudgetSettings | None = None,
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
        self._weighers = tuple(pair for pair in pairs if type(pair[0]).weigh is not Detector.weigh)
        self._book = book
        self._budget = Budget(budget, _rationed(self._detectors)) if budget is not None else None
        self._state = _State(None, dict.fromkeys(sources, NEVER), {})
        self._open: dict[int, OpenDay] = {}
        self._changed = {"book", "detectors"}
        self._touched: set[int] = set()
        """Open days that changed since the last snapshot."""
        self._due = NEVER
        """A mark below this closes no day; the end of the next one when it is known."""
        self._counts: Counter[tuple[str, str]] = Counter()
        self._stored: dict[str, bytes] = {}
        """Digests of the detectors' blocks as they were given last."""

    @property
    def watermark(self) -> float:
        """The smallest over the sources, epoch seconds."""
        return min(self._state.marks.values(), default=NEVER)

    @property
    def open_searches(self) -> int:
        """Searches kept until their day closes."""
        return sum(map(len, self._open.values()))

    def take(self, packs: Sequence[Pack]) -> tuple[list[Alert], list[Search], int]:
        """Absorb packs, one or more. Returns the alerts, the searches that came after their day had
        closed, and how many were repeats from another source."""
        state = self._state
        intake = _Intake(packs, self._days, state.absorbed)
        self._changed.add("state")
        first = 0
        for index, (place, source_id, watermark) in enumerate(intake.marks):
            if index in intake.statements:
                self._serve(intake.statements[index])
            if watermark <= state.marks.get(source_id, NEVER):
                continue
            state.marks[source_id] = watermark
            if (
                watermark >= self._due
                and self._days.end(self._next_day(intake, first, place)) <= self.watermark
            ):
                # Only where a day closes does it matter what came before and what after.
                self._accept(intake, first, place)
                first = place
                intake.alerts += self._advance()
        self._accept(intake, first, intake.size)
        self._counts["judged", ""] += int(intake.new.sum())
        return intake.alerts, intake.after, intake.repeats

    def _serve(self, statements: Iterable[Statement] = ()) -> None:
        """Keep what is said about models, and let the detectors know all of it."""
        self._state.statements = known([*self._state.statements, *statements])
        for detector in self._detectors:
            detector.statements = self._state.statements

    def counts(self) -> Mapping[tuple[str, str], int]:
        """What is to be counted since the last call, as in `models.stage.Output`: searches judged, p-values
        by detector and class, new findings that the budget told or held back, and days that it judged."""
        found, self._counts = self._counts, Counter()
        return found

    def figures(self) -> Iterator[tuple[tuple[str, str], float]]:
        """Figures of the last closed day, (name, "detector|unit") -> number, and how large the largest
        demonstration of that day was, as the calendar weighs it."""
        for detector in self._detectors:
            for (name, unit), value in detector.figures().items():
                yield (name, f"{detector.name}|{unit}"), value
        if self._state.closed is not None and self._detectors:
            calendar = self._detectors[0].reference.calendar
            yield ("calendar_weight", ""), calendar.weight(self.agency_id, self._state.closed)

    def _accept(self, intake: _Intake, first: int, end: int) -> None:
        """Put the searches from `first` up to `end` into their days and show them to the fast lane."""
        kept = np.flatnonzero(intake.new[first:end]) + first
        if not len(kept):
            return
        said: list[tuple[int, Alert]] = []
        missed = intake.late[kept]
        if (closed := self._state.closed) is not None:
            missed = missed | (intake.days[kept] <= closed)
        if missed.any():
            for place in kept[missed].tolist():
                search = intake.search(place)
                if not intake.late[place]:
                    intake.after.append(search)
                said += ((place, alert) for alert in self._late(search, float(intake.times[place])))
            kept = kept[~missed]
        arrivals = []
        for number in distinct(intake.days[kept]).tolist():
            new = self._keep(number, intake, kept[intake.days[kept] == number])
            if new is not None:
                arrivals.append(new)
        found = [
            (place, index, finding)
            for index, (observe, _) in enumerate(self._observers)
            for place, finding in observe(arrivals)
        ]
        for place, index, finding in sorted(found, key=itemgetter(0, 1)):
            day_start, at = self._days.start(int(intake.days[place])), float(intake.times[place])
            named = self._observers[index][1]
            if not self._affords(named, finding, day_start):
                continue
            alert = self._book.note(named, finding, day_start, at)
            if alert is not None:
                said.append((place, alert))
                self._changed.add("book")
        intake.alerts += (alert for _, alert in sorted(said, key=itemgetter(0)))

    def _affords(self, named: Reporter, finding: Finding, day_start: float) -> bool:
        """Whether a finding of the fast lane can go out before its day is complete."""
        budget = self._budget
        if budget is None or finding.p_value is None or named.kind != "anomaly":
            return True
        most = budget.settings.alerts_a_day
        return finding.p_value <= budget.line(named.name) and self._book.noted_on(day_start) < most

    def _keep(self, number: int, intake: _Intake, places: Ints) -> Arrivals | None:
        """Put searches into their open day, repeats left out."""
        day = self._open.get(number)
        if day is None:
            day = self._open[number] = OpenDay(number)
        first, kept = len(day), []
        for part, own in intake.parts(places):
            fresh = day.fresh(part)
            if fresh is not None:
                intake.repeats += len(own) - len(fresh)
                part, own = Rows(part, fresh), own[fresh]
            if len(own):
                day.add(part)
                kept.append(own)
        if not kept:
            return None
        self._touched.add(number)
        return Arrivals(day, first, np.concatenate(kept))

    def _late(self, search: Search, at: float) -> list[Alert]:
        """A late search is not counted, but what breaks a rule breaks it whenever it arrives."""
        alerts = []
        for detector, named in self._rules:
            for finding in detector.judge(search, at):
                alerts.append(self._book.once(named, finding, at))
                self._changed.add("detectors")
        return alerts

    def _next_day(self, intake: _Intake, first: int, end: int) -> int:
        """The day that is to be closed next, with the searches from `first` up to `end` in it."""
        if self._state.closed is not None:
            return self._state.closed + 1
        coming = intake.new[first:end] & ~intake.late[first:end]
        return min([*self._open, *distinct(intake.days[first:end][coming]).tolist()], default=LAST_DAY)

    def _advance(self) -> list[Alert]:
        state = self._state
        alerts: list[Alert] = []
        if state.closed is None and not self._open:
            return alerts
        day = min(self._open) if state.closed is None else state.closed + 1
        while self._days.end(day) <= self.watermark:
            alerts += self._close(day)
            state.closed = day
            day += 1
            self._due = self._days.end(day)
            self._changed.update(("book", "detectors"))
        return alerts

    def _close(self, number: int) -> list[Alert]:
        self._touched.add(number)
        arrived = self._open.pop(number) if number in self._open else OpenDay(number)
        day = Day(self.agency_id, number, self._days, arrived)
        alerts: list[Alert] = []
        all_found: list[Found] = []

        def tell(named: Reporter, findings: Iterable[Finding]) -> None:
            alerts.extend(self._book.close(named, findings, day.start, day.end, day.end + self._lateness))

        found = [list(detector.close(day)) for detector in self._detectors]
        tested = {detector.name: detector.tested(day) for detector in self._detectors}
        kept, held = self._ration(day, found, tested)
        for detector, named, own, said in zip(self._detectors, self._named, found, kept, strict=True):
            all_found += (Found(named.name, finding) for finding in own)
            # Until a first value came, nothing is known about the detector.
            if detector.p_values.some or detector.p_values.ever:
                for place, count in detector.p_values.take(tested[detector.name]).items():
                    self._counts["p_values", f"{named.name}|{place}"] += count
            for (what, label), count in detector.counts().items():
                self._counts[what, "|".join(filter(None, (named.name, label)))] += count
            detector.told(day, said)
            tell(named, said)
        for detector, named in self._weighers:
            tell(named, detector.weigh(day, all_found))
        return alerts + self._book.end_day(day.start, day.end, episodes_longest(self._named), held)

    def _ration(
        self, day: Day, found: Sequence[list[Finding]], tested: Mapping[str, int]
    ) -> tuple[Sequence[list[Finding]], frozenset[str]]:
        """What of each detector's findings is told, and the keys of what the budget holds back.
        `tested` has the number of keys that each tested."""
        budget = self._budget
        if budget is None:
            return found, frozenset()
        places = [
            (which, finding)
            for which, (named, own) in enumerate(zip(self._named, found, strict=True))
            for finding in own
            if named.kind == "anomaly" and finding.p_value is not None
        ]
        candidates = [
            Candidate(
                self._named[which].name,
                key_of(self._named[which], finding),
                finding.p_value or 0.0,
                self._book.amends(self._named[which], finding, day.start),
            )
            for which, finding in places
        ]
        tests = {name: number for name, number in tested.items() if name in budget.stanzas}
        told = budget.close(day.number, tests, candidates)
        held = {id(finding) for (_, finding), kept in zip(places, told, strict=True) if not kept}
        new = [kept for one, kept in zip(candidates, told, strict=True) if not one.running]
        for what, number in (("told", sum(new)), ("held", len(new) - sum(new)), ("days", 1)):
            self._counts[f"budget_{what}", ""] += number
        self._draw_lines()
        keys = {one.key for one, kept in zip(candidates, told, strict=True) if not kept}
        return [[finding for finding in own if id(finding) not in held] for own in found], frozenset(keys)

    def _draw_lines(self) -> None:
        """Tell the detectors what may go out before its day is complete."""
        if self._budget is not None:
            for detector in self._detectors:
                detector.line = self._budget.line(detector.name)

    def snapshot(self, *, full: bool) -> dict[str, bytes]:
        """Blocks `state`, `book`, `open/N` for each open day, `detector/NAME/BLOCK`."""
        changed = self._changed
        blocks = {"state": _pack(self._state)}
        if full or "book" in changed:
            blocks["book"] = self._book.snapshot()
        if self._budget is not None and (full or "detectors" in changed):
            blocks["budget"] = self._budget.snapshot()
        for number, day in self._open.items():
            if full or number in self._touched:
                blocks[f"open/{number}"] = _pack(pack_exactly(day))
        if full or "detectors" in changed:
            blocks |= self._judged(full=full)
        if not full:
            blocks |= {f"open/{number}": b"" for number in self._touched if number not in self._open}
        self._touched.clear()
        changed.clear()
        return blocks

    def _judged(self, *, full: bool) -> dict[str, bytes]:
        """The detectors' blocks: all, or those that changed. Most are of days long past."""
        blocks: dict[str, bytes] = {}
        before, self._stored = self._stored, {}
        for detector in self._detectors:
            for part, block in (detector.snapshot() if full else detector.changes()).items():
                name = f"detector/{detector.name}/{part}"
                if block is None:
                    self._stored[name] = before[name]
                    continue
                digest = self._stored[name] = _digest(block)
                if full or digest != before.get(name):
                    blocks[name] = block
        if not full:
            blocks |= dict.fromkeys(before.keys() - self._stored.keys(), b"")
        return blocks

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take back a full snapshot. Raises ValueError when a block cannot be read."""
        try:
            self._state = msgspec.msgpack.decode(blocks["state"], type=_State)
            self._book.restore(blocks["book"])
            if self._budget is not None and "budget" in blocks:
                self._budget.restore(blocks["budget"])
            for name, block in blocks.items():
                if name.startswith("open/"):
                    day = self._open[int(name[5:])] = OpenDay(int(name[5:]))
                    day.add(unpack(msgspec.msgpack.decode(block, type=Packed)))
        except (KeyError, ValueError, msgspec.DecodeError) as error:
            raise ValueError(f"state of agency {self.agency_id!r} cannot be read: {error!r}") from error
        self._stored = {
            name: _digest(block) for name, block in blocks.items() if name.startswith("detector/")
        }
        restore_each(self._detectors, blocks)
        self._draw_lines()
        self._serve()
        again = [Arrivals(day, 0, np.arange(len(day))) for _, day in sorted(self._open.items())]
        for observe, _ in self._observers:
            for _ in observe(again):
                pass  # told before


def _rationed(detectors: Iterable[Detector]) -> list[Stanza]:
    """The detectors whose findings have p-values: those with an alpha."""
    return [
        Stanza(one.name, one.about, float(alpha), one.settings.episode_days)
        for one in detectors
        if one.kind == "anomaly" and (alpha := getattr(one.settings, "alpha", None)) is not None
    ]


def _digest(block: bytes) -> bytes:
    return blake2b(block, digest_size=16).digest()


_pack = msgspec.msgpack.Encoder(order="deterministic").encode
