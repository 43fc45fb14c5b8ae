"""One broker for all delivery tests; every test has topics and a group of its own on it.

The embedded broker, and Apache Kafka in the tests marked `kafka`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.broker import EmbeddedBroker
from tests.delivery.cluster import Broker, Deployment


@pytest.fixture(scope="session", params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    if request.param == "kafka":
        yield request.getfixturevalue("kafka")
    else:
        with EmbeddedBroker() as running:
            yield running


@pytest.fixture
def deployment(broker: Broker, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Deployment]:
    name: str = getattr(request.node, "originalname", request.node.name)
    made = Deployment(broker, name.replace("_", "-"), tmp_path)
    yield made
    made.close()
