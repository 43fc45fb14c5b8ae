"""State in a compacted topic: torn, interleaved, damaged and foreign checkpoints."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Mapping

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.loading import Extent, resume
from streams.state import (
    CHUNK,
    Identity,
    Manifest,
    Snapshot,
    StateError,
    StateWriter,
    assemble,
    manifest_key,
)

IDENTITY = Identity("watch", 1, 3, 24)
Log = list[tuple[bytes, bytes | None]]


def latest(log: Log) -> dict[bytes, bytes]:
    """What compaction keeps."""
    found: dict[bytes, bytes] = {}
    for key, value in log:
        found.pop(key, None)
        if value is not None:
            found[key] = value
    return found


def writer(
    log: Log, loaded: Manifest | None = None, name: str = "one", present: Iterable[bytes] = ()
) -> StateWriter:
    async def send(key: bytes, value: bytes | None) -> Awaitable[object]:
        log.append((key, value))
        confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        confirmed.set_result(None)
        return confirmed

    return StateWriter(send, IDENTITY, loaded, config_digest="d", writer=name, present=present)


def load(log: Log) -> Snapshot:
    snapshot = assemble(latest(log), IDENTITY)
    assert snapshot is not None
    return snapshot


def write(target: StateWriter, changed: Mapping[str, bytes], absorbed: int) -> None:
    asyncio.run(target.write(changed, absorbed))


names = st.sampled_from(["a", "b/1", "b/2", "manifest"])
changes = st.dictionaries(names, st.binary(max_size=6), max_size=4)


@given(st.lists(changes, min_size=1, max_size=8), st.data())
def test_a_checkpoint_torn_anywhere_leaves_the_one_before(
    steps: list[dict[str, bytes]], data: st.DataObject
) -> None:
    log: Log = []
    target = writer(log)
    expected: list[tuple[int, dict[str, bytes]]] = []
    blocks: dict[str, bytes] = {}
    bounds = []
    for number, changed in enumerate(steps):
        write(target, changed, number)
        blocks = {name: content for name, content in {**blocks, **changed}.items() if content}
        expected.append((number, blocks))
        manifest_at = max(i for i, (key, _) in enumerate(log) if key == manifest_key(0))
        bounds.append(manifest_at + 1)
    cut = data.draw(st.integers(0, len(log)))
    whole = sum(bound <= cut for bound in bounds)
    snapshot = assemble(latest(log[:cut]), IDENTITY)
    if whole == 0:
        assert snapshot is None
    else:
        assert snapshot is not None
        assert (snapshot.manifest.absorbed, snapshot.blocks) == expected[whole - 1]


@given(changes, changes, changes, st.data())
def test_a_predecessor_that_wakes_up_and_finishes_its_checkpoint_changes_nothing(
    base: dict[str, bytes], theirs: dict[str, bytes], ours: dict[str, bytes], data: st.DataObject
) -> None:
    log: Log = []
    sleeper = writer(log, name="sleeper")
    write(sleeper, base, 10)
    # The sleeper is stopped after some of its next checkpoint has reached Kafka ...
    late: Log = []
    asleep = writer(late, name="sleeper", present=latest(log))
    asleep.manifest = sleeper.manifest
    write(asleep, theirs, 20)
    cut = data.draw(st.integers(0, len(late)))
    log += late[:cut]
    # ... its successor loads and works on ...
    found = load(log)
    successor = writer(log, found.manifest, "successor", latest(log))
    write(successor, ours, 30)
    expected = {name: content for name, content in {**found.blocks, **ours}.items() if content}
    # ... and then the rest of the sleeper's writes comes in.
    log += late[cut:]
    snapshot = load(log)
    assert snapshot.manifest.writer == "successor"
    assert (snapshot.manifest.absorbed, snapshot.blocks) == (30, expected)


def test_only_changed_blocks_are_written_and_large_ones_in_chunks() -> None:
    log: Log = []
    target = writer(log)
    large = bytes(range(256)) * (CHUNK // 100)
    write(target, {"large": large, "small": b"s"}, 5)
    before = len(log)
    write(target, {"small": b"t"}, 6)
    assert len(log) - before == 2, "one chunk and the manifest"
    assert max(len(value) for _, value in log if value is not None) <= CHUNK
    assert load(log).blocks == {"large": large, "small": b"t"}


def test_gone_blocks_leave_no_record_behind_after_one_more_checkpoint() -> None:
    log: Log = []
    target = writer(log)
    write(target, {"a": b"1", "b": b"2"}, 1)
    write(target, {"a": b"2"}, 2)
    write(target, {"a": b""}, 3)
    assert load(log).blocks == {"b": b"2"}
    successor = writer(log, load(log).manifest, "successor", latest(log))
    write(successor, {"b": b"3"}, 4)
    assert not [key for key in latest(log) if key.startswith(b"a/")]
    assert load(log).blocks == {"b": b"3"}


@pytest.mark.parametrize("identity", [
    Identity("ingest", 1, 3, 24), Identity("watch", 2, 3, 24), Identity("watch", 1, 3, 12),
])  # fmt: skip
def test_state_of_another_stage_version_or_partition_count_is_refused(identity: Identity) -> None:
    log: Log = []
    write(writer(log), {"a": b"1"}, 1)
    with pytest.raises(StateError, match="belongs to stage 'watch' version 1, partition 3 of 24"):
        assemble(latest(log), identity)


def test_damage_is_never_taken_for_state() -> None:
    log: Log = []
    write(writer(log), {"a": b"12345"}, 1)
    records = latest(log)
    for damaged in (b"12346", b"1234", b""):
        with pytest.raises(StateError, match="block 'a' is damaged"):
            assemble({**records, b"a/A/0": damaged}, IDENTITY)
    with pytest.raises(StateError, match="chunk 0 of 1 of block 'a' is missing"):
        assemble({key: value for key, value in records.items() if key != b"a/A/0"}, IDENTITY)
    with pytest.raises(StateError, match="manifest cannot be read"):
        assemble({**records, manifest_key(0): b"\xc1"}, IDENTITY)
    foreign = msgspec.structs.replace(load(log).manifest, format=2)
    with pytest.raises(StateError, match="format 2"):
        assemble({**records, manifest_key(0): msgspec.msgpack.encode(foreign)}, IDENTITY)


@pytest.mark.parametrize(("absorbed", "extent", "offset", "lost"), [
    (None, Extent(0, 10, None), 0, 0),
    (None, Extent(7, 10, None), 7, 0),
    (4, Extent(0, 10, 5), 5, 0),
    (4, Extent(0, 10, 3), 5, 0),
    (4, Extent(0, 10, 9), 5, 0),
    (9, Extent(0, 10, 10), 10, 0),
    (4, Extent(8, 10, 5), 8, 3),
])  # fmt: skip
def test_reading_goes_on_after_the_state(
    absorbed: int | None, extent: Extent, offset: int, lost: int
) -> None:
    assert resume(absorbed, extent)[:2] == (offset, lost)


def test_missing_state_and_a_recreated_topic_are_errors() -> None:
    with pytest.raises(StateError, match="offset 5 was committed, but there is no state"):
        resume(None, Extent(0, 10, 5))
    with pytest.raises(StateError, match="absorbed offset 99, but the topic ends at 10"):
        resume(99, Extent(0, 10, None))


def test_commit_ahead_of_the_state_is_told() -> None:
    assert "offset 9 was committed but the state ends at 4" in (resume(4, Extent(0, 10, 9)).warning or "")
