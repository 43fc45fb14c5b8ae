"""The Faust application: three agents, each fed with batches, and the tasks that keep them honest."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NoReturn

import faust
from faust.types import TransportT

from streams import faults
from streams.alertmanager import Notifier
from streams.assignment import Assignment, Opener
from streams.batches import BatchScheduler, BatchSchema
from streams.exits import die
from streams.health import Health
from streams.hosting import StageHost
from streams.lease import Lease
from streams.opening import NotifyOpener, StageOpener
from streams.outbox import Outbox
from streams.partition import StageKind
from streams.permissions import explained
from streams.refusals import RefusalLimit
from streams.serving import Pointer
from streams.settings import Settings
from streams.ticks import send_ticks
from streams.topics import kafka_name
from streams.transport import Consumer, Transport

#: Batches in memory for each agent; a batch is a fetched slice, not a record.
BATCHES_AHEAD = 8
#: Seconds between looks at what is due: checkpoints, health, lag.
LOOK_EVERY = 0.25


class ProbewatchApp(faust.App):
    """Faust with our transport. `lease` is the right to write, `assignment` what is ours."""

    settings: Settings
    lease: Lease
    assignment: Assignment
    idempotent: bool
    batch_records: int

    def _new_transport(self) -> TransportT:
        return Transport(self.conf.broker_consumer, self)

    def _new_consumer(self) -> Consumer:
        consumer: Consumer = super()._new_consumer()  # type: ignore[assignment]
        consumer.scheduler.most = self.batch_records
        self.assignment.consumer = consumer
        return consumer

    def end(self, reason: BaseException, **context: object) -> NoReturn:
        """End the process now, naming the permission or setting that would cure it if there is one."""
        die(explained(reason, self.settings), **context)

    async def crash(self, reason: BaseException) -> None:
        """End the process. Faust would acknowledge and commit what was in flight."""
        self.end(reason)

    def _crash(self, reason: BaseException) -> None:
        self.end(reason)


def build_app(
    settings: Settings,
    kinds: Sequence[StageKind],
    hosts: Mapping[str, StageHost],
    notifier: Notifier | None,
    health: Health,
    *,
    idempotent: bool,
    config_digest: str = "",
) -> ProbewatchApp:
    """The application for these kinds of stages and the notify agent.

    `hosts` makes the stages of each kind, by its name. `notifier` hands alerts to Alertmanager.
    `idempotent` says that the broker can tell repeated writes.
    """
    outbox = Outbox(settings)
    writer = f"{socket.gethostname()}:{os.getpid()}"
    openers: dict[str, Opener] = {
        kafka_name(settings, kind.topic): StageOpener(
            kind,
            hosts[kind.name],
            settings,
            outbox,
            RefusalLimit(settings.refused_share, settings.refused_window),
            config_digest=config_digest,
            writer=writer,
        )
        for kind in kinds
    }
    openers[kafka_name(settings, "alerts")] = NotifyOpener(settings, notifier)

    app = ProbewatchApp(settings.group_id, **_faust_settings(settings))
    app.settings = settings
    app.lease = Lease(settings.session_timeout)
    app.assignment = Assignment(openers)
    app.idempotent = idempotent
    app.batch_records = settings.batch_records
    app.finalize()
    outbox.producer = app.producer
    for topic, opener in openers.items():
        source = app.topic(topic, schema=BatchSchema(), partitions=settings.partitions, internal=False)
        app.agent(source, name=opener.agent, concurrency=1)(_agent(app, opener.agent))
    _task(app, "checkpoints", lambda: _look_after(app, health))
    if settings.ticks == "clock":
        raw = kafka_name(settings, "searches.raw")
        pointer = Pointer(settings.models_dir)
        _task(app, "ticks", lambda: send_ticks(app.assignment, outbox, raw, settings.tick_interval, pointer))
    return app


def _agent(app: ProbewatchApp, name: str) -> Callable[[Any], Awaitable[None]]:
    async def absorb(stream: Any) -> None:
        # noack: Faust must never decide for itself that an event is done.
        async for event in stream.noack().events():
            try:
                await app.assignment.take(event.message.tp, event.value)
            except Exception as error:
                app.end(error, agent=name, partition=event.message.partition)
            faults.reach("before-ack")
            event.ack()

    absorb.__name__ = name
    return absorb


def _task(app: ProbewatchApp, name: str, work: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        try:
            await work()
        except Exception as error:
            app.end(error, task=name)

    app.task(run)


async def _look_after(app: ProbewatchApp, health: Health) -> None:
    while True:
        await app.assignment.checkpoint()
        app.assignment.show_lag()
        health.turn("rebalancing" if app.rebalancing else app.assignment.why_not_ready())
        await asyncio.sleep(LOOK_EVERY)


def _faust_settings(settings: Settings) -> dict[str, Any]:
    security = settings.connection()
    credentials: Any = security.get("ssl_context")
    if settings.sasl_mechanism:
        credentials = faust.SASLCredentials(
            username=security["sasl_plain_username"],
            password=security["sasl_plain_password"],
            mechanism=security["sasl_mechanism"],
            ssl_context=security.get("ssl_context"),
        )
    return {
        "broker": [f"kafka://{server}" for server in settings.brokers],
        "broker_credentials": credentials,
        "broker_session_timeout": settings.session_timeout,
        "broker_heartbeat_interval": settings.session_timeout / 4,
        "broker_request_timeout": settings.request_timeout,
        "broker_commit_interval": max(1.0, settings.checkpoint_interval),
        "consumer_auto_offset_reset": "earliest",
        # A group that was shared out while a broker came back may have no topics and nothing to do; it
        # finds out with the next look, which by default is taken after five minutes.
        "consumer_metadata_max_age_ms": 10_000,
        "consumer_max_fetch_size": 4 * 1024 * 1024,
        "producer_request_timeout": settings.request_timeout,
        "producer_max_request_size": 8 * 1024 * 1024,
        "producer_linger": 0.0,
        "ConsumerScheduler": BatchScheduler,
        "stream_buffer_maxsize": BATCHES_AHEAD,
        "stream_wait_empty": True,
        "stream_recovery_delay": 0.0,
        "table_standby_replicas": 0,
        "topic_disable_leader": True,
        "topic_allow_declare": False,
        "reply_create_topic": False,
        "web_enabled": False,
        "autodiscover": False,
        "datadir": settings.data_dir,
    }
