"""Workers joining, leaving, and one that was stopped for too long and wakes up."""

from __future__ import annotations

import signal
import time

from tests.delivery.cluster import SESSION, Deployment, Worker, log_lines
from tests.live import eventually


def opened(worker: Worker) -> list[int]:
    """Partitions of the searches, in the order in which the worker opened them."""
    return [
        int(str(line["partition"]))
        for line in log_lines(worker)
        if line["event"] == "partition open" and line["agent"] == "watch"
    ]


def keys(start: int, count: int) -> list[str]:
    return [f"officer{number % 17}" for number in range(start, start + count)]


def test_partitions_move_and_come_back(deployment: Deployment) -> None:
    first = deployment.start(TOY_SLOW="0.02")
    deployment.produce(keys(0, 1500))
    first.wait_ready()
    second = deployment.start(TOY_SLOW="0.02")
    deployment.produce(keys(1500, 1500))
    eventually(lambda: len(opened(second)) == 1, "the second worker has a partition")
    deployment.produce(keys(3000, 500))
    deployment.wait_done()
    assert second.stop() == 0
    deployment.produce(keys(3500, 500))
    deployment.wait_done()
    assert sorted(opened(first)[-2:]) == [0, 1], "the first worker has both partitions again"
    assert first.stop() == 0
    deployment.check_against_oracle()


def test_worker_that_slept_past_its_session_writes_nothing(deployment: Deployment) -> None:
    sleeper = deployment.start(TOY_SLOW="0.05")
    deployment.produce(keys(0, 3000))
    sleeper.wait_ready()
    eventually(lambda: bool(deployment.committed()), "some work is committed")
    sleeper.signal(signal.SIGSTOP)
    asleep = time.monotonic()
    successor = deployment.start()
    deployment.wait_done()
    # It may have done all before it fell asleep: then nothing has waited for its session to end.
    time.sleep(max(0.0, asleep + SESSION + 2 - time.monotonic()))
    before = {topic: deployment.read(topic) for topic in ("alerts", "state.watch")}
    sleeper.signal(signal.SIGCONT)
    assert sleeper.wait_exit(SESSION + 10) == 70
    assert "no heartbeat confirmed for" in sleeper.text()
    assert {topic: deployment.read(topic) for topic in before} == before, "the sleeper wrote"
    deployment.produce(keys(3000, 100))
    deployment.wait_done()
    assert successor.stop() == 0
    deployment.check_against_oracle()


def test_another_group_goes_on_where_the_state_ends(deployment: Deployment) -> None:
    first = deployment.start()
    deployment.produce(keys(0, 1000))
    deployment.wait_done()
    assert first.stop() == 0
    deployment.produce(keys(1000, 1000))
    other = deployment.settings.group_id + "-anew"
    second = deployment.start(GROUP_ID=other)
    eventually(
        lambda: sum(deployment.committed(group=other).values()) == deployment.produced, "all is committed"
    )
    assert second.stop() == 0
    deployment.check_alerts()
    said = [message for _, output in deployment.oracles().values() for message in output.messages]
    assert sum(map(len, deployment.read("alerts").values())) == len(said), "nothing is judged again"
