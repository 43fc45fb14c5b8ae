"""What stands on Kafka in the end, held against a single thread that reads the same messages.

Two single threads, in fact. One reads the messages as they were sent, without Kafka: what stands in
the end must be what it says. The other reads each partition as it stands on Kafka: every record that
came out, every state and every count must be what it says. Where workers sent ticks of their own
clock, only the second can tell what must come of it.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import KafkaTimeoutError

from models.alert import decode_alert
from models.packing import decode_pack
from models.pipeline import Standing
from models.stage import Message, Record
from streams.configuration import Configuration
from streams.settings import Settings
from streams.stages import pipeline, stage_kinds
from streams.state import Identity, StateError, assemble, newest_manifest
from streams.topics import TOPICS, kafka_name


class Kept(msgspec.Struct, frozen=True):
    """A record as it stands on Kafka."""

    key: bytes | None
    value: bytes | None
    timestamp: float


class Deviation(msgspec.Struct, frozen=True):
    """One thing that is not as it should be. `kind` is what the summary counts."""

    kind: str
    text: str


#: Records by logical topic and partition, in order.
Holdings = Mapping[str, Mapping[int, Sequence[Kept]]]


#: Seconds for reading all of it, which takes a moment.
READ_WITHIN = 30.0


def read_all(settings: Settings) -> Holdings:
    """Everything that stands on the topics of a deployment. Raises KafkaError."""
    consumer = KafkaConsumer(
        bootstrap_servers=settings.brokers, enable_auto_commit=False, fetch_max_wait_ms=10
    )
    logical = {kafka_name(settings, topic.name): topic.name for topic in TOPICS}
    places = [
        TopicPartition(name, number)
        for name in logical
        for number in sorted(consumer.partitions_for_topic(name) or ())
    ]
    found: dict[str, dict[int, list[Kept]]] = {name: {} for name in logical.values()}
    for place in places:
        found[logical[place.topic]][place.partition] = []
    try:
        consumer.assign(places)
        consumer.seek_to_beginning(*places)
        # The end is what a fetch says: asked for offsets, the embedded broker names its last batch's start.
        deadline = time.monotonic() + READ_WITHIN
        while any(consumer.highwater(place) != consumer.position(place) for place in places):
            if time.monotonic() > deadline:
                raise KafkaTimeoutError("the topics cannot be read to their ends")
            for place, records in consumer.poll(100).items():
                found[logical[place.topic]][place.partition] += [
                    Kept(one.key, one.value, one.timestamp / 1000.0) for one in records
                ]
    finally:
        consumer.close()
    return found


def committed(settings: Settings) -> dict[tuple[str, int], int]:
    """The committed offset of the next record to read, by logical topic and partition."""
    admin = KafkaAdminClient(bootstrap_servers=settings.brokers)
    try:
        answer = admin.list_group_offsets([settings.group_id])
    finally:
        admin.close()
    offsets = answer.get(settings.group_id, answer)
    begin = len(settings.topic_prefix)
    return {
        (place.topic[begin:], place.partition): at.offset for place, at in offsets.items() if at.offset >= 0
    }


def ahead(told: Mapping[tuple[str, int], int], holdings: Holdings) -> Iterator[Deviation]:
    """Committed offsets beyond what the state has absorbed. `told` was asked for before `holdings`."""
    for agent, topic in (("ingest", "searches.raw"), ("watch", "searches")):
        for partition, records in holdings[f"state.{agent}"].items():
            manifest = newest_manifest(_latest(records))
            absorbed = manifest.absorbed if manifest else -1
            if (at := told.get((topic, partition), 0)) > absorbed + 1:
                yield Deviation(
                    "offset", f"{topic}-{partition}: {at} is committed, the state has absorbed {absorbed}"
                )


def all_committed(told: Mapping[tuple[str, int], int], holdings: Holdings) -> bool:
    """Whether nothing is left to read."""
    return all(
        told.get((topic, partition), 0) == len(records)
        for topic in ("searches.raw", "searches", "alerts")
        for partition, records in holdings[topic].items()
    )


@dataclass
class Verdict:
    """Compares; `deviations` is empty if all is well. `repeats` counts alert records that were written
    again, which is allowed."""

    settings: Settings
    configuration: Configuration
    sent: Sequence[bytes]
    holdings: Holdings
    ticking: bool = False
    deviations: list[Deviation] = field(default_factory=list)
    repeats: int = 0
    alerts: int = 0

    def reach(self) -> None:
        """Hold everything against the single threads."""
        self._log_is_whole()
        told, expected = self._by_partition()
        if not self.ticking:
            oracle = pipeline(self.settings, self.configuration)
            self._standing(oracle.feed(self.sent))
            alone = _totals(oracle.counts)
            for name in ("accepted", "refused", "late", "duplicate", "ticks"):
                if alone[name] != told[name]:
                    self._note("count", f"{name}: {alone[name]} without Kafka, {told[name]} on it")
        self._standing(expected)
        self._counts(told)

    def _log_is_whole(self) -> None:
        there = Counter(one.value or b"" for one in self._records("searches.raw"))
        missing = Counter(self.sent) - there
        more = [value for value in (there - Counter(self.sent)).elements() if b'"source_id"' in value]
        if missing or more:
            self._note("input", f"{missing.total()} messages sent are missing, {len(more)} are there twice")

    def _standing(self, said: Sequence[Message]) -> None:
        """What stands is what a thread that said this says."""
        expected, found = Standing(), Standing()
        expected.take(said)
        found.put(decode_alert(one.value) for one in self._records("alerts") if one.value)
        self.alerts = len(expected.alerts())
        if found.lines() != expected.lines():
            theirs = {one.alert_id: one for one in found.alerts()}
            ours = {one.alert_id: one for one in expected.alerts()}
            differ = sorted(name for name in ours if name in theirs and ours[name] != theirs[name])
            for kind, names in (
                ("alert lost", sorted(ours.keys() - theirs.keys())),
                ("alert made up", sorted(theirs.keys() - ours.keys())),
                ("alert differs", differ),
            ):
                if names:
                    self._note(kind, f"{len(names)} of {len(ours)}, first {names[0]}")

    def _by_partition(self) -> tuple[Counter[str], list[Message]]:
        """Every record that came out and every state is what the second thread says; the counts of its
        ingest, and all that it said."""
        said: list[Message] = []
        told = Counter[str]()
        for kind in stage_kinds(self.settings, self.configuration):
            for partition, records in self.holdings[kind.topic].items():
                if not records:
                    continue
                stage = kind.make(partition)
                output = stage.absorb(
                    [Record(at, one.value or b"", one.timestamp) for at, one in enumerate(records)]
                )
                said += output.messages
                if kind.name == "ingest":
                    told += _totals(output.counts)
                self._state(kind.name, kind.version, partition, stage.snapshot(full=True))
        for topic in ("alerts", "searches.refused"):
            ours = {message.value for message in said if message.topic == topic}
            found = Counter(one.value for one in self._records(topic) if one.value)
            noun = "alert record" if topic == "alerts" else "dead letter"
            if lost := ours - found.keys():
                self._note(f"{noun} lost", f"{len(lost)} of {len(ours)}")
            # An id with two contents of which the single thread knows one shows here too.
            if made_up := found.keys() - ours:
                self._note(f"{noun} made up", f"{len(made_up)}, first {min(made_up)[:300]!r}")
            if topic == "alerts":
                self.repeats = found.total() - len(found)
        return told, said

    def _state(self, agent: str, version: int, partition: int, expected: Mapping[str, bytes]) -> None:
        place = f"{agent}-{partition}"
        identity = Identity(agent, version, partition, self.settings.partitions)
        try:
            snapshot = assemble(_latest(self.holdings[f"state.{agent}"][partition]), identity)
        except StateError as error:
            self._note("state", f"{place}: {error}")
            return
        found = snapshot.blocks if snapshot else {}
        differ = sorted(name for name in {*expected, *found} if expected.get(name) != found.get(name))
        if differ:
            self._note("state", f"{place} differs in {len(differ)} blocks, first {differ[0]!r}")

    def _counts(self, told: Counter[str]) -> None:
        """Every message became one thing, and only one."""
        packed: set[tuple[int, int]] = set()
        for one in self._records("searches"):
            whole = decode_pack(one.value or b"")
            packed |= {(whole.origin, offset) for offset in whole.offsets.tolist()}
        letters = [json.loads(one.value or b"") for one in self._records("searches.refused")]
        refused = {(one["source_partition"], one["source_offset"]) for one in letters}
        produced = sum(map(len, self.holdings["searches.raw"].values()))
        if len(packed & refused):
            self._note("count", f"{len(packed & refused)} messages were both taken and refused")
        if len(packed) != told["accepted"] + told["late"]:
            self._note("count", f"{len(packed)} searches taken, not {told['accepted'] + told['late']}")
        if len(refused) != told["refused"]:
            self._note("count", f"{len(refused)} messages refused, not {told['refused']}")
        if len(packed) + len(refused) + told["duplicate"] + told["ticks"] != produced:
            self._note(
                "count",
                f"accepted and late {len(packed)} + refused {len(refused)} + duplicate {told['duplicate']}"
                f" + ticks {told['ticks']} is not {produced}",
            )

    def _records(self, topic: str) -> Iterator[Kept]:
        for records in self.holdings[topic].values():
            yield from records

    def _note(self, kind: str, text: str) -> None:
        self.deviations.append(Deviation(kind, text))

    def refused_values(self) -> Counter[bytes]:
        """What was refused, by its value."""
        found = Counter[bytes]()
        for letter in {one.value for one in self._records("searches.refused") if one.value}:
            told = json.loads(letter)
            found[
                self.holdings["searches.raw"][told["source_partition"]][told["source_offset"]].value or b""
            ] += 1
        return found


def _totals(counts: Mapping[tuple[str, str], int]) -> Counter[str]:
    totals = Counter[str]()
    for (name, _), number in counts.items():
        totals[name] += number
    return totals


def _latest(records: Sequence[Kept]) -> dict[bytes, bytes]:
    latest: dict[bytes, bytes] = {}
    for one in records:
        if one.value is None:
            latest.pop(one.key or b"", None)
        else:
            latest[one.key or b""] = one.value
    return latest
