"""Twenty seeds of `tests.delivery.chaos`, several at a time: most of a run is waiting for time-outs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from streams.broker import EmbeddedBroker
from tests.delivery.chaos import Run

SEEDS = range(20)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, Future[Counter[str]]]]:
    with EmbeddedBroker() as broker, ThreadPoolExecutor(4) as pool:

        def play(seed: int) -> Counter[str]:
            return Run(broker.url, seed, tmp_path_factory.mktemp(f"seed{seed}-")).play()

        yield {seed: pool.submit(play, seed) for seed in SEEDS}


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_happens_to_workers_nothing_is_lost_or_doubled(
    runs: dict[int, Future[Counter[str]]], seed: int
) -> None:
    runs[seed].result()


def test_the_faults_do_happen(runs: dict[int, Future[Counter[str]]]) -> None:
    ends = sum((run.result() for run in runs.values()), Counter[str]())
    assert ends["-9"] >= 10 and ends["0"] >= 1
