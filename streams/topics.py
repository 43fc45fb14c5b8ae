"""The topics, declared once, and kept in step with a Kafka cluster.

Partition counts are never changed here: keys and state belong to a partition, so a topic with
another count than configured is refused with the cure instead of being altered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from aiokafka.partitioner import murmur2
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError, KafkaTimeoutError

from streams.connecting import knock
from streams.exits import Stop
from streams.settings import PREFIX, Settings

DAY_MS = 24 * 3600 * 1000
#: Kafka's number for a topic that the user may not see, or not do with what was asked.
TOPIC_AUTHORIZATION_FAILED = 29


@dataclass(frozen=True)
class Topic:
    """A topic by its logical name. `partitions` None means the configured number."""

    name: str
    cleanup: Literal["delete", "compact"]
    partitions: int | None = None
    retention_days: int | None = None
    """How long records are kept; None for ever."""
    extra: Mapping[str, str] = field(default_factory=dict)

    def config(self, replication: int) -> dict[str, str]:
        """The topic's settings in Kafka; with three or more copies two must confirm a write."""
        retention = -1 if self.retention_days is None else self.retention_days * DAY_MS
        return {
            "cleanup.policy": self.cleanup,
            "retention.ms": str(retention),
            "min.insync.replicas": str(2 if replication >= 3 else 1),
            **self.extra,
        }


#: A segment that is still written to is never compacted, so state rolls hourly and early.
#: A manifest lists every block of a partition and may outgrow the usual megabyte.
STATE = {
    "max.message.bytes": str(8 * 1024 * 1024),
    "segment.ms": "3600000",
    "segment.bytes": "67108864",
    "min.cleanable.dirty.ratio": "0.1",
}

TOPICS: tuple[Topic, ...] = (
    Topic("searches.raw", "delete", retention_days=365),
    Topic("searches", "delete", retention_days=365),
    Topic("searches.refused", "delete", partitions=3, retention_days=365),
    Topic("searches.late", "delete", partitions=3, retention_days=365),
    Topic("alerts", "compact"),
    Topic("state.ingest", "compact", extra=STATE),
    Topic("state.watch", "compact", extra=STATE),
    Topic("decisions", "delete", partitions=1),
)


def kafka_name(settings: Settings, name: str) -> str:
    """The name in Kafka of a logical topic."""
    return settings.topic_prefix + name


def partition_count(settings: Settings, topic: Topic) -> int:
    """How many partitions the topic must have."""
    return topic.partitions or settings.partitions


