"""A worker from its first line to its exit code: check, start, run until told to stop, stop."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress

import structlog

from streams import VERSION, collector, logs, metrics, tracing
from streams.alertmanager import Notifier
from streams.app import ProbewatchApp, build_app
from streams.child_host import ChildHost
from streams.exits import FAILURE, Stop, die, log
from streams.health import Health, serve
from streams.hosting import LocalHost, StageHost
from streams.partition import StageKind
from streams.preflight import wait_for_broker
from streams.settings import Settings
from streams.topics import ensure

#: How often an endless wait looks whether it is still wanted, and /healthz is told, seconds.
BEAT = 1.0


def run(
    settings: Settings,
    kinds: Sequence[StageKind],
    notifier: Notifier | None = None,
    *,
    config_digest: str = "",
) -> int:
    """Run a worker until SIGTERM or SIGINT; the exit code.

    0 after an orderly stop, 1 when something the message explains prevents work. Unexpected
    errors end the process at once with 70.
    """
    logs.configure(settings.log_format, settings.log_level)
    collector.calm()
    hosts = _hosts(settings, kinds)
    tracing.configure(settings.traces_url, VERSION)
    try:
        return asyncio.run(_run(settings, kinds, hosts, notifier, config_digest))
    except Stop as stop:
        log.error(str(stop))
        return FAILURE
    finally:
        for host in hosts.values():
            host.close()
        tracing.close()


def _hosts(settings: Settings, kinds: Sequence[StageKind]) -> dict[str, StageHost]:
    """Where the stages of each kind live. A fork is safe here: there is one thread and no event loop."""
    if settings.stage_processes and sys.platform == "linux":
        return {kind.name: ChildHost(kind) for kind in kinds}
    return {kind.name: LocalHost(kind) for kind in kinds}


async def _run(
    settings: Settings,
    kinds: Sequence[StageKind],
    hosts: Mapping[str, StageHost],
    notifier: Notifier | None,
    config_digest: str,
) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, _told_to_stop, stop, number)
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Stop(
            f"the folder {settings.data_dir} cannot be made: {error.strerror};"
            " set PROBEWATCH_DATA_DIR to one that may be written"
        ) from None
    metrics.BUILD.labels(VERSION, config_digest).set(1)
    health = Health()
    server = serve(health, settings.web_host, settings.web_port)
    print(f"metrics, health: {server.url}/metrics  /healthz  /readyz", flush=True)
    waiting = asyncio.create_task(_keep_alive(health))
    try:
        idempotent = await wait_for_broker(settings, stop)
        if idempotent is None:
            return 0
        await asyncio.to_thread(ensure, settings)
        app = build_app(
            settings, kinds, hosts, notifier, health, idempotent=idempotent, config_digest=config_digest
        )
    finally:
        waiting.cancel()
    await _serve(app, settings, stop)
    if notifier is not None:
        await notifier.close()
    server.stop()
    return 0


async def _serve(app: ProbewatchApp, settings: Settings, stop: asyncio.Event) -> None:
    app.in_worker = True
    starting = asyncio.create_task(app.start())
    log.info("worker starting", group=settings.group_id, broker=settings.broker, idempotent=app.idempotent)
    told = asyncio.create_task(stop.wait())
    await asyncio.wait((starting, told), return_when=asyncio.FIRST_COMPLETED)
    if starting.done() and (error := starting.exception()) is not None:
        app.end(error, task="start")
    await told
    with suppress(TimeoutError):
        async with asyncio.timeout(settings.stop_timeout) as limit:
            await app.stop()
    if limit.expired():  # what is being stopped may swallow that it was called off
        die(f"no orderly stop within {settings.stop_timeout:g} s; the next start repeats the last moments")
    starting.cancel()
    log.info("worker stopped")


async def _keep_alive(health: Health) -> None:
    while True:
        health.turn("waiting for Kafka")
        await asyncio.sleep(BEAT)


def _told_to_stop(stop: asyncio.Event, number: int) -> None:
    if stop.is_set():
        die(f"{signal.Signals(number).name} a second time: ending at once")
    structlog.get_logger("probewatch").info("stopping", signal=signal.Signals(number).name)
    stop.set()
