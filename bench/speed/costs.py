"""Where each microsecond of a search goes: CPU time of both stages, part by part.

Both stages run in this process, one after the other and without Kafka, over a big city. Parts that are
called once for a batch, a pack or a day are timed; a part does not count what parts inside it take,
so the parts add up to the whole. Of the worker's own share only the metrics are here, counted as it
counts them; reading and writing Kafka is in `throughput`.
"""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any
from unittest.mock import patch

import typer

from bench.figures import Figure, Report, Target
from bench.in_process import stages
from bench.inputs import city
from models.pipeline import Pipeline
from models.stage import Message, Output
from streams import collector, logs
from streams.counting import count_batch, show_figures
from streams.replay import AT_ONCE

#: Searches after which the state that changed is taken, about as often as by a worker at full speed.
CHECKPOINT_EVERY = 40_000


class Clock:
    """CPU seconds by part, each without those of the parts inside it."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._inner = [0.0]

    def timed(self, part: Callable[[Any], str], call: Callable[..., Any]) -> Callable[..., Any]:
        """The same call, timed. What it gives one by one is gathered first."""

        def measured(*args: Any, **options: Any) -> Any:
            self._inner.append(0.0)
            began = time.process_time()
            given = call(*args, **options)
            if isinstance(given, Iterator):
                given = list(given)
            took = time.process_time() - began
            self.seconds[part(args[0])] += took - self._inner.pop()
            self._inner[-1] += took
            return given

        return measured


@contextmanager
def watched(clock: Clock) -> Iterator[None]:
    """Times the parts of all stages that are made while the block runs."""
    from models import detectors, ingest, packing, source, watch
    from models.detectors.base import Detector

    def fixed(name: str) -> Callable[[Any], str]:
        return lambda _: name

    def own(what: str) -> Callable[[Any], str]:
        return lambda detector: f"watch, {what}: {detector.name}"

    parts: list[tuple[Any, str, Callable[[Any], str]]] = [
        (ingest, "read_all", fixed("ingest: decoding and checking JSON")),
        (packing.Packing, "finish", fixed("ingest: columns of packs")),
        (ingest, "encode_pack", fixed("ingest: packs into bytes")),
        (source.SourceLog, "advance", fixed("ingest: days of sources closed")),
        (ingest.IngestStage, "absorb", fixed("ingest: repeats, lateness, all else")),
        (ingest.IngestStage, "snapshot", fixed("ingest: changed state")),
        (watch, "decode_pack", fixed("watch: packs out of bytes")),
        (watch.WatchStage, "absorb", fixed("watch: open days, all else")),
        (watch.WatchStage, "snapshot", fixed("watch: changed state")),
    ]
    for kind in detectors.discover().values():
        if issubclass(kind, Detector):
            parts.append((kind, "close", own("closing a day")))
            if kind.observe is not Detector.observe:
                parts.append((kind, "observe", own("as they come")))
    told = Pipeline.noted
    metrics = clock.timed(fixed("worker: metrics"), count_batch)

    def counted(machine: Pipeline, output: Output) -> list[Message]:
        """As a worker would count it."""
        metrics("watch", output, len(output.messages), 0.01, 0.01)
        return told(machine, output)

    with ExitStack() as stack:
        stack.enter_context(patch.object(Pipeline, "noted", counted))
        for owner, name, part in parts:
            stack.enter_context(patch.object(owner, name, clock.timed(part, getattr(owner, name))))
        yield


def bench(
    searches: Annotated[int, typer.Option(min=1000, help="Searches of a big city.")] = 300_000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the simulated searches.")] = 0,
) -> Report:
    """Microseconds of CPU a search in each part of both stages, the dearest first."""
    clock = Clock()
    with tempfile.TemporaryDirectory(prefix="probewatch-bench-") as folder, watched(clock):
        lines = city(Path(folder), searches, seed).read_bytes().splitlines()
        machine = stages(Path(folder))
        collector.calm()
        logs.configure(level="WARNING")
        show = clock.timed(lambda _: "worker: metrics", show_figures)
        clock.seconds.clear()
        for first in range(0, len(lines), AT_ONCE):
            machine.feed(lines[first : first + AT_ONCE])
            if first % CHECKPOINT_EVERY < AT_ONCE:
                machine.ingest.snapshot(full=False)
                machine.watch.snapshot(full=False)
                show("watch", 0, machine.watch.gauges(), 0.0)
    accepted = machine.counts.get(("accepted", ""), 0)
    whole = sum(clock.seconds.values())
    share = clock.seconds["worker: metrics"] / whole
    figures = [
        Figure("us_a_search", "both stages", [whole / accepted * 1e6], "µs a search"),
        Figure("metrics_share", "worker: metrics, of all this", [100 * share], "%", Target("at most", 1.0)),
    ]
    for part, seconds in sorted(clock.seconds.items(), key=lambda item: -item[1]):
        name = "".join(letter if letter.isalnum() else "_" for letter in part)
        figures.append(Figure(name, part, [seconds / accepted * 1e6], "µs a search"))
    return Report("costs", figures, facts={"searches": accepted})
