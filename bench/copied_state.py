"""The state of very many agencies: that of a few, copied under other names.

Agencies do not influence each other, which is one of the laws, and a name stands in a state wherever it
stands in a search; so the state of an agency with its name replaced by one as long is the state that the
same searches under that name would have left. What is left out is where in the raw log they stood: the
copies begin on empty topics.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping

import msgspec
from aiokafka import AIOKafkaProducer

from bench.worker_run import Scene
from models.ingest import IngestStage
from models.pipeline import Pipeline
from models.watch import WatchStage
from streams.state import Identity, StateWriter
from streams.topics import partition_of

Blocks = dict[str, bytes]


class Copies:
    """The blocks of both stages, for the agencies they were made by and for any number of others."""

    def __init__(self, machine: Pipeline) -> None:
        self._ingest = machine.ingest.snapshot(full=True)
        self._watch = machine.watch.snapshot(full=True)
        self._models = machine.agencies

    def names(self, wanted: int) -> Iterator[tuple[str, str]]:
        """So many agencies, each with the one that it is a copy of."""
        for number in range(wanted):
            yield f"agency-{number:04d}", self._models[number % len(self._models)]

    def watch(self, agencies: Iterable[tuple[str, str]]) -> Blocks:
        """Blocks of the watch stage of these."""
        found = {}
        own = _by_owner(self._watch, "agency/")
        for name, model in agencies:
            for block, content in own[model].items():
                if block == "state":
                    closed, marks, *_ = msgspec.msgpack.decode(content)
                    content = msgspec.msgpack.encode((closed, marks, {}))
                found[f"agency/{name}\0{block}"] = _renamed(content, model, name)
        return found

    def ingest(self, agencies: Iterable[tuple[str, str]]) -> Blocks:
        """Blocks of the ingest stage of these, each with its one log."""
        feeds, marked, *_ = msgspec.msgpack.decode(self._ingest["registry"])
        own = _by_owner(self._ingest, "source/")
        found, fed, marks = {}, {}, {}
        for name, model in agencies:
            source, source_of_model = f"{name}-log", f"{model}-log"
            for block, content in own[source_of_model].items():
                found[f"source/{source}\0{block}"] = _renamed(content, model, name)
            fed[source] = [name for _ in feeds[source_of_model]]
            if source_of_model in marked:
                marks[source] = marked[source_of_model]
        found["registry"] = msgspec.msgpack.encode((fed, marks))
        return found

    def put(self, scene: Scene, agencies: int) -> int:
        """Write them to the state topics as a worker would have; bytes."""
        return asyncio.run(self._put(scene, agencies))

    async def _put(self, scene: Scene, agencies: int) -> int:
        producer = AIOKafkaProducer(
            bootstrap_servers=scene.broker.bootstrap,
            acks="all",
            linger_ms=20,
            max_request_size=8 * 1024 * 1024,
        )
        await producer.start()
        size = 0
        try:
            for partition in range(scene.partitions):
                for stage, version, ending in (
                    ("ingest", IngestStage.version, "-log"),
                    ("watch", WatchStage.version, ""),
                ):
                    mine = [
                        pair
                        for pair in self.names(agencies)
                        if partition_of(f"{pair[0]}{ending}".encode(), scene.partitions) == partition
                    ]
                    blocks = self.ingest(mine) if stage == "ingest" else self.watch(mine)
                    writer = _writer(producer, scene, Identity(stage, version, partition, scene.partitions))
                    await writer.write(blocks, absorbed=-1)
                    size += writer.manifest.size
            return size
        finally:
            await producer.stop()


def _writer(producer: AIOKafkaProducer, scene: Scene, identity: Identity) -> StateWriter:
    topic = scene.topic(f"state.{identity.stage}")

    async def send(key: bytes, value: bytes | None) -> asyncio.Future[object]:
        sent: asyncio.Future[object] = await producer.send(
            topic, value=value, key=key, partition=identity.partition
        )
        return sent

    return StateWriter(send, identity, None, config_digest="copied", writer="bench")


def _by_owner(blocks: Mapping[str, bytes], prefix: str) -> dict[str, Blocks]:
    found: dict[str, Blocks] = {}
    for name, content in blocks.items():
        if name.startswith(prefix):
            owner, _, rest = name[len(prefix) :].partition("\0")
            found.setdefault(owner, {})[rest] = content
    return found


def _renamed(content: bytes, model: str, name: str) -> bytes:
    if len(model) != len(name):
        raise ValueError(f"{name} is not as long as {model}")
    return content.replace(model.encode(), name.encode())
