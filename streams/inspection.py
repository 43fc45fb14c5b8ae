"""Reads what `streams.view` looks at from Kafka, and gathers what it finds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from kafka import KafkaAdminClient
from kafka.errors import KafkaError as AdminError

from models.reference import Reference
from streams.exits import Stop
from streams.extents import read_extent
from streams.loading import read_latest
from streams.opening import refusal
from streams.permissions import explained
from streams.settings import Settings
from streams.state import StateError, newest_manifest
from streams.topics import admin_client, kafka_name, survey
from streams.view import Agent, Look, View, look, remarks, stall

#: Partitions read at once; each takes memory for its state.
READS_AT_ONCE = 4


class Findings(NamedTuple):
    """Every partition, what is wrong in a sentence each, and what is worth knowing."""

    views: tuple[View, ...]
    wrong: tuple[str, ...]
    remarks: tuple[str, ...]


class _Cluster(NamedTuple):
    """Partitions of each topic, committed offsets of the group, and what is wrong with the topics."""

    partitions: Mapping[str, int]
    committed: Mapping[tuple[str, int], int]
    wrong: tuple[str, ...]


async def inspect(settings: Settings, agents: Sequence[Agent], reference: Reference | None) -> Findings:
    """Look at all state. Joins no group and writes nothing.

    Raises:
        Stop: no broker answers, it does not let us read, or the topics have not been made.
    """
    # Committed offsets first and ends last: work may go on meanwhile.
    cluster = await asyncio.to_thread(_ask, settings)
    turns = asyncio.Semaphore(READS_AT_ONCE)

    async def one(agent: Agent, partition: int) -> tuple[Agent, Look]:
        async with turns:
            return agent, await _look(settings, agent, partition, cluster, reference)

    try:
        looks = await asyncio.gather(
            *(
                one(agent, partition)
                for agent in agents
                for partition in range(cluster.partitions[kafka_name(settings, agent.topic)])
            )
        )
    except (StateError, KafkaError) as error:
        raise _stopped(error, settings) from None
    return Findings(
        tuple(found.view for _, found in looks),
        (*cluster.wrong, *_wrong(settings, looks)),
        tuple(said for _, found in looks for said in remarks(found.view)),
    )


def _ask(settings: Settings) -> _Cluster:
    admin = admin_client(settings)
    try:
        found = survey(admin, settings)
        if found.missing:
            names = ", ".join(kafka_name(settings, topic.name) for topic in found.missing)
            raise Stop(f"topics are missing: {names}; create them with `./probewatch topics --create`")
        return _Cluster(found.partitions, _committed(admin, settings.group_id), found.wrong)
    except AdminError as error:
        raise Stop(f"Kafka does not tell what the group {settings.group_id} has done: {error!r}") from None
    finally:
        admin.close()


def _committed(admin: KafkaAdminClient, group: str) -> dict[tuple[str, int], int]:
    offsets = admin.list_group_offsets([group]).get(group, {})
    return {(topic, partition): at.offset for (topic, partition), at in offsets.items() if at.offset >= 0}


async def _look(
    settings: Settings, agent: Agent, partition: int, cluster: _Cluster, reference: Reference | None
) -> Look:
    name, state = kafka_name(settings, agent.topic), kafka_name(settings, f"state.{agent.name}")
    records: Mapping[bytes, bytes] = {}
    if partition < cluster.partitions[state]:
        records = await read_latest(settings.connection(), state, partition)
    try:
        manifest = newest_manifest(records)
    except StateError:
        manifest = None
    following = manifest.absorbed + 1 if manifest else 0
    waiting = await read_extent(settings.connection(), TopicPartition(name, partition), following)
    return look(
        agent,
        partition,
        cluster.partitions[name],
        records,
        waiting,
        cluster.committed.get((name, partition)),
        reference,
        time.time(),
    )


def _wrong(settings: Settings, looks: Sequence[tuple[Agent, Look]]) -> list[str]:
    """What is wrong with the partitions; what is the same for several is said once."""
    refused: dict[tuple[str, str], list[tuple[Agent, Look]]] = {}
    said = []
    for agent, found in looks:
        name = kafka_name(settings, agent.topic)
        if found.problem is not None:
            refused.setdefault((agent.name, str(found.problem)), []).append((agent, found))
        elif found.lost:
            said.append(
                f"{found.lost} offsets of {name}, partition {found.view.partition}, after"
                f" {found.view.absorbed} were deleted by retention before they were read"
            )
        elif found.view.stalled:
            said.append(stall(found.view, name))
    for same in refused.values():
        agent, first = same[0]
        assert first.problem is not None
        partitions = [found.view.partition for _, found in same]
        said.append(refusal(settings, agent.name, agent.topic, partitions, first.problem))
    return said


def _stopped(error: Exception, settings: Settings) -> Stop:
    known = explained(error, settings)
    return known if isinstance(known, Stop) else Stop(f"the state cannot be read: {error}")
