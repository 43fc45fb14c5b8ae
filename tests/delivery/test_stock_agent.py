"""The negative control: an ordinary Faust agent does not pass the check that ours is held to.

Left alone it does, so the check asks nothing that only Probewatch could give; killed once, it does not.
Were the second to pass, the tests next to it would prove nothing.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.delivery.cluster import PARTITIONS, ROOT, Broker, Deployment

#: Seconds without an alert after which none will come: twice the stock agent's session.
QUIET = 8.0
#: Batches after which it is killed.
KILL = 7


def start(deployment: Deployment, kill: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.delivery.stock_agent"],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "BROKER": deployment.bootstrap,
            "PREFIX": deployment.settings.topic_prefix,
            "PARTITIONS": str(PARTITIONS),
            "DATA_DIR": str(deployment.folder / f"stock{kill}"),
            "KILL": str(kill),
        },
        cwd=deployment.folder,
        stdin=subprocess.DEVNULL,
        stdout=(deployment.folder / f"stock{kill}.log").open("wb"),
        stderr=subprocess.STDOUT,
    )


def wait_until_quiet(deployment: Deployment) -> None:
    """Until alerts have come and no more come for longer than a session lasts."""
    seen, since = 0, time.monotonic()
    deadline = since + 60
    while time.monotonic() < deadline and not (seen and time.monotonic() - since > QUIET):
        found = sum(map(len, deployment.read("alerts").values()))
        if found > seen:
            seen, since = found, time.monotonic()
        time.sleep(0.5)


def run(broker: Broker, name: str, folder: Path, *, kill: int) -> Deployment:
    """A log through the stock agent, which is killed after so many batches and replaced; 0: never."""
    deployment = Deployment(broker, name, folder)
    prefix = deployment.settings.topic_prefix
    deployment.create_topic(f"{prefix}stock-{prefix}counts-changelog")
    deployment.produce([f"officer{number % 17}" for number in range(2000)])
    workers = [start(deployment, kill)]
    try:
        if kill:
            assert workers[0].wait(60) == -signal.SIGKILL
            workers.append(start(deployment, 0))
        wait_until_quiet(deployment)
    finally:
        for worker in workers:
            worker.kill()
            worker.wait(10)
    return deployment


@pytest.fixture(scope="module")
def runs(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, Future[Deployment]]]:
    with ThreadPoolExecutor(2) as pool:
        yield {
            kill: pool.submit(
                run, broker, f"stock-{kill}", tmp_path_factory.mktemp(f"stock{kill}"), kill=kill
            )
            for kill in (0, KILL)
        }


def test_stock_agent_that_nothing_happens_to_passes_the_check(runs: dict[int, Future[Deployment]]) -> None:
    runs[0].result().check_alerts()


def test_stock_agent_that_is_killed_does_not_pass_it(runs: dict[int, Future[Deployment]]) -> None:
    deployment = runs[KILL].result()
    with pytest.raises(AssertionError):
        deployment.check_alerts()
