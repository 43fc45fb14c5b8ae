"""kill -9 at every point of the way: nothing is lost, nothing comes out twice with different content."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.delivery.cluster import Broker, Deployment

#: Point and how often it is passed before the kill; low numbers hit a fresh partition, higher ones
#: a partition with state behind it.
FAULTS = (
    "after-decode:1",
    "after-decode:7",
    "after-messages:5",
    "after-state:4",
    "before-ack:6",
    "before-commit:2",
)
LOADING = "while-loading:1"
#: Points that are passed once a checkpoint; how many the clock allows is never certain.
AT_CHECKPOINTS = ("after-state", "before-commit")


def keys(count: int) -> list[str]:
    return [f"officer{number % 17}" for number in range(count)]


def kill_and_recover(broker: Broker, fault: str, folder: Path) -> int:
    """The exit code of the killed worker. Checks everything else itself."""
    deployment = Deployment(broker, fault.replace(":", "-"), folder)
    try:
        if fault == LOADING:
            deployment.produce(keys(500))
            first = deployment.start()
            deployment.wait_done()
            assert first.stop() == 0
        deployment.produce(keys(2000))
        each_batch = {"CHECKPOINT_INTERVAL": "0"} if fault.startswith(AT_CHECKPOINTS) else {}
        killed = deployment.start(FAULT=fault, TOY_SLOW="0.2", **each_batch)
        code = killed.wait_exit()
        for partition, offset in deployment.committed().items():
            snapshot = deployment.snapshot(partition)
            assert snapshot is not None
            assert offset <= snapshot.manifest.absorbed + 1
        survivor = deployment.start()
        deployment.wait_done()
        assert survivor.stop() == 0
        deployment.check_against_oracle()
        return code
    finally:
        deployment.close()


@pytest.fixture(scope="module")
def runs(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[int]]]:
    # Side by side, because most of the time goes in waiting for the group's time-outs.
    with ThreadPoolExecutor(7) as pool:
        yield {
            fault: pool.submit(
                kill_and_recover, broker, fault, tmp_path_factory.mktemp(fault.partition(":")[0])
            )
            for fault in (*FAULTS, LOADING)
        }


@pytest.mark.parametrize("fault", [*FAULTS, LOADING])
def test_killed_worker_loses_and_doubles_nothing(runs: dict[str, Future[int]], fault: str) -> None:
    assert runs[fault].result() == -signal.SIGKILL
