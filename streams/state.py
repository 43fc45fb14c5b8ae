"""A partition's state in a compacted topic: blocks, and a manifest that makes them one snapshot.

A checkpoint writes each changed block in chunks under `BLOCK/SLOT/CHUNK` and, once all of them
are confirmed, a manifest that names block, slot, size and digest. A block is never written over
the slot that the last manifest names, so a checkpoint torn by a crash leaves the one before
whole.

Each time a partition is loaded its epoch goes up by one. Odd and even epochs have slots and a
manifest key of their own, and the loader takes the manifest of the highest epoch: should a
predecessor that was stopped in the middle of a checkpoint wake up and finish it, that changes
nothing its successor relies on.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

#: Raised when the layout below changes; another format is refused.
FORMAT = 1
#: Bytes of a chunk; Kafka's default limit for a message is 1 MB with everything round it.
CHUNK = 900_000
#: Slot names by the parity of the epoch.
SLOTS = (("A", "B"), ("C", "D"))

#: Sends one record of this partition; None as value deletes the key. The second await confirms.
Send = Callable[[bytes, bytes | None], Awaitable[Awaitable[object]]]


class StateError(Exception):
    """State that must not be used, and why. The subclasses have cures of their own."""


class Outdated(StateError):
    """State that other code wrote: of another format or version."""


class Unreadable(StateError):
    """State that is whole, but that this code under this configuration cannot take back."""


class Misfit(StateError):
    """State of a detector that counted something else; the text names detector and setting."""


class Repartitioned(StateError):
    """State for another number of partitions: its keys may have moved to any of the others, so it can
    neither be used nor be built again in place."""


class Block(Struct, frozen=True, array_like=True):
    """Where a block stands: its slot, size in bytes, BLAKE2b-128 digest and number of chunks."""

    slot: str
    size: int
    digest: bytes
    chunks: int


class Shape(Struct, frozen=True):
    """What a detector's state was counted by: its function, and the settings that shape its state."""

    function: str
    settings: dict[str, Any]


class Manifest(Struct, kw_only=True, frozen=True):
    """One snapshot of one partition. `absorbed` is the last offset whose effect is in it, or -1.

    Fields with a default may be missing: they came later. Older code passes over what it does not know.
    """

    format: int = FORMAT
    stage: str
    stage_version: int
    partition: int
    partitions: int
    absorbed: int
    blocks: dict[str, Block]
    config_digest: str
    writer: str
    epoch: int
    sequence: int
    detectors: dict[str, Shape] | None = None
    """By name of the stanza; None where it is not known who wrote the blocks."""
    written_at: float | None = None
    """By the clock of the writer, epoch seconds."""

    @property
    def size(self) -> int:
        """Bytes of all blocks."""
        return sum(block.size for block in self.blocks.values())


class Snapshot(NamedTuple):
    """A manifest and the blocks it names, verified."""

    manifest: Manifest
    blocks: dict[str, bytes]


class Identity(NamedTuple):
    """Whose state this is: it cannot be used by another stage, version, or partition count."""

    stage: str
    version: int
    partition: int
    partitions: int


