"""Traces: sent to a collector that speaks OTLP over HTTP, and nothing at all without one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from streams import tracing
from tests.collector import Collector, collecting


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as server:
        yield server


@pytest.fixture(autouse=True)
def off_again() -> Iterator[None]:
    yield
    tracing.close()


def test_what_happens_inside_is_a_span_with_its_attributes(collector: Collector) -> None:
    tracing.configure(collector.url, "1.2.3")
    with tracing.span("watch batch", records=5, partition="2"):
        pass
    tracing.close()
    assert collector.spans() == {"watch batch": {"records": "5", "partition": "2"}}
    what = {
        one.key: one.value.string_value for one in collector.requests[0].resource_spans[0].resource.attributes
    }
    assert (what["service.name"], what["service.version"]) == ("probewatch", "1.2.3")


def test_an_error_goes_on_and_is_noted(collector: Collector) -> None:
    tracing.configure(collector.url, "1")
    with pytest.raises(OSError, match="gone"), tracing.span("Alertmanager post", alerts=1):
        raise OSError("gone")
    tracing.close()
    (span,) = collector.requests[0].resource_spans[0].scope_spans[0].spans
    assert [event.name for event in span.events] == ["exception"]


def test_without_a_collector_nothing_is_made(collector: Collector) -> None:
    tracing.configure(None, "1")
    with tracing.span("watch batch", records=5):
        pass
    tracing.close()
    assert collector.requests == []


def test_a_collector_that_is_away_stops_nobody() -> None:
    tracing.configure("http://127.0.0.1:9/v1/traces", "1")
    with tracing.span("watch batch"):
        pass
    tracing.close()
