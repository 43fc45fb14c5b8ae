"""A stage small enough to be checked by hand: it counts per key and alerts on every third."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from models.alert import Alert, encode_alert
from models.stage import Message, Output, Record
from streams.partition import StageKind
from streams.settings import load_settings
from streams.worker import run

BLOCKS = 4
EPOCH = datetime(2020, 5, 31, tzinfo=UTC)


class Toy:
    """Counts in `BLOCKS` blocks. Records: a key, or `poison`, or `refuse`."""

    def __init__(self, slow: float = 0.0) -> None:
        self.counts: dict[str, int] = {}
        self.slow = slow
        self._changed: set[int] = set()

    def absorb(self, records: Sequence[Record]) -> Output:
        output = Output()
        time.sleep(self.slow)
        for record in records:
            key = record.value.decode()
            if key == "poison":
                raise RuntimeError("a stage that fails")
            if key == "refuse":
                output.count("refused", "broken_json")
                output.messages.append(Message("searches.refused", b"", record.value))
                continue
            count = self.counts[key] = self.counts.get(key, 0) + 1
            self._changed.add(block_of(key))
            output.count("accepted")
            if count % 3 == 0:
                output.messages.append(alert(key, count, record.offset))
                output.count("alerts", "toy|anomaly|low|final")
        return output

    def snapshot(self, *, full: bool) -> dict[str, bytes]:
        wanted = range(BLOCKS) if full else sorted(self._changed)
        self._changed.clear()
        return {f"counts/{block}": self._encode(block) for block in wanted}

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        for content in blocks.values():
            self.counts.update(msgspec.msgpack.decode(content, type=dict[str, int]))

    def gauges(self) -> dict[tuple[str, str], float]:
        return {("keys", ""): len(self.counts), ("watermark", ""): EPOCH.timestamp()}

    def _encode(self, block: int) -> bytes:
        mine = {key: self.counts[key] for key in sorted(self.counts) if block_of(key) == block}
        return msgspec.msgpack.encode(mine)


def block_of(key: str) -> int:
    return sum(key.encode()) % BLOCKS


def alert(key: str, count: int, offset: int) -> Message:
    name = f"{key}-{count}"
    value = Alert(
        alert_id=name, detector="toy", kind="anomaly", entity_kind="requester", entity=key, agency_id=None,
        unit_id=None, window_start=EPOCH, window_end=EPOCH, first_seen=EPOCH, decided_at=EPOCH,
        status="final", severity="low", p_value=None, score=0.0, observed=float(count), expected=None,
        interval=None, clause=None, evidence=(str(offset),), evidence_count=1, explanation="",
        detector_version=1, config_digest="",
    )  # fmt: skip
    return Message("alerts", name.encode(), encode_alert(value))


if __name__ == "__main__":
    slow = float(os.environ.pop("TOY_SLOW", "0"))
    kind = StageKind(
        "watch", int(os.environ.pop("TOY_VERSION", "1")), "searches", lambda partition: Toy(slow)
    )
    raise SystemExit(run(load_settings(), [kind]))
