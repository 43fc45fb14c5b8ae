"""The whole program as its users run it: commands and workers as processes on an embedded broker."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from kafka import KafkaConsumer, TopicPartition

from models.alert import decode_alert
from models.pipeline import Standing
from models.search import encode_search
from streams.demo.worker import ROOT, Worker, running
from streams.settings import Settings, load_settings
from streams.topics import ensure
from tests.logs import Plan

#: Detectors that speak on a log of a few weeks; everything else is as shipped.
DETECTORS = """
detectors:
  policy_clause: {function: policy_clause}
  repeat_subject: {function: repeat_subject, alpha: 0.01, minimum_visits: 3, minimum_history_days: 5}
  rare: {function: rare, alpha: 0.3, minimum_days: 3, minimum_searches: 1}
  volume: {function: high_count, alpha: 0.01, minimum_history_days: 5, minimum_count: 2}
  sequence_gap: {function: sequence_gap}
"""
SOURCES = """
sources:
  - {source_id: feed, agency_id: lapd}
  - {source_id: mobile, agency_id: lapd}
"""
#: Lines that no search can be made of, each with the reason that its dead letter must give.
BAD: tuple[tuple[bytes, str], ...] = (
    (b"not json at all", "broken_json"),
    (b'{"event_id": "cut', "broken_json"),
    (b"\xff\xfe\x00\x01", "broken_json"),
    (b"[" * 5000, "wrong_type"),
    (b"[]", "wrong_type"),
    (b"null", "wrong_type"),
    (b"{}", "missing_field"),
    (b'{"specversion":"1.0","id":"1","source":"s","type":"t","data":{}}', "missing_field"),
    (b'{"tick":"2021-03-09T00:00:00","source_id":"feed"}', "naive_time"),
)
#: Changes to a good line that spoil it; the source and time stay readable or not, as it falls.
SPOILED: tuple[tuple[bytes, bytes, str], ...] = (
    (b'"event_id":"', b'"plate":"7ABC123","event_id":"', "unknown_field"),
    (b'"requester_id":"', b'"requester_id":1,"was":"', "wrong_type"),
    (b'Z","source_id"', b'","source_id"', "naive_time"),
    (b'"event_time":"2021', b'"event_time":"9999', "time_out_of_range"),
    (b'"event_time":"2021', b'"event_time":"1970', "time_out_of_range"),
    (b'"requester_id":"', b'"requester_id":"\\u0000', "control_character"),
    (b'"requester_id":"', b'"requester_id":"\\u202e', "control_character"),
    (b'"requester_id":"', b'"requester_id":"\\ud800', "broken_json"),
    (b'"tool":"', b'"reason_text":"' + b"x" * 70_000 + b'","tool":"', "too_large"),
)


def log_lines(days: int = 40, salt: int = 7) -> tuple[list[bytes], Counter[str], int]:
    """A log of one agency with bad lines strewn in: its lines, the reasons of the bad ones, repeats."""
    plan = Plan(
        agency="lapd", rate=8, burst_day=30, quiet_from=20, favourite=1,
        missing=frozenset({17, 40}), salt=salt, days=days,
    )  # fmt: skip
    good = [encode_search(one) for one in plan.searches()]
    bad = list(BAD)
    for index, (old, new, reason) in enumerate(SPOILED):
        line = good[50 + 9 * index]
        assert old in line
        bad.append((line.replace(old, new, 1), reason))
    forged = good[25].replace(b'"tool":"', b'"tool":"other-', 1)
    repeats = [good[28], good[29]]
    lines = list(good)
    # Soon after the originals: what comes once they are late is late itself.
    for index, line in enumerate([forged, *repeats, *(line for line, _ in bad)]):
        lines.insert(30 + 7 * index, line)
    bad.append((forged, "conflicting_duplicate"))
    return lines, Counter(reason for _, reason in bad), len(repeats)


def eventually(what: Callable[[], bool], message: str, seconds: float = 40.0) -> None:
    """Wait until it holds. Raises AssertionError with the message after so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if what():
            return
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds:g} s: {message}")


def command(*words: str | Path, environment: Mapping[str, str] | None = None, seconds: float = 60.0,
            before: Callable[[], None] | None = None) -> subprocess.CompletedProcess[str]:  # fmt: skip
    """`python -m streams ...` from the checkout, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "streams", *map(str, words)],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200", **(environment or {})},
        capture_output=True,
        text=True,
        timeout=seconds,
        preexec_fn=before,
    )


class Live:
    """Topics, a consumer group and a configuration of their own on a broker that others share."""

    def __init__(self, broker: str, name: str, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config"
        self.config.mkdir()
        (self.config / "detectors.yaml").write_text(DETECTORS)
        (self.config / "sources.yaml").write_text(SOURCES)
        self.environment = {
            "PROBEWATCH_BROKER": broker,
            "PROBEWATCH_TOPIC_PREFIX": f"{name}.",
            "PROBEWATCH_GROUP_ID": name,
            "PROBEWATCH_PARTITIONS": "4",
            "PROBEWATCH_TICKS": "off",
            "PROBEWATCH_SESSION_TIMEOUT": "4",
            "PROBEWATCH_CHECKPOINT_INTERVAL": "0.2",
            "PROBEWATCH_TOPICS_CREATE": "true",
            "PROBEWATCH_CONFIG_DIR": str(self.config),
            "PROBEWATCH_DATA_DIR": str(folder / "data"),
        }
        self._workers = 0

    @property
    def settings(self) -> Settings:
        """What the workers are told, for this process."""
        known = {name[len("PROBEWATCH_") :].lower(): value for name, value in self.environment.items()}
        return load_settings(**known)

    def ensure_topics(self) -> None:
        """Create the topics, as the first worker would."""
        ensure(self.settings)

    def worker(self, port: int) -> AbstractContextManager[Worker]:
        """A worker on a port, ended with the block."""
        self._workers += 1
        return running(self.environment, port, self.folder / f"worker-{self._workers}.log")

    def read(self, topic: str) -> dict[tuple[int, int], bytes]:
        """All records of a topic by partition and offset, in order."""
        consumer = KafkaConsumer(
            bootstrap_servers=self.settings.brokers, enable_auto_commit=False, fetch_max_wait_ms=20
        )
        name = self.settings.topic_prefix + topic
        places = [
            TopicPartition(name, number) for number in sorted(consumer.partitions_for_topic(name) or ())
        ]
        consumer.assign(places)
        consumer.seek_to_beginning(*places)
        found: dict[tuple[int, int], bytes] = {}
        # The end is what a fetch says: asked for offsets, the embedded broker names its last batch's start.
        while any(consumer.highwater(place) != consumer.position(place) for place in places):
            for place, records in consumer.poll(100).items():
                found.update({(place.partition, record.offset): record.value for record in records})
        consumer.close()
        return dict(sorted(found.items()))

    def standing(self) -> Standing:
        """What stands on the alerts topic now."""
        found = Standing()
        found.put(decode_alert(value) for value in self.read("alerts").values())
        return found

    def await_alerts(self, expected: bytes, seconds: float = 40.0) -> None:
        """Wait until the alerts that stand are these, byte for byte, and then stay so."""
        eventually(
            lambda: self.standing().lines() == expected, f"the alerts of replay: {self.folder}", seconds
        )
        time.sleep(0.5)
        assert self.standing().lines() == expected
