"""Traces by OpenTelemetry: off unless `PROBEWATCH_TRACES_URL` names a collector.

A span is one batch of a partition, from its reading to Kafka's confirmation, or one post to
Alertmanager. Its attributes have no identities in them: topics, offsets and numbers alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

#: Milliseconds that the end of the program waits for spans to be sent.
LAST_MS = 2_000
_provider: TracerProvider | None = None


def configure(url: str | None, version: str) -> None:
    """Send spans to the OTLP/HTTP address of a collector from now on; without one nothing is loaded, and
    a span costs a call. To be called after forks: the sender is a thread."""
    global _provider
    if url is None:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    what = {"service.name": "probewatch", "service.version": version}
    _provider = TracerProvider(resource=Resource.create(what))
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url)))


@contextmanager
def span(name: str, **attributes: str | int | float) -> Iterator[None]:
    """What happens inside as one span; an exception that leaves it is noted and goes on."""
    if _provider is None:
        yield
        return
    tracer = _provider.get_tracer("probewatch")
    with tracer.start_as_current_span(name, attributes=attributes):
        yield


def close() -> None:
    """Send what is still to be sent."""
    global _provider
    if _provider is not None:
        _provider.force_flush(LAST_MS)
        _provider.shutdown()
        _provider = None
