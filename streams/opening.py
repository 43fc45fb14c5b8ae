"""How a partition of each agent is opened: its state loaded and verified, its stage made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial

from streams.active import Active
from streams.alertmanager import Notifier
from streams.counting import show_open
from streams.exits import Stop, log
from streams.fitting import Fit, FittedKind, fit
from streams.hosting import StageHost
from streams.loading import Extent, read_all, read_latest, resume
from streams.metrics import LOST_TO_RETENTION
from streams.notify import AlertRunner
from streams.outbox import Outbox
from streams.partition import PartitionRunner, Runner, StageKind
from streams.refusals import RefusalLimit
from streams.settings import PREFIX, Settings
from streams.state import (
    Identity,
    Misfit,
    Outdated,
    Repartitioned,
    Shape,
    Snapshot,
    StateError,
    StateWriter,
    Unreadable,
    assemble,
)
from streams.topics import kafka_name


class StageOpener:
    """Opens partitions of a stage. `writer` names this process in the manifests."""

    def __init__(
        self,
        kind: StageKind,
        host: StageHost,
        settings: Settings,
        outbox: Outbox,
        refusals: RefusalLimit,
        *,
        config_digest: str,
        writer: str,
    ) -> None:
        self.agent = kind.name
        self._kind = kind
        self._host = host
        self._settings = settings
        self._outbox = outbox
        self._refusals = refusals
        self._config_digest = config_digest
        self._writer = writer
        self._topic = kafka_name(settings, f"state.{kind.name}")

    async def open(self, partition: int, extent: Extent) -> Runner:
        """Load the state and put the stage where it left off.

        Raises:
            Stop: the state is missing, damaged or of another kind; the text names the cure.
        """
        identity = Identity(self._kind.name, self._kind.version, partition, self._settings.partitions)
        records = await read_latest(self._settings.connection(), self._topic, partition)
        stage = await self._host.make(partition)
        snapshot: Snapshot | None = None
        fitting: Fit | None = None
        try:
            snapshot = assemble(records, identity)
            resumption = resume(snapshot.manifest.absorbed if snapshot else None, extent)
            if snapshot:
                fitting = self._fit(snapshot)
                await stage.restore(fitting.blocks)
        except StateError as error:
            rebuilt = self.agent in self._settings.rebuild_state
            if not rebuilt or isinstance(error, Repartitioned):
                raise Stop(self._refusal(partition, error)) from error
            log.warning("state is rebuilt", agent=self.agent, partition=partition, reason=str(error))
            await self._outbox.confirmed(self._topic, [(key, None) for key in records], partition)
            stage, snapshot, fitting = await self._host.make(partition), None, None
            resumption = resume(None, extent._replace(committed=None))
        if resumption.warning:
            log.error(resumption.warning, agent=self.agent, partition=partition)
            LOST_TO_RETENTION.labels(self.agent).inc(resumption.lost)
        if fitting is not None:
            self._tell(partition, fitting)
        state = StateWriter(
            partial(self._outbox.send, self._topic, partition=partition),
            identity,
            snapshot.manifest if snapshot else None,
            config_digest=self._config_digest,
            writer=self._writer,
            present=records if snapshot else (),
            detectors=self._shapes,
            dropped=fitting.dropped if fitting is not None else (),
        )
        return PartitionRunner(
            self.agent,
            partition,
            stage,
            next_offset=resumption.offset,
            send=self._outbox.hand_over,
            state=state,
            refusals=self._refusals,
            checkpoint_interval=self._settings.checkpoint_interval,
        )

    def _fit(self, snapshot: Snapshot) -> Fit:
        """The blocks of a snapshot without those of detectors that are gone. Raises Misfit."""
        if self._shapes is None:
            return Fit(snapshot.blocks, (), (), ())
        return fit(snapshot, self._shapes)

    @property
    def _shapes(self) -> Mapping[str, Shape] | None:
        return self._kind.shapes if isinstance(self._kind, FittedKind) else None

    def _tell(self, partition: int, fitting: Fit) -> None:
        """Say what a changed configuration did to the state."""
        for name in fitting.gone:
            log.warning(
                f"detector {name} is no longer configured: its state is dropped with the next checkpoint",
                agent=self.agent,
                partition=partition,
            )
        for name in fitting.new:
            log.info(f"detector {name} is new: it starts empty", agent=self.agent, partition=partition)

    def _refusal(self, partition: int, error: StateError) -> str:
        return refusal(self._settings, self.agent, self._kind.topic, [partition], error)


def refusal(settings: Settings, agent: str, topic: str, partitions: Sequence[int], error: StateError) -> str:
    """Why the state of these partitions of an agent with that logical input topic cannot be used, and
    what to do, in one line."""
    noun = "partition" if len(partitions) == 1 else "partitions"
    place = f"the state of {agent}, {noun} {', '.join(map(str, partitions))}, cannot be used: {error}."
    rebuild = (
        f"start once with {PREFIX}REBUILD_STATE={agent} to build it again from the beginning of"
        f" {kafka_name(settings, topic)}"
    )
    match error:
        case Repartitioned():
            return (
                f"{place} Its keys have moved to other partitions, so that it cannot be built again here"
                f" either. Set another {PREFIX}TOPIC_PREFIX and {PREFIX}GROUP_ID, make the topics with"
                " `./probewatch topics --create`, and send the logs to them from their beginning"
            )
        case Misfit():
            return (
                f"{place} Set it back in detectors.yaml, or give the stanza another name, under which it"
                f" starts empty, or {rebuild}"
            )
        case Unreadable():
            return f"{place} Go back to the release and the configuration that wrote it, or {rebuild}"
        case Outdated():
            return f"{place} Start the release that wrote it, or {rebuild}"
    return f"{place} Restore topic {kafka_name(settings, f'state.{agent}')}, or {rebuild}"


class NotifyOpener:
    """Opens partitions of the alerts. They need no state: what was posted is committed, and stands on the
    topic."""

    agent = "notify"

    def __init__(self, settings: Settings, notifier: Notifier | None) -> None:
        self._settings = settings
        self._notifier = notifier
        self._active: dict[int, Active] = {}

    async def open(self, partition: int, extent: Extent) -> Runner:
        """Go on after the last alert that was posted, and keep active what was posted before."""
        offset = extent.first if extent.committed is None else max(extent.committed, extent.first)
        notifier = self._notifier
        active = self._active[partition] = Active(notifier.hold if notifier else timedelta())
        if notifier is not None and offset > extent.first:
            try:
                async for record in read_all(
                    self._settings.connection(), kafka_name(self._settings, "alerts"), partition
                ):
                    if record.offset < offset and record.value:
                        active.recall(record.value, record.timestamp / 1000.0)
            except StateError as error:
                log.warning(
                    "alerts posted before are not kept active", partition=partition, reason=str(error)
                )
            notifier.remember(active)
        interval = self._settings.alert_resend_interval
        return AlertRunner(
            partition, offset, notifier, active, resend_interval=interval, changed=self._show_open
        )

    def _show_open(self) -> None:
        show_open(self._active.values())
