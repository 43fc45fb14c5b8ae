"""The second stage: packs of searches in, alerts out.

One stage serves one partition of `searches`; every agency in it is watched by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from models.agency import NEVER, Agency
from models.alert import encode_alert
from models.book import Book
from models.budget import BudgetSettings
from models.days import LocalDays
from models.detectors.base import Detector
from models.packing import Pack, decode_pack
from models.reference import Reference
from models.search import encode_search
from models.stage import Message, Output, Record

#: Raised when older state cannot be used by this code.
VERSION = 2
HOUR = 3600.0

Detectors = Callable[[str], Sequence[Detector]]


class WatchStage:
    """State of one partition of `searches`; see `models.stage.Stage`."""

    version = VERSION

    def __init__(
        self,
        reference: Reference,
        detectors: Detectors,
        config_digest: str,
        budget: BudgetSettings | None = None,
    ) -> None:
        self._reference = reference
        self._budget = budget
        self._detectors = detectors
        self._digest = config_digest
        self._agencies: dict[str, Agency] = {}
        self._dirty: set[str] = set()

    def absorb(self, records: Sequence[Record]) -> Output:
        """Take packs in offset order. Raises ValueError for a record that is not a pack: only this
        program writes the topic, so nothing may be skipped."""
        output = Output()
        packs: dict[str, list[Pack]] = {}
        for record in records:
            whole = decode_pack(record.value)
            packs.setdefault(whole.agency_id, []).append(whole)
        for agency_id, own in packs.items():
            agency = self._agencies.get(agency_id) or self._agency(agency_id)
            self._dirty.add(agency_id)
            alerts, after, repeats = agency.take(own)
            for alert in alerts:
                output.messages.append(Message("alerts", alert.alert_id.encode(), encode_alert(alert)))
            for search in after:
                output.messages.append(
                    Message("searches.late", search.source_id.encode(), encode_search(search))
                )
            if after:
                output.count("after_close", by=len(after))
            if repeats:
                output.count("repeats", by=repeats)
            for (name, label), number in agency.counts().items():
                if number:
                    output.count(name, label, number)
        return output

    def _agency(self, agency_id: str) -> Agency:
        reference = self._reference
        declared = reference.declared_sources(agency_id)
        late = max(
            (source.lateness_hours for source in declared), default=reference.source("*").lateness_hours
        )
        agency = self._agencies[agency_id] = Agency(
            agency_id,
            days=LocalDays.of(reference.agency(agency_id).timezone),
            sources=[source.source_id for source in declared],
            lateness=late * HOUR,
            detectors=self._detectors(agency_id),
            book=Book(agency_id, self._digest),
            budget=self._budget,
        )
        return agency

    def snapshot(self, *, full: bool) -> dict[str, bytes]:
        """Blocks `agency/ID/...`."""
        blocks: dict[str, bytes] = {}
        for agency_id in sorted(self._agencies) if full else sorted(self._dirty):
            for name, block in self._agencies[agency_id].snapshot(full=full).items():
                blocks[f"agency/{agency_id}\0{name}"] = block
        self._dirty.clear()
        return blocks

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Start from a full snapshot. Raises ValueError naming a block that cannot be read."""
        by_agency: dict[str, dict[str, bytes]] = {}
        for name, block in blocks.items():
            if not name.startswith("agency/"):
                raise ValueError(f"block {name!r} is none of the watch stage's")
            agency_id, _, rest = name[len("agency/") :].partition("\0")
            by_agency.setdefault(agency_id, {})[rest] = block
        for agency_id, own in by_agency.items():
            self._agency(agency_id).restore(own)

    def gauges(self) -> dict[tuple[str, str], float]:
        """How many agencies and open searches there are, the oldest watermark, and
        what was expected of the last closed days."""
        marks = [agency.watermark for agency in self._agencies.values() if agency.watermark > NEVER]
        figures = {
            ("agencies", ""): float(len(self._agencies)),
            ("open_searches", ""): float(sum(agency.open_searches for agency in self._agencies.values())),
        }
        if marks:
            figures["watermark", ""] = min(marks)
        for agency_id, agency in self._agencies.items():
            for (name, label), value in agency.figures():
                figures[name, f"{agency_id}|{label}"] = value
        return figures
