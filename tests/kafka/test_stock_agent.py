"""The negative control: an ordinary Faust agent through the same kill does not give the right alerts.

Were this test to fail, the tests next to it would prove nothing.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from models.stage import Record
from tests.delivery.cluster import PARTITIONS, ROOT, Deployment
from tests.delivery.toy import Toy
from tests.kafka.cluster import Cluster

pytestmark = pytest.mark.kafka

#: Seconds without an alert after which none will come: twice the stock agent's session.
QUIET = 8.0


def start(deployment: Deployment, kill: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.kafka.stock_agent"],
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
    deadline = since + 40
    while time.monotonic() < deadline and not (seen and time.monotonic() - since > QUIET):
        found = sum(map(len, deployment.read("alerts").values()))
        if found > seen:
            seen, since = found, time.monotonic()
        time.sleep(0.5)


def test_stock_agent_loses_or_doubles_through_the_same_kill(kafka: Cluster, tmp_path: Path) -> None:
    deployment = Deployment(kafka, "stock-agent", tmp_path)
    changelog = f"{deployment.settings.topic_prefix}stock-{deployment.settings.topic_prefix}counts-changelog"
    deployment.create_topic(changelog)
    deployment.produce([f"officer{number % 17}" for number in range(2000)])
    expected = {
        message.key
        for records in deployment.read("searches").values()
        for message in Toy()
        .absorb([Record(offset, value or b"", None) for offset, _, value in records])
        .messages
    }
    workers = [start(deployment, kill=7)]
    try:
        assert workers[0].wait(40) == -signal.SIGKILL
        workers.append(start(deployment, kill=0))
        wait_until_quiet(deployment)
    finally:
        for worker in workers:
            worker.kill()
            worker.wait(10)
    found = [key for records in deployment.read("alerts").values() for _, key, _ in records]
    missing, wrong = expected - set(found), set(found) - expected
    repeated = len(found) - len(set(found))
    assert missing or wrong or repeated, "stock Faust gave each alert exactly once after all"