def partition_of(key: bytes, partitions: int) -> int:
    """The partition that Kafka's default partitioner gives a key, the same in every client."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions


def admin_client(settings: Settings) -> KafkaAdminClient:
    """A connected administration client. Raises Stop when no broker can be reached, or none lets us in."""
    connection = settings.connection()
    knock(connection)
    try:
        return KafkaAdminClient(client_id="probewatch-topics", bootstrap_timeout_ms=10_000, **connection)
    except KafkaTimeoutError:
        raise nobody_answers(settings) from None
    except KafkaError as error:
        raise Stop(f"Kafka refused the connection: {error}") from None


def nobody_answers(settings: Settings) -> Stop:
    """The end of a program that finds no broker."""
    return Stop(f"no Kafka broker answers at {', '.join(settings.brokers)}; start it or set {PREFIX}BROKER")


@dataclass(frozen=True)
class Survey:
    """What a cluster has of `TOPICS`: `missing` to create, `wrong` as sentences, `warnings`, and of
    those that are there the `partitions`, by Kafka name."""

    missing: tuple[Topic, ...]
    wrong: tuple[str, ...]
    warnings: tuple[str, ...]
    partitions: Mapping[str, int]


def survey(admin: KafkaAdminClient, settings: Settings) -> Survey:
    """Compare the cluster with `TOPICS`: existence, partition counts, clean-up policies.

    Raises:
        Stop: we may not see some of them.
    """
    answer = admin.describe_topics([kafka_name(settings, topic.name) for topic in TOPICS])
    described = {entry["name"]: len(entry["partitions"]) for entry in answer if not entry["error_code"]}
    hidden = [entry["name"] for entry in answer if entry["error_code"] == TOPIC_AUTHORIZATION_FAILED]
    if hidden:
        raise Stop(f"Kafka does not let us DESCRIBE {', '.join(hidden)}; grant that with kafka-acls.sh")
    missing, wrong, present = [], [], []
    for topic in TOPICS:
        name, wanted = kafka_name(settings, topic.name), partition_count(settings, topic)
        found = described.get(name)
        if found is None:
            missing.append(topic)
        elif found != wanted:
            cure = (
                f"set {PREFIX}PARTITIONS={found}"
                if topic.partitions is None
                else f"recreate the topic with {wanted}"
            )
            wrong.append(f"topic {name} has {found} partitions, not {wanted}: {cure}")
        else:
            present.append(topic)
    return Survey(tuple(missing), tuple(wrong), tuple(_policies(admin, settings, present)), described)


def _policies(admin: KafkaAdminClient, settings: Settings, topics: list[Topic]) -> list[str]:
    """Where clean-up differs: a state topic that deletes by age would lose quiet partitions."""
    if not topics:
        return []
    resources = [ConfigResource(ConfigResourceType.TOPIC, kafka_name(settings, t.name)) for t in topics]
    try:
        answer = admin.describe_configs(resources, config_filter="all").get("topic", {})
    except KafkaError as error:
        return [f"the broker does not tell topic settings ({type(error).__name__}), so they are not checked"]
    differing = []
    for topic in topics:
        name = kafka_name(settings, topic.name)
        found = (answer.get(name, {}).get("cleanup.policy") or {}).get("value")
        if found is not None and found != topic.cleanup:
            differing.append(
                f"topic {name} has cleanup.policy={found}, not {topic.cleanup}:"
                f" kafka-configs.sh --alter --topic {name} --add-config cleanup.policy={topic.cleanup}"
            )
    return differing


def create(admin: KafkaAdminClient, settings: Settings, topics: tuple[Topic, ...]) -> None:
    """Create the topics. Raises Stop with the broker's reason; one that appears meanwhile is fine."""
    wanted = {
        kafka_name(settings, topic.name): {
            "num_partitions": partition_count(settings, topic),
            "replication_factor": settings.replication,
            "configs": topic.config(settings.replication),
        }
        for topic in topics
    }
    if not wanted:
        return
    answer = admin.create_topics(wanted, raise_errors=False)
    for entry in answer["topics"]:
        if entry["error_code"] == TOPIC_AUTHORIZATION_FAILED:
            raise Stop(
                f"topic {entry['name']} could not be created: Kafka does not let us; grant CREATE on the"
                " topics with kafka-acls.sh, or have them created by somebody who may"
            )
        if entry["error_code"] not in (0, 36):  # 36: another worker created it first
            raise Stop(
                f"topic {entry['name']} could not be created: {entry.get('error_message') or entry}"
                f" ({PREFIX}REPLICATION={settings.replication})"
            )
    admin.wait_for_topics(list(wanted))


def ensure(settings: Settings) -> None:
    """Make sure the topics are as declared, creating missing ones if the settings allow it.

    Raises:
        Stop: topics are missing and may not be created, or have other partition counts.
    """
    admin = admin_client(settings)
    try:
        found = survey(admin, settings)
        if found.wrong:
            raise Stop("; ".join(found.wrong))
        if found.missing and not settings.topics_create:
            names = ", ".join(kafka_name(settings, topic.name) for topic in found.missing)
            raise Stop(f"topics are missing: {names}; create them with `./probewatch topics --create`")
        create(admin, settings, found.missing)
    finally:
        admin.close()