class StateWriter:
    """Writes a partition's checkpoints. `loaded` is the manifest that was loaded, if any, `present`
    the keys found with it, and `dropped` those of its blocks that are of no more use. `detectors`
    goes into every manifest."""

    def __init__(
        self,
        send: Send,
        identity: Identity,
        loaded: Manifest | None,
        *,
        config_digest: str,
        writer: str,
        present: Iterable[bytes] = (),
        detectors: Mapping[str, Shape] | None = None,
        dropped: Iterable[str] = (),
    ) -> None:
        self._send = send
        self._dropped = dict.fromkeys(dropped, b"")
        self._present = {key for key in present if key not in MANIFEST_KEYS}
        self.manifest = Manifest(
            stage=identity.stage,
            stage_version=identity.version,
            partition=identity.partition,
            partitions=identity.partitions,
            absorbed=loaded.absorbed if loaded else -1,
            blocks=dict(loaded.blocks) if loaded else {},
            config_digest=config_digest,
            writer=writer,
            epoch=loaded.epoch + 1 if loaded else 0,
            sequence=0,
            detectors=None if detectors is None else dict(detectors),
        )

    async def write(self, changed: Mapping[str, bytes], absorbed: int) -> None:
        """Make the changed blocks (empty: gone) and the offset durable; all is confirmed on return."""
        before = self.manifest
        blocks = dict(before.blocks)
        chunks: list[tuple[bytes, bytes | None]] = []
        for name, content in {**self._dropped, **changed}.items():
            if not content:
                blocks.pop(name, None)
                continue
            slot = self._free_slot(name)
            parts = [content[at : at + CHUNK] for at in range(0, len(content), CHUNK)]
            blocks[name] = Block(slot, len(content), _digest(content), len(parts))
            chunks += ((chunk_key(name, slot, number), part) for number, part in enumerate(parts))
        await self._confirmed(chunks)
        self._present.update(key for key, _ in chunks)
        manifest = msgspec.structs.replace(
            before, absorbed=absorbed, blocks=blocks, sequence=before.sequence + 1, written_at=time.time()
        )
        await self._confirmed([(manifest_key(manifest.epoch), msgspec.msgpack.encode(manifest))])
        self.manifest = manifest
        self._dropped = {}
        # What is gone is deleted one checkpoint late: should this one be the last of a process that
        # no longer owns the partition, its successor may still rely on what went just now.
        garbage = [
            key for key in self._present if (name := _block(key)) not in blocks and name not in before.blocks
        ]
        await self._confirmed([(key, None) for key in sorted(garbage)])
        self._present.difference_update(garbage)

    def _free_slot(self, name: str) -> str:
        used = self.manifest.blocks.get(name)
        first, second = SLOTS[self.manifest.epoch % 2]
        return second if used is not None and used.slot == first else first

    async def _confirmed(self, records: Sequence[tuple[bytes, bytes | None]]) -> None:
        await asyncio.gather(*[await self._send(key, value) for key, value in records])


def chunk_key(block: str, slot: str, number: int) -> bytes:
    """The key of one chunk."""
    return f"{block}/{slot}/{number}".encode()


def manifest_key(epoch: int) -> bytes:
    """The key of the manifests of every second epoch; no block's key has so few slashes."""
    return f"manifest/{epoch % 2}".encode()


MANIFEST_KEYS = (manifest_key(0), manifest_key(1))


def newest_manifest(records: Mapping[bytes, bytes]) -> Manifest | None:
    """The manifest in force among the latest records of a partition, or None if there is none.

    Raises:
        StateError: a manifest cannot be read.
    """
    found = []
    for key in MANIFEST_KEYS:
        raw = records.get(key)
        if raw is None:
            continue
        try:
            found.append(msgspec.msgpack.decode(raw, type=Manifest))
        except msgspec.MsgspecError as error:
            raise StateError(f"the manifest cannot be read: {error}") from None
    return max(found, key=lambda manifest: (manifest.epoch, manifest.sequence), default=None)


def assemble(records: Mapping[bytes, bytes], identity: Identity) -> Snapshot | None:
    """The snapshot in force among the latest records of a partition; None if none was written.

    Raises:
        StateError: it is damaged, or belongs to another stage, version or partition count.
        Outdated, Repartitioned: only that is the matter.
    """
    manifest = newest_manifest(records)
    if manifest is None:
        return None
    theirs = Identity(manifest.stage, manifest.stage_version, manifest.partition, manifest.partitions)
    if manifest.format != FORMAT:
        raise Outdated(f"the state is in format {manifest.format}, this release reads {FORMAT}")
    if theirs != identity:
        said = f"the state belongs to {_say(theirs)}, this is {_say(identity)}"
        if theirs.partitions != identity.partitions and theirs.stage == identity.stage:
            raise Repartitioned(said)
        raise (Outdated if theirs.stage == identity.stage else StateError)(said)
    return Snapshot(
        manifest, {name: _content(records, name, block) for name, block in manifest.blocks.items()}
    )


def _content(records: Mapping[bytes, bytes], name: str, block: Block) -> bytes:
    parts = [records.get(chunk_key(name, block.slot, number)) for number in range(block.chunks)]
    missing = [number for number, part in enumerate(parts) if part is None]
    if missing:
        raise StateError(f"chunk {missing[0]} of {block.chunks} of block {name!r} is missing")
    content = b"".join(part for part in parts if part is not None)
    if len(content) != block.size or _digest(content) != block.digest:
        raise StateError(
            f"block {name!r} is damaged: {len(content)} bytes instead of {block.size} or changed"
        )
    return content


def _block(key: bytes) -> str:
    """The block that a chunk's key belongs to."""
    return key.rsplit(b"/", 2)[0].decode()


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()


def _say(identity: Identity) -> str:
    return (
        f"stage {identity.stage!r} version {identity.version},"
        f" partition {identity.partition} of {identity.partitions}"
    )
