"""What the state of each partition says, for a person who must decide whether anything is wrong.

Read from the manifest, the names of the blocks and the small blocks `state` alone: no stage is made, so
that state which other code wrote can still be looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import msgspec
from msgspec import Struct

from models import ingest, watch
from models.days import LocalDays
from models.reference import Reference
from models.wording import day_text, length, plural
from streams.extents import Waiting
from streams.fitting import fit
from streams.health import NO_COMMIT_AFTER
from streams.loading import Extent, resume
from streams.state import Identity, Manifest, Shape, StateError, assemble, newest_manifest


class Agent(NamedTuple):
    """An agent whose state is looked at: its name, the version of state that this code reads, its
    logical input topic, and its detectors as far as the configuration is known."""

    name: str
    version: int
    topic: str
    shapes: Mapping[str, Shape] | None = None


AGENTS = (Agent("ingest", ingest.VERSION, "searches.raw"), Agent("watch", watch.VERSION, "searches"))


class AgencyState(Struct, array_like=True):
    """What an agency's block `state` begins with: last closed day, watermark of each source."""

    closed: int | None
    marks: dict[str, float]


class SourceState(Struct, array_like=True):
    """What a source's block `state` begins with. Times are epoch seconds."""

    latest: float
    second: float
    tick: float
    alive: bool
    watermark: float


@dataclass(frozen=True)
class Window:
    """The oldest open window of a partition: a local day of `key`, an agency or a source.

    `age_seconds` is by the clock, from the begin of the day. An agency's day that its newest source has
    passed by `held_seconds` of event time waits for the source `held_by`.
    """

    key: str
    day: str
    age_seconds: float
    held_by: str | None = None
    held_seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class View:
    """One partition of one agent. None stands for what is not known or not there."""

    agent: str
    partition: int
    absorbed: int | None
    end: int
    lag: int
    """Records that are not in the state."""
    waiting_seconds: float | None
    """Since the first of them came."""
    keys: int
    """Agencies or sources."""
    blocks: int
    bytes: int
    oldest_window: Window | None
    watermark: float | None
    """The smallest, epoch seconds."""
    written_at: float | None
    writer: str | None
    stage_version: int | None
    config_digest: str | None

    @property
    def stalled(self) -> bool:
        """Whether records wait and nobody has been at work for a minute."""
        return self.waiting_seconds is not None and self.waiting_seconds > NO_COMMIT_AFTER


class Look(NamedTuple):
    """A view, why a worker would refuse the state, if so, and how many offsets were never read."""

    view: View
    problem: StateError | None
    lost: int


def look(
    agent: Agent,
    partition: int,
    partitions: int,
    records: Mapping[bytes, bytes],
    waiting: Waiting,
    committed: int | None,
    reference: Reference | None,
    now: float,
) -> Look:
    """Look at the latest records of a partition of the state topic.

    `reference` knows time zones; without it days are taken in UTC. `now` in epoch seconds.
    """
    manifest: Manifest | None = None
    blocks: Mapping[str, bytes] = {}
    problem, lost = None, 0
    try:
        manifest = newest_manifest(records)
        snapshot = assemble(records, Identity(agent.name, agent.version, partition, partitions))
        if snapshot is not None:
            blocks = snapshot.blocks
            if agent.shapes is not None:
                fit(snapshot, agent.shapes)
        absorbed = manifest.absorbed if manifest else None
        lost = resume(absorbed, Extent(waiting.first, waiting.end, committed)).lost
    except StateError as error:
        problem = error
    absorbed = manifest.absorbed if manifest else None
    windows = tuple(_windows(agent, manifest, blocks, reference, now)) if manifest else ()
    marks = [mark for owner in _marks(agent, blocks).values() for mark in owner.values()]
    written = manifest.written_at if manifest else None
    view = View(
        agent=agent.name,
        partition=partition,
        absorbed=absorbed,
        end=waiting.end,
        lag=max(0, waiting.end - max(waiting.first, -1 if absorbed is None else absorbed + 1)),
        waiting_seconds=_idle(waiting.since, written, now),
        keys=len(_owners(manifest)) if manifest else 0,
        blocks=len(manifest.blocks) if manifest else 0,
        bytes=manifest.size if manifest else 0,
        oldest_window=max(windows, key=lambda window: window.age_seconds, default=None),
        watermark=min((mark for mark in marks if mark > float("-inf")), default=None),
        written_at=written,
        writer=manifest.writer if manifest else None,
        stage_version=manifest.stage_version if manifest else None,
        config_digest=manifest.config_digest if manifest else None,
    )
    return Look(view, problem, lost)


def _idle(since: float | None, written: float | None, now: float) -> float | None:
    """For how long something has waited with nobody at work; state just written means somebody is."""
    return None if since is None else max(0.0, now - max(since, written or 0.0))


def _owners(manifest: Manifest) -> set[str]:
    return {owner for owner, end, _ in (name.partition("\0") for name in manifest.blocks) if end}


def _windows(
    agent: Agent,
    manifest: Manifest,
    blocks: Mapping[str, bytes],
    reference: Reference | None,
    now: float,
) -> Iterator[Window]:
    """The oldest open window of each agency or source."""
    oldest: dict[str, int] = {}
    for name in manifest.blocks:
        owner, _, rest = name.partition("\0")
        what, _, day = rest.partition("/")
        if what in ("open", "day") and day.isdecimal():
            oldest[owner] = min(oldest.get(owner, int(day)), int(day))
    marks = _marks(agent, blocks)
    for owner, number in oldest.items():
        key = owner.partition("/")[2]
        days = LocalDays(_zone(agent, key, reference))
        held_by = held = None
        if agent.name == "watch" and (own := marks.get(owner)):
            newest, slowest = max(own.values()), min(own, key=own.__getitem__)
            if newest >= days.end(number):
                held_by, held = slowest, newest - days.end(number)
        yield Window(key, date.fromordinal(number).isoformat(), now - days.start(number), held_by, held)


def _marks(agent: Agent, blocks: Mapping[str, bytes]) -> dict[str, dict[str, float]]:
    """The watermark of each source, by the owner of the block `state`."""
    found: dict[str, dict[str, float]] = {}
    for name, block in blocks.items():
        owner, end, rest = name.partition("\0")
        if not end or rest != "state":
            continue
        if agent.name == "watch":
            found[owner] = msgspec.msgpack.decode(block, type=AgencyState).marks
        else:
            found[owner] = {owner: msgspec.msgpack.decode(block, type=SourceState).watermark}
    return found


def _zone(agent: Agent, key: str, reference: Reference | None) -> str:
    if reference is None:
        return "UTC"
    if agent.name == "watch":
        return reference.agency(key).timezone
    source = reference.sources.get(key)
    return reference.agency(source.agency_id).timezone if source and source.agency_id != "*" else "UTC"


def remarks(view: View) -> Iterator[str]:
    """What is worth knowing of a partition although nothing is wrong."""
    window = view.oldest_window
    if window is not None and window.held_by is not None and window.held_seconds is not None:
        yield (
            f"{window.key}: {day_text(date.fromisoformat(window.day).toordinal())} is open although another"
            f" source is {length(window.held_seconds)} past its end: it waits for the source"
            f" {window.held_by}, or for its idle time"
        )


def stall(view: View, topic: str) -> str:
    """A finding: records wait and nothing is done."""
    assert view.waiting_seconds is not None
    last = "there is no state yet" if view.written_at is None else "nothing was written since"
    return (
        f"{plural(view.lag, 'record')} of {topic}, partition {view.partition}, waited for"
        f" {length(view.waiting_seconds)} and {last}: is a worker running, and what does its log say?"
    )
