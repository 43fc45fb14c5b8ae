"""One embedded broker for all delivery tests; every test has topics and a group of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.broker import EmbeddedBroker
from tests.delivery.cluster import Deployment


@pytest.fixture(scope="session")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running


@pytest.fixture
def deployment(
    broker: EmbeddedBroker, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Deployment]:
    made = Deployment(broker.bootstrap, request.node.name.replace("_", "-"), tmp_path)
    yield made
    made.close()
