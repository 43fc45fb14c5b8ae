"""What a worker says and does when something is wrong: end at once, name the cure, commit nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from contextlib import suppress
from pathlib import Path
from typing import NoReturn, cast

import pytest

from streams import worker as serving
from streams.app import ProbewatchApp
from streams.broker import EmbeddedBroker
from streams.settings import Settings
from streams.state import StateError
from tests.delivery.cluster import Broker, Deployment, Worker, log_lines
from tests.live import eventually


def keys(count: int) -> list[str]:
    return [f"officer{number % 17}" for number in range(count)]


def test_failing_stage_ends_the_worker_and_commits_nothing_past_it(deployment: Deployment) -> None:
    deployment.produce(["poison"])
    partition, records = next((p, found) for p, found in deployment.read("searches").items() if found)
    worker = deployment.start()
    assert worker.wait_exit() == 70
    assert "a stage that fails" in worker.text()
    assert deployment.committed().get(partition, 0) <= records[0][0]


def test_worker_that_cannot_stop_in_order_ends_at_once(deployment: Deployment) -> None:
    """It would go on sending heartbeats, and nobody else would get its partitions."""
    deployment.produce(keys(300))
    worker = deployment.start()
    deployment.wait_done()
    for child in Path(f"/proc/{worker.process.pid}/task/{worker.process.pid}/children").read_text().split():
        os.kill(int(child), signal.SIGKILL)
    assert worker.stop() == 70
    assert "HostDied" in worker.text()
    deployment.produce(keys(300))
    successor = deployment.start()
    deployment.wait_done()
    assert successor.stop() == 0
    deployment.check_against_oracle()


def test_too_many_refusals_stop_the_worker_before_they_are_written(deployment: Deployment) -> None:
    deployment.produce([*keys(300), *["refuse"] * 400])
    worker = deployment.start(REFUSED_WINDOW="200", REFUSED_SHARE="0.3")
    assert worker.wait_exit() == 1
    (line,) = [line for line in log_lines(worker) if line["level"] == "error"]
    assert "REFUSED_SHARE=0.3" in str(line["event"]) and "broken_json" in str(line["event"])
    written = sum(len(records) for records in deployment.read("searches.refused").values())
    assert written < 200, "the dead letters were drained into"
    assert sum(deployment.committed().values()) < deployment.produced


def test_state_of_another_version_is_refused_and_rebuilt_on_request(deployment: Deployment) -> None:
    deployment.produce(keys(600))
    first = deployment.start()
    deployment.wait_done()
    assert first.stop() == 0
    refused = deployment.start(TOY_VERSION="2")
    assert refused.wait_exit() == 1
    assert "PROBEWATCH_REBUILD_STATE=watch" in refused.text()
    rebuilt = deployment.start(TOY_VERSION="2", REBUILD_STATE="watch")

    def rebuilt_to_the_end() -> bool:
        try:
            found = [deployment.snapshot(partition, 2) for partition in (0, 1)]
        except StateError:
            return False  # still the old one
        return sum(one.manifest.absorbed + 1 for one in found if one) == deployment.produced

    eventually(rebuilt_to_the_end, "the state is built again")
    assert rebuilt.stop() == 0
    deployment.check_against_oracle(version=2)


async def test_broker_that_goes_away_while_a_worker_starts_is_an_unexpected_error() -> None:
    """Not one that a cure must be found for: whoever supervises the worker starts it again."""

    class Ended(Exception):
        pass

    class App:
        idempotent = True
        in_worker = False

        async def start(self) -> None:
            raise ConnectionError("gone")

        def end(self, reason: BaseException, **context: object) -> NoReturn:
            raise Ended from reason

    with pytest.raises(Ended):
        await serving._serve(cast(ProbewatchApp, App()), Settings(), asyncio.Event())


async def test_stop_that_takes_too_long_ends_the_worker_even_when_it_ignores_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Ended(Exception):
        pass

    class App:
        idempotent = True
        in_worker = False

        async def start(self) -> None:
            await asyncio.Event().wait()

        async def stop(self) -> None:
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

    def die(reason: str) -> NoReturn:
        raise Ended(reason)

    monkeypatch.setattr(serving, "die", die)
    stop = asyncio.Event()
    stop.set()
    with pytest.raises(Ended, match="no orderly stop within 1 s"):
        await serving._serve(
            cast(ProbewatchApp, App()), Settings(stop_timeout=1, checkpoint_interval=1), stop
        )


def test_broker_that_is_down_is_waited_for(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        "PROBEWATCH_BROKER": f"127.0.0.1:{port}",
        "PROBEWATCH_PARTITIONS": "2",
        "PROBEWATCH_TOPICS_CREATE": "true",
        "PROBEWATCH_SESSION_TIMEOUT": "4",
        "PROBEWATCH_WEB_PORT": "0",
        "PROBEWATCH_LOG_FORMAT": "json",
    }
    waiting, leaving = (Worker(environment, tmp_path / name) for name in ("waiting.log", "leaving.log"))
    for worker in (waiting, leaving):
        eventually(lambda worker=worker: "no Kafka broker answers" in worker.text(), "it says so")  # type: ignore[misc]
    assert leaving.stop() == 0
    assert waiting.get("/healthz")[0] == 200
    assert waiting.get("/readyz") == (503, '{"ready": false, "why_not": "waiting for Kafka"}')
    with EmbeddedBroker(port):
        waiting.wait_ready()
        assert waiting.text().count("no Kafka broker answers") == 1
        status, page = waiting.get("/metrics")
        assert status == 200
        assert "probewatch_ready 1.0" in page
        assert 'probewatch_partitions{agent="watch"} 2.0' in page
        waiting.signal(signal.SIGTERM)
        assert waiting.wait_exit(10) == 0


def test_taken_port_and_wrong_setting_are_sentences(deployment: Deployment) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        busy = deployment.start(WEB_PORT=str(taken.getsockname()[1]))
        assert busy.wait_exit() == 1
        assert "--web-port 0" in busy.text()


def test_missing_topics_are_named(broker: Broker, tmp_path: Path) -> None:
    worker = Worker(
        {
            "PROBEWATCH_BROKER": broker.url,
            "PROBEWATCH_TOPIC_PREFIX": "absent.",
            "PROBEWATCH_WEB_PORT": "0",
        },
        tmp_path / "worker.log",
    )
    assert worker.wait_exit() == 1
    assert "absent.searches.raw" in worker.text() and "topics --create" in worker.text()
