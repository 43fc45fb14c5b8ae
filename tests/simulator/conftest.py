"""The simulations that several files of tests look at, each written once."""

from __future__ import annotations

import pytest

from tests.simulator.reading import Simulation, write


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Simulation:
    return write("demo", 0, tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="session")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> Simulation:
    return write("20k", 100, tmp_path_factory.mktemp("benchmark"))


@pytest.fixture(params=["demo", "benchmark"])
def simulation(request: pytest.FixtureRequest) -> Simulation:
    found: Simulation = request.getfixturevalue(request.param)
    return found
