"""One ingest stage by itself: what it is fed, and what came of it."""

from __future__ import annotations

from typing import Any

import msgspec

from models.days import instant
from models.detectors.sequence_gap import SequenceGap, SequenceGapSettings
from models.ingest import DeadLetter, IngestStage
from models.packing import Pack, decode_pack
from models.reference import Reference
from models.search import Search, Tick, encode_search
from models.stage import Output, Record
from models.ticking import encode_tick
from tests.logs import DAY, START, reference


def stage(found: Reference | None = None, **more: Any) -> IngestStage:
    settings = SequenceGapSettings(grace_days=0)
    return IngestStage(
        found or reference(["feed"]),
        lambda source_id: (SequenceGap("sequence_gap", settings, source_id),),
        "digest",
        **more,
    )


def take(one: IngestStage, *values: bytes | Search, offset: int = 0, arrival: float | None = None) -> Output:
    raw = [value if isinstance(value, bytes) else encode_search(value) for value in values]
    return one.absorb([Record(offset + index, value, arrival) for index, value in enumerate(raw)])


def tick(days: float, source_id: str | None = "feed", *, end: bool = False) -> bytes:
    return encode_tick(Tick(tick=instant(START + days * DAY), source_id=source_id, end=end))


def packs(output: Output) -> list[Pack]:
    return [decode_pack(one.value) for one in output.messages if one.topic == "searches"]


def letters(output: Output) -> list[DeadLetter]:
    refused = [one.value for one in output.messages if one.topic == "searches.refused"]
    return [msgspec.json.decode(value, type=DeadLetter) for value in refused]


def number(output: Output, name: str) -> int:
    return sum(count for (key, _), count in output.counts.items() if key == name)


def accounted(output: Output) -> int:
    return sum(number(output, name) for name in ("accepted", "refused", "late", "duplicate", "ticks"))
