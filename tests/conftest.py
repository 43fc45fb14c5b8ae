"""Clusters of Apache Kafka for the tests marked `kafka`, started when the first of them asks; and the same
settings for all tests, wherever they are started from."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import hypothesis
import pytest

from tests.kafka.cluster import Cluster
from tests.kafka.jars import KafkaMissing

# No test is judged by the time that it takes.
hypothesis.settings.register_profile("probewatch", deadline=None)
hypothesis.settings.load_profile("probewatch")

# Who is started in the background of a script ignores Ctrl-C, and so would every program that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Rich asks for the width of a terminal when a command's module is imported, whichever test does that first.
os.environ["COLUMNS"] = "200"

#: Starts a cluster that runs until the end of the session; arguments as for `Cluster`, but a name first.
StartKafka = Callable[..., Cluster]


@pytest.fixture(scope="session")
def start_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartKafka]:
    with ExitStack() as running:

        def start(name: str, **options: object) -> Cluster:
            try:
                return running.enter_context(Cluster(tmp_path_factory.mktemp(name), **options))  # type: ignore[arg-type]
            except KafkaMissing as error:
                if os.environ.get("REQUIRE_KAFKA"):
                    pytest.fail(str(error))
                pytest.skip(str(error))

        yield start


@pytest.fixture(scope="session")
def kafka(start_kafka: StartKafka) -> Cluster:
    """One node without login."""
    return start_kafka("kafka")
