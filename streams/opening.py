"""How a partition of each agent is opened: its state loaded and verified, its stage made."""

from __future__ import annotations

from functools import partial

from streams.exits import Stop, log
from streams.loading import Extent, read_latest, resume
from streams.metrics import LOST_TO_RETENTION
from streams.notify import AlertRunner, PostAlerts
from streams.outbox import Outbox
from streams.partition import PartitionRunner, Runner, StageKind
from streams.refusals import RefusalLimit
from streams.settings import PREFIX, Settings
from streams.state import Identity, Snapshot, StateError, StateWriter, assemble
from streams.topics import kafka_name


class StageOpener:
    """Opens partitions of a stage. `writer` names this process in the manifests."""

    def __init__(
        self,
        kind: StageKind,
        settings: Settings,
        outbox: Outbox,
        refusals: RefusalLimit,
        *,
        config_digest: str,
        writer: str,
    ) -> None:
        self.agent = kind.name
        self._kind = kind
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
        stage = self._kind.make(partition)
        snapshot: Snapshot | None = None
        try:
            snapshot = assemble(records, identity)
            resumption = resume(snapshot.manifest.absorbed if snapshot else None, extent)
            if snapshot:
                stage.restore(snapshot.blocks)
        except (StateError, ValueError) as error:
            if self.agent not in self._settings.rebuild_state:
                raise Stop(self._refusal(partition, error)) from error
            log.warning("state is rebuilt", agent=self.agent, partition=partition, reason=str(error))
            await self._outbox.confirmed(self._topic, [(key, None) for key in records], partition)
            stage, snapshot = self._kind.make(partition), None
            resumption = resume(None, extent._replace(committed=None))
        if resumption.warning:
            log.error(resumption.warning, agent=self.agent, partition=partition)
            LOST_TO_RETENTION.labels(self.agent).inc(resumption.lost)
        state = StateWriter(
            partial(self._outbox.send, self._topic, partition=partition),
            identity,
            snapshot.manifest if snapshot else None,
            config_digest=self._config_digest,
            writer=self._writer,
            present=records if snapshot else (),
        )
        return PartitionRunner(
            self.agent,
            partition,
            stage,
            next_offset=resumption.offset,
            send=self._outbox.send_all,
            state=state,
            refusals=self._refusals,
            checkpoint_interval=self._settings.checkpoint_interval,
        )

    def _refusal(self, partition: int, error: Exception) -> str:
        return (
            f"the state of {self.agent}, partition {partition}, cannot be used: {error}. Restore topic"
            f" {self._topic}, or start once with {PREFIX}REBUILD_STATE={self.agent} to build it again from"
            f" the beginning of {kafka_name(self._settings, self._kind.topic)}"
        )


class NotifyOpener:
    """Opens partitions of the alerts. They need no state: what was posted is committed."""

    agent = "notify"

    def __init__(self, post: PostAlerts | None) -> None:
        self._post = post

    async def open(self, partition: int, extent: Extent) -> Runner:
        """Go on after the last alert that was posted."""
        offset = extent.first if extent.committed is None else max(extent.committed, extent.first)
        return AlertRunner(partition, offset, self._post)
