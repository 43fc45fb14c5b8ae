"""The first stage: raw messages in, checked searches, dead letters and source alerts out.

One stage serves one partition of `searches.raw`. Each message becomes exactly one of accepted,
late, duplicate, refused or tick; the counts add up to what was read.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from datetime import date

import msgspec
from msgspec import Struct

from models.alert import Alert, encode_alert
from models.book import Book
from models.days import LocalDays
from models.decoding import clock_fault, read_all
from models.detectors.base import SourceDetector
from models.packing import Packing, encode_pack
from models.pseudonym import Pseudonyms
from models.reference import Reference
from models.search import MAX_CLOCK_LEAD, STAFF_FIELDS, Refusal, Search, Tick, encode_search
from models.serving import Statement, known
from models.source import NEVER, SourceLog
from models.stage import Message, Output, Record

#: Raised when older state cannot be used by this code.
VERSION = 2
#: A source's watermark is passed on when it enters another quarter hour.
MARK_STEP = 900.0
#: Most bytes of a refused message that its dead letter repeats; the whole is at its raw offset.
KEPT_BYTES = 64 * 1024
HOUR = 3600.0

#: Most searches of an agency in a pack. A pack costs watch a fixed price, too.
AT_ONCE = 4000

SourceDetectors = Callable[[str], tuple[SourceDetector, ...]]


class DeadLetter(Struct, kw_only=True):
    """A refused message on `searches.refused`, with the reason, the field and where it stands."""

    reason: str
    field: str | None
    detail: str
    source_topic: str
    source_partition: int
    source_offset: int
    size: int
    payload_base64: str
    payload_complete: bool


class _Registry(Struct, array_like=True):
    """What the stage keeps besides the logs: whom each source feeds, the marks handed on, what was said
    about models, and up to which number each agency knows it."""

    feeds: dict[str, list[str]]
    marked: dict[str, float]
    statements: tuple[Statement, ...] = ()
    told: dict[str, int] = {}


class IngestStage:
    """State of one partition of `searches.raw`; see `models.stage.Stage`."""

    version = VERSION

    def __init__(
        self,
        reference: Reference,
        detectors: SourceDetectors,
        config_digest: str,
        *,
        pseudonyms: Pseudonyms | None = None,
        partition: int = 0,
        owns: Callable[[str], bool] = lambda source_id: True,
    ) -> None:
        """`owns` tells whether a declared source is read from this partition."""
        self._reference = reference
        self._detectors = detectors
        self._digest = config_digest
        self._pseudonym = pseudonyms or Pseudonyms()
        self._partition = partition
        self._logs: dict[str, SourceLog] = {}
        self._registry = _Registry({}, {})
        self._registry_changed = True
        self._dirty: set[str] = set()
        for source_id, source in sorted(reference.sources.items()):
            if source_id != "*" and owns(source_id):
                self._log(source_id)
                self._feed(source_id, source.agency_id)
                self._dirty.add(source_id)

    def absorb(self, records: Sequence[Record]) -> Output:
        """Take raw messages in offset order."""
        output = Output()
        packs: dict[str, Packing] = {}
        accepted = late = duplicates = ticks = 0
        dirty, logs, keyed, enriches = (
            self._dirty,
            self._logs,
            self._pseudonym.keyed,
            bool(self._reference.roster),
        )
        for record, event in zip(records, read_all([record.value for record in records]), strict=True):
            arrival = record.timestamp
            if type(event) is Search:
                at = event.event_time.timestamp()
                if arrival is not None and at > arrival + MAX_CLOCK_LEAD:
                    self._refuse(output, record, clock_fault("event_time", at, arrival))
                    continue
                source_id = event.source_id
                log = logs.get(source_id) or self._log(source_id)
                if keyed or (enriches and (event.role is None or event.training_expires_on is None)):
                    self._complete(event)
                verdict = log.take(event, at)
                dirty.add(source_id)
                if verdict == "accepted":
                    accepted += 1
                    agency_id = event.agency_id
                    if agency_id not in log.agencies:
                        self._feed(source_id, agency_id)
                        log.agencies.add(agency_id)
                    pack = packs.get(agency_id)
                    if pack is None:
                        pack = self._pack(packs, agency_id)
                    pack.offsets.append(record.offset)
                    pack.searches.append(event)
                    pack.times.append(at)
                    if len(pack.times) >= AT_ONCE:
                        _send(output, packs.pop(agency_id))
                elif verdict == "late":
                    late += 1
                    self._feed(source_id, event.agency_id)
                    pack = self._pack(packs, event.agency_id)
                    pack.late.append(len(pack.searches))
                    pack.offsets.append(record.offset)
                    pack.searches.append(event)
                    pack.times.append(at)
                    output.messages.append(Message("searches.late", source_id.encode(), encode_search(event)))
                elif verdict == "duplicate":
                    duplicates += 1
                else:
                    self._refuse(output, record, _CONFLICT)
                if log.watermark >= log.next_mark:
                    self._mark(packs, output, source_id, log)
            elif type(event) is Tick:
                now = event.tick.timestamp()
                if arrival is not None and (fault := clock_fault("tick", now, arrival)):
                    self._refuse(output, record, fault)
                    continue
                ticks += 1
                if event.models:
                    self._note(event.models)
                self._tick(packs, output, event)
            else:
                self._refuse(output, record, event)  # type: ignore[arg-type]
        for pack in packs.values():
            _send(output, pack)
        for name, number in (
            ("accepted", accepted),
            ("late", late),
            ("duplicate", duplicates),
            ("ticks", ticks),
        ):
            if number:
                output.count(name, by=number)
        return output

    def _complete(self, search: Search) -> None:
        """Pseudonyms, and from the roster what the log leaves out."""
        for field in STAFF_FIELDS if self._pseudonym.keyed else ():
            value = getattr(search, field)
            if value is not None:
                setattr(search, field, self._pseudonym(value))
        if self._reference.roster and (search.role is None or search.training_expires_on is None):
            zone = LocalDays.of(self._reference.agency(search.agency_id).timezone)
            day = zone.at(search.event_time.timestamp()).day
            posting = self._reference.roster.of(search.agency_id).at(search.requester_id, day)
            if posting is not None:
                search.role = search.role or posting.role or None
                if search.training_expires_on is None and posting.trained_until is not None:
                    search.training_expires_on = date.fromordinal(posting.trained_until).isoformat()

    def _pack(self, packs: dict[str, Packing], agency_id: str) -> Packing:
        pack = packs.get(agency_id)
        if pack is None:
            pack = packs[agency_id] = Packing(agency_id, self._partition)
        return pack

    def _note(self, said: Sequence[Statement]) -> None:
        """Keep what is new about models. Agencies hear of it with the next mark: no day closes before."""
        newest = max((one.number for one in self._registry.statements), default=0)
        fresh = [one for one in said if one.number > newest]
        if fresh:
            self._registry.statements = known([*self._registry.statements, *fresh])
            self._registry_changed = True

    def _tick(self, packs: dict[str, Packing], output: Output, tick: Tick) -> None:
        at = tick.tick.timestamp()
        named = tick.source_id is not None
        for source_id in [tick.source_id] if tick.source_id is not None else sorted(self._logs):
            log = self._logs.get(source_id)
            if log is None:
                continue  # nothing is known of it that time could pass
            self._dirty.add(source_id)
            _write(output, log.tick(at, named=named, end=tick.end))
            self._mark(packs, output, source_id, log)

    def _mark(self, packs: dict[str, Packing], output: Output, source_id: str, log: SourceLog) -> None:
        """Close the source's days and pass its watermark on to the agencies that it feeds."""
        _write(output, log.advance())
        for label, number in log.p_values.items():
            output.count("p_values", label, number)
        log.p_values.clear()
        if log.watermark == NEVER:
            return
        step = log.watermark // MARK_STEP * MARK_STEP
        log.next_mark = step + MARK_STEP
        if step > self._registry.marked.get(source_id, NEVER):
            self._registry.marked[source_id] = step
            self._registry_changed = True
            for agency_id in self._registry.feeds.get(source_id, ()):
                pack = self._pack(packs, agency_id)
                self._tell(pack)
                pack.marks.append((len(pack.searches), source_id, step))

    def _tell(self, pack: Packing) -> None:
        """Let an agency know what was said about models, before its next mark."""
        registry, agency_id = self._registry, pack.agency_id
        for statement in registry.statements:
            if statement.number > registry.told.get(agency_id, 0):
                pack.statements.append((len(pack.marks), statement))
                registry.told[agency_id] = statement.number

    def _refuse(self, output: Output, record: Record, refusal: Refusal | None) -> None:
        assert refusal is not None
        kept = record.value[:KEPT_BYTES]
        letter = DeadLetter(
            reason=refusal.reason,
            field=refusal.field,
            detail=refusal.detail,
            source_topic="searches.raw",
            source_partition=self._partition,
            source_offset=record.offset,
            size=len(record.value),
            payload_base64=b64encode(kept).decode(),
            payload_complete=len(kept) == len(record.value),
        )
        key = f"{self._partition}/{record.offset}".encode()
        output.messages.append(Message("searches.refused", key, msgspec.json.encode(letter)))
        output.count("refused", refusal.reason)

    def _feed(self, source_id: str, agency_id: str) -> None:
        feeds = self._registry.feeds.setdefault(source_id, [])
        if agency_id not in feeds and agency_id != "*":
            feeds.append(agency_id)
            self._registry_changed = True

    def _log(self, source_id: str) -> SourceLog:
        source = self._reference.source(source_id)
        declared = source_id in self._reference.sources
        agency_id = source.agency_id if declared and source.agency_id != "*" else None
        zone = self._reference.agency(agency_id).timezone if agency_id else "UTC"
        log = self._logs[source_id] = SourceLog(
            source_id,
            lateness=source.lateness_hours * HOUR,
            idle=source.idle_hours * HOUR,
            days=LocalDays.of(zone),
            detectors=self._detectors(source_id),
            book=Book(agency_id, self._digest),
        )
        return log

    def snapshot(self, *, full: bool) -> dict[str, bytes]:
        """Blocks `registry` and `source/ID/...`."""
        blocks: dict[str, bytes] = {}
        if full or self._registry_changed:
            blocks["registry"] = msgspec.msgpack.encode(self._registry)
            self._registry_changed = False
        for source_id in list(self._logs) if full else sorted(self._dirty):
            for name, block in self._logs[source_id].snapshot(full=full).items():
                blocks[f"source/{source_id}\0{name}"] = block
        self._dirty.clear()
        return blocks

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Start from a full snapshot. Raises ValueError naming a block that cannot be read."""
        by_source: dict[str, dict[str, bytes]] = {}
        for name, block in blocks.items():
            if name == "registry":
                try:
                    self._registry = msgspec.msgpack.decode(block, type=_Registry)
                except msgspec.DecodeError as error:
                    raise ValueError(f"block {name!r} cannot be read: {error}") from error
            elif name.startswith("source/"):
                source_id, _, rest = name[len("source/") :].partition("\0")
                by_source.setdefault(source_id, {})[rest] = block
            else:
                raise ValueError(f"block {name!r} is none of the ingest stage's")
        for source_id, own in by_source.items():
            self._log(source_id).restore(own)

    def gauges(self) -> dict[tuple[str, str], float]:
        """Watermark and latest search of each declared source, and how many sources there are."""
        figures: dict[tuple[str, str], float] = {("sources", ""): float(len(self._logs))}
        for source_id in self._reference.sources:
            log = self._logs.get(source_id)
            if log is not None and log.watermark > NEVER:
                figures["watermark", source_id] = log.watermark
            if log is not None and log.latest > NEVER:
                figures["latest", source_id] = log.latest
        return figures


_CONFLICT = Refusal(
    reason="conflicting_duplicate",
    field="event_id",
    detail="a search with this event_id but other content was taken before; event ids must be unique",
)


def _send(output: Output, packing: Packing) -> None:
    key = packing.agency_id.encode()
    output.messages += (Message("searches", key, value) for value in encode_pack(packing.finish()))


def _write(output: Output, alerts: Sequence[Alert]) -> None:
    for alert in alerts:
        output.messages.append(Message("alerts", alert.alert_id.encode(), encode_alert(alert)))
