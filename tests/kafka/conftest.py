"""Kafka clusters with more than one node, and with locks on the doors."""

from __future__ import annotations

import pytest

from tests.conftest import StartKafka
from tests.kafka.cluster import Cluster
from tests.kafka.secured import LISTENERS, STORAGE, Authority, properties


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that nobody trusts."""
    return Authority(tmp_path_factory.mktemp("stranger"))


@pytest.fixture(scope="session")
def secured(start_kafka: StartKafka, authority: Authority) -> Cluster:
    return start_kafka("secured", listeners=LISTENERS, properties=properties(authority), storage=STORAGE)
