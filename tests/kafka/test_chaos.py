"""Brokers that die, hang and change places while a worker is at work; and workers that die with them.

After each: the oracle's alerts at the sink and no others, the state equal, every search committed,
and never an offset committed beyond what the state has absorbed.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kafka import KafkaAdminClient

from tests.conftest import StartKafka
from tests.delivery.cluster import SESSION, Deployment, Worker, eventually
from tests.kafka.cluster import Cluster, Node

pytestmark = pytest.mark.kafka

SEEDS = (1, 2)
#: Searches of a run: long enough at TOY_SLOW for something to happen in the middle.
SEARCHES = 3000
SLOW = {"TOY_SLOW": "0.05", "BATCH_RECORDS": "50"}
Deploy = Callable[..., Deployment]


def keys(start: int, count: int) -> list[str]:
    return [f"officer{number % 17}" for number in range(start, start + count)]


@pytest.fixture(scope="module")
def fragile(start_kafka: StartKafka) -> Cluster:
    """One node, to be killed."""
    return start_kafka("fragile")


@pytest.fixture(scope="module")
def three(start_kafka: StartKafka) -> Cluster:
    """Three nodes, each record on all of them, two of which must confirm."""
    return start_kafka("three", nodes=3)


@pytest.fixture
def deploy(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Deploy]:
    made: list[Deployment] = []

    def on(cluster: Cluster) -> Deployment:
        name = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)
        made.append(Deployment(cluster, name, tmp_path, copies=len(cluster.nodes)))
        return made[-1]

    yield on
    for deployment in made:
        deployment.close()


def worked(deployment: Deployment, least: int = 1) -> None:
    eventually(lambda: sum(deployment.committed().values()) >= least, f"{least} searches are committed")


def committed_is_absorbed(deployment: Deployment) -> None:
    for partition, offset in deployment.committed().items():
        snapshot = deployment.snapshot(partition)
        assert snapshot is not None and offset <= snapshot.manifest.absorbed + 1


def finish(deployment: Deployment, worker: Worker) -> None:
    """Let the worker, or a successor where it ended in need, do the rest; compare with the oracle."""
    deadline = time.monotonic() + 90
    restarts = 0
    while sum(deployment.committed().values()) != deployment.produced:
        assert time.monotonic() < deadline, worker.text()
        if (code := worker.process.poll()) is not None:
            # What a supervisor does. It may end like this for as long as the broker does not answer.
            assert code in (70, -signal.SIGKILL), worker.text()
            restarts += 1
            assert restarts < 10
            worker = deployment.start()
        time.sleep(0.2)
    assert worker.stop() == 0
    committed_is_absorbed(deployment)
    deployment.check_against_oracle()


def leader(cluster: Cluster, topic: str, partition: int) -> Node:
    admin = KafkaAdminClient(bootstrap_servers=cluster.bootstrap)
    try:
        (described,) = admin.describe_topics([topic])
    finally:
        admin.close()
    number: int = next(p["leader_id"] for p in described["partitions"] if p["partition_index"] == partition)
    return cluster.nodes[number - 1]


@pytest.mark.parametrize("seed", SEEDS)
def test_broker_killed_in_the_middle_and_started_again(fragile: Cluster, deploy: Deploy, seed: int) -> None:
    deployment, chance = deploy(fragile), random.Random(seed)
    deployment.produce(keys(0, SEARCHES))
    worker = deployment.start(**SLOW)
    worked(deployment, 100)
    time.sleep(chance.uniform(0, 0.5))
    fragile.nodes[0].kill()
    fragile.restart(fragile.nodes[0])
    finish(deployment, worker)


def test_broker_down_for_longer_than_the_request_time_out(fragile: Cluster, deploy: Deploy) -> None:
    deployment = deploy(fragile)
    deployment.produce(keys(0, SEARCHES))
    worker = deployment.start(**SLOW, REQUEST_TIMEOUT="5")
    worked(deployment, 100)
    fragile.nodes[0].kill()
    # It may not write any more once its session is over, so it ends rather than wait for the broker.
    assert worker.wait_exit(SESSION + 10) == 70
    assert "nothing more is written" in worker.text()
    waiting = deployment.start()
    eventually(lambda: "no Kafka broker answers" in waiting.text(), "its successor waits for the broker")
    fragile.restart(fragile.nodes[0])
    finish(deployment, waiting)


def test_broker_that_hangs_past_the_session(fragile: Cluster, deploy: Deploy) -> None:
    deployment = deploy(fragile)
    deployment.produce(keys(0, SEARCHES))
    worker = deployment.start(**SLOW)
    worked(deployment, 100)
    fragile.nodes[0].pause()
    time.sleep(SESSION + 2)
    fragile.nodes[0].wake()
    finish(deployment, worker)


@pytest.mark.parametrize("seed", SEEDS)
def test_worker_and_broker_killed_together(fragile: Cluster, deploy: Deploy, seed: int) -> None:
    deployment, chance = deploy(fragile), random.Random(seed)
    deployment.produce(keys(0, SEARCHES))
    fault = chance.choice(["after-messages", "after-state", "before-commit"])
    worker = deployment.start(**SLOW, FAULT=f"{fault}:{chance.randrange(3, 9)}")
    assert worker.wait_exit() == -signal.SIGKILL
    fragile.nodes[0].kill()
    fragile.restart(fragile.nodes[0])
    committed_is_absorbed(deployment)
    finish(deployment, deployment.start())


@pytest.mark.parametrize("how", ["kill", "stop", "pause"])
def test_leader_changes_while_a_worker_writes(three: Cluster, deploy: Deploy, how: str) -> None:
    deployment = deploy(three)
    deployment.produce(keys(0, SEARCHES))
    worker = deployment.start(**SLOW)
    worked(deployment, 100)
    old = leader(three, deployment.topic("state.watch"), 0)
    getattr(old, how)()
    if how == "pause":
        time.sleep(SESSION)
        old.wake()
    else:
        time.sleep(2)
        three.restart(old)
    finish(deployment, worker)


@pytest.mark.parametrize("seed", SEEDS)
def test_workers_come_and_go_all_the_time(kafka: Cluster, deploy: Deploy, seed: int) -> None:
    deployment, chance = deploy(kafka), random.Random(seed)
    deployment.produce(keys(0, SEARCHES))
    workers = [deployment.start(**SLOW)]
    for _ in range(5):
        time.sleep(chance.uniform(1, 3))
        if len(workers) < 2 or (len(workers) < 3 and chance.random() < 0.5):
            workers.append(deployment.start(**SLOW))
        else:
            gone = workers.pop(chance.randrange(len(workers)))
            gone.signal(chance.choice([signal.SIGTERM, signal.SIGKILL]))
            gone.wait_exit(15)
    for worker in workers[1:]:
        worker.signal(signal.SIGTERM)
        worker.wait_exit(15)
    finish(deployment, workers[0])
