"""Seeds of `tests.delivery.chaos`, several at a time: most of a run is waiting for time-outs.

Twenty on the embedded broker, which are in `make test`; on Apache Kafka as many as it has faults.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import cast

import pytest

from tests.delivery.chaos import play_all
from tests.delivery.run import Outcome
from tests.delivery.schedule import FAULTS, POINTS, Kind, Schedule
from tests.kafka.jars import KafkaMissing

SEEDS: dict[Kind, range] = {"embedded": range(20), "kafka": range(len(FAULTS["kafka"]))}
Outcomes = dict[int, Outcome]


@pytest.fixture(scope="module", params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def kind(request: pytest.FixtureRequest) -> Kind:
    return cast(Kind, request.param)


@pytest.fixture(scope="module")
def outcomes(kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcomes]:
    try:
        played = list(play_all(SEEDS[kind], kind, tmp_path_factory.mktemp(f"seeds-{kind}")))
    except KafkaMissing as error:
        if os.environ.get("REQUIRE_KAFKA"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    yield {one.seed: one for one in played}


def test_whatever_happens_nothing_is_lost_or_doubled(outcomes: Outcomes, kind: Kind) -> None:
    assert sorted(outcomes) == list(SEEDS[kind])
    wrong = [(one.seed, one.schedule, one.deviations) for one in outcomes.values() if one.deviations]
    assert not wrong, wrong


def test_every_fault_is_planned_and_all_that_are_planned_happen(outcomes: Outcomes, kind: Kind) -> None:
    """A point that no worker reaches any more, or a fault that does nothing, fails here."""
    assert {fault for one in outcomes.values() for fault in one.planned} == set(FAULTS[kind])
    assert {one.seed: one.silent for one in outcomes.values() if one.silent} == {}


def test_offsets_are_compared_with_the_state_while_things_happen(outcomes: Outcomes) -> None:
    assert all(one.looks for one in outcomes.values())


def test_a_seed_always_means_the_same() -> None:
    for kind, seeds in SEEDS.items():
        assert [Schedule.of(seed, kind) for seed in seeds] == [Schedule.of(seed, kind) for seed in seeds]
        assert {Schedule.of(seed, kind).nodes for seed in seeds} == ({1} if kind == "embedded" else {1, 3})


def test_a_fault_that_does_not_happen_is_told() -> None:
    quiet = Outcome(
        seed=0, schedule="", planned=list(POINTS), happened=dict.fromkeys(POINTS[1:], 1), ends={},
        deviations=[], messages=0, alerts=0, repeats=0, workers=0, looks=1, seconds=0.0,
    )  # fmt: skip
    assert quiet.silent == [POINTS[0]]
