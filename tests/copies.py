"""The topics of one deployment copied under another prefix, as they are or with something changed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.structs import OffsetAndMetadata

from models.detectors import settings_types
from streams.commands.config import SHIPPED
from streams.configuration import Configuration, load
from streams.exits import Stop
from streams.fitting import FittedKind, fitted
from streams.hosting import LocalHost, LocalStage
from streams.loading import Extent
from streams.opening import StageOpener
from streams.outbox import Outbox
from streams.partition import PartitionRunner
from streams.refusals import RefusalLimit
from streams.settings import Settings, load_settings
from streams.stages import chosen, stage_kinds
from streams.state import Manifest, newest_manifest
from streams.topics import ensure
from tests.live import Live

COPIED = ("searches.raw", "searches", "state.ingest", "state.watch")
#: Latest records of a partition of a state topic, by key.
Records = Mapping[bytes, bytes]
Edit = Callable[[Records], Records]
AGENTS = {"ingest": "searches.raw", "watch": "searches"}


def unchanged(records: Records) -> Records:
    return records


def with_manifest(**changes: object) -> Edit:
    """The same state with another manifest."""

    def edit(records: Records) -> Records:
        manifest = newest_manifest(records)
        assert manifest is not None
        changed = msgspec.structs.replace(manifest, **changes)
        key = f"manifest/{manifest.epoch % 2}".encode()
        return {**records, key: msgspec.msgpack.encode(changed)}

    return edit


@dataclass
class Copy:
    """A deployment on the broker, and the records of the one that it was made from."""

    environment: dict[str, str]

    @property
    def settings(self) -> Settings:
        given = {name.removeprefix("PROBEWATCH_").lower(): value for name, value in self.environment.items()}
        return load_settings(**given)

    def with_detectors(self, text: str, folder: Path) -> Copy:
        """The same deployment under a configuration with these stanzas."""
        folder.mkdir(exist_ok=True)
        for file in Path(self.environment["PROBEWATCH_CONFIG_DIR"]).iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
        (folder / "detectors.yaml").write_text(text)
        return Copy(self.environment | {"PROBEWATCH_CONFIG_DIR": str(folder)})

    def configuration(self) -> Configuration:
        return load(self.settings.config_dir, SHIPPED, settings_types())

    def kind(self, agent: str) -> FittedKind:
        configuration = self.configuration()
        kinds = fitted(stage_kinds(self.settings, configuration), chosen(configuration))
        return next(kind for kind in kinds if kind.name == agent)

    def open(self, agent: str, partition: int, end: int, committed: int | None = None) -> PartitionRunner:
        """Open a partition as a worker does. Raises Stop with the worker's last sentence."""
        kind = self.kind(agent)
        opener = StageOpener(
            kind,
            LocalHost(kind),
            self.settings,
            Outbox(self.settings),
            RefusalLimit(1.0, 1000),
            config_digest="",
            writer="test",
        )
        runner = asyncio.run(opener.open(partition, Extent(0, end, committed)))
        assert isinstance(runner, PartitionRunner)
        return runner

    @staticmethod
    def blocks(runner: PartitionRunner) -> dict[str, bytes]:
        """The state that a runner has in hand."""
        assert isinstance(runner._stage, LocalStage)
        return runner._stage._stage.snapshot(full=True)

    def refused(self, agent: str, partition: int, end: int, committed: int | None = None) -> str:
        """The sentence with which a worker would end."""
        try:
            self.open(agent, partition, end, committed)
        except Stop as stop:
            return str(stop)
        raise AssertionError("the state was taken")

    def read(self, topic: str) -> dict[int, list[tuple[bytes | None, bytes | None]]]:
        """All records of a topic: partition -> [(key, value)]."""
        consumer = KafkaConsumer(
            bootstrap_servers=self.settings.brokers, enable_auto_commit=False, fetch_max_wait_ms=20
        )
        name = self.settings.topic_prefix + topic
        places = [TopicPartition(name, number) for number in consumer.partitions_for_topic(name) or ()]
        consumer.assign(places)
        consumer.seek_to_beginning(*places)
        found: dict[int, list[tuple[bytes | None, bytes | None]]] = {
            place.partition: [] for place in sorted(places)
        }
        while any(consumer.highwater(place) != consumer.position(place) for place in places):
            for place, records in consumer.poll(100).items():
                found[place.partition] += [(record.key, record.value) for record in records]
        consumer.close()
        return found

    def latest(self, agent: str) -> dict[int, dict[bytes, bytes]]:
        """The latest records of each partition of an agent's state."""
        found: dict[int, dict[bytes, bytes]] = {}
        for partition, records in self.read(f"state.{agent}").items():
            own = found[partition] = {}
            for key, value in records:
                assert key is not None
                own.pop(key, None)
                if value is not None:
                    own[key] = value
        return found

    def manifests(self, agent: str) -> dict[int, Manifest]:
        """The manifest of each partition that has one."""
        found = {number: newest_manifest(records) for number, records in self.latest(agent).items()}
        return {number: manifest for number, manifest in found.items() if manifest is not None}

    def commit(self, topic: str, partition: int, offset: int) -> None:
        """Commit as the group."""
        settings = self.settings
        place = TopicPartition(settings.topic_prefix + topic, partition)
        admin = KafkaAdminClient(bootstrap_servers=settings.brokers)
        admin.alter_group_offsets(settings.group_id, {place: OffsetAndMetadata(offset, "", -1)})
        admin.close()


class Origin(Copy):
    """A deployment that has worked and whose topics are copied; everything is read only once."""

    def __init__(self, live: Live) -> None:
        super().__init__(dict(live.environment))
        self.records = {topic: self.read(topic) for topic in COPIED}
        self.ends = {
            (agent, number): len(records)
            for agent, topic in AGENTS.items()
            for number, records in self.records[topic].items()
        }
        self.states = {agent: self.latest(agent) for agent in AGENTS}

    def busy(self, agent: str) -> int:
        """The partition whose state is largest."""
        states = self.states[agent]
        return max(states, key=lambda number: sum(map(len, states[number].values())))

    def copy(
        self, name: str, *, edit: Edit = unchanged, agent: str = "watch", partitions: int | None = None
    ) -> Copy:
        """Everything under another prefix, the state of one agent's busy partition edited; with more
        `partitions`, as after `kafka-topics.sh --alter`."""
        changes = {"PROBEWATCH_TOPIC_PREFIX": f"{name}.", "PROBEWATCH_GROUP_ID": name}
        if partitions is not None:
            changes["PROBEWATCH_PARTITIONS"] = str(partitions)
        made = Copy(self.environment | changes)
        ensure(made.settings)
        producer = KafkaProducer(bootstrap_servers=made.settings.brokers, acks="all")
        for topic in ("searches.raw", "searches"):
            for number, records in self.records[topic].items():
                for key, value in records:
                    producer.send(f"{name}.{topic}", key=key, value=value, partition=number)
        for one, states in self.states.items():
            for number, own in states.items():
                edited = edit(own) if (one, number) == (agent, self.busy(agent)) else own
                for key, value in edited.items():
                    producer.send(f"{name}.state.{one}", key=key, value=value, partition=number)
        producer.flush()
        producer.close()
        return made
