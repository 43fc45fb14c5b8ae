"""How many searches a second one worker takes, as a share of what a bare loop reads.

Both read the same messages from the same embedded broker in the same run, one after the other, so
the ratio holds on a machine whose speed drifts. A worker does everything: ingest, watch with all
default detectors, alerts, state, commits.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from bench.simulator.generate import build, simulate
from streams.broker import EmbeddedBroker
from streams.demo.worker import ROOT, Worker, free_port, running
from streams.exits import Stop
from streams.produce import produce
from streams.settings import load_settings
from streams.survey import survey
from streams.topics import ensure

PARTITIONS = 4
#: Seconds between looks at the worker's figures; each costs it some milliseconds.
LOOK_EVERY = 0.2


@dataclass(frozen=True)
class Run:
    """One pair of measurements, in searches a second."""

    searches: int
    limit: float
    worker: float

    @property
    def ratio(self) -> float:
        """The worker's share of the limit."""
        return self.worker / self.limit


def measure(searches: int, repeats: int, seed: int) -> Iterator[Run]:
    """Yield one run after another. Raises Stop when a worker dies or stands still."""
    with tempfile.TemporaryDirectory(prefix="probewatch-bench-") as folder:
        place = Path(folder)
        years = max(1, -(-searches // 1_000_000))
        simulate(build("1M", seed, years), place, ROOT / "config")
        file = place / "part.jsonl"
        with (place / "events.jsonl").open("rb") as lines, file.open("wb") as part:
            part.writelines(islice(lines, searches))
        for _ in range(repeats):
            yield _run(place, file)


def _run(place: Path, file: Path) -> Run:
    with EmbeddedBroker() as broker:
        settings = load_settings(
            broker=broker.url, partitions=PARTITIONS, ticks="off", topics_create=True, config_dir=place
        )
        ensure(settings)
        sources = survey([file]).sources
        sent = produce([file], sources, connection=settings.connection(), unsent=place / "unsent")
        if not sent.complete:
            raise Stop(f"the broker did not take all messages: {sent.faults or sent.stopped}")
        messages = sent.lines + sent.ticks
        limit = sent.lines / _limit(broker.bootstrap, messages)
        environment = {
            "PROBEWATCH_BROKER": broker.url,
            "PROBEWATCH_PARTITIONS": str(PARTITIONS),
            "PROBEWATCH_TICKS": "off",
            "PROBEWATCH_SESSION_TIMEOUT": "6",
            "PROBEWATCH_CONFIG_DIR": str(place),
            "PROBEWATCH_DATA_DIR": str(place),
        }
        with running(environment, free_port(), place / "worker.log") as worker:
            return Run(sent.lines, limit, sent.lines / _worker(worker, sent.lines))


def _limit(bootstrap: str, messages: int) -> float:
    command = [sys.executable, "-m", "bench.limit", bootstrap, "searches.raw", str(messages)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, check=True, env=environment, text=True)
    return float(done.stdout)


def _worker(worker: Worker, searches: int) -> float:
    """Seconds from the moment before the first search was taken until nothing is left to do."""
    began = last = time.perf_counter()
    accepted = 0.0
    while True:
        worker.check()
        asked = time.perf_counter()
        figures = worker.figures()
        now = figures.get("probewatch_searches_accepted_total", 0.0)
        if not now:
            began = last = asked
        if now > accepted:
            accepted, last = now, asked
        lag = [value for series, value in figures.items() if series.startswith("probewatch_lag_records{")]
        if now >= searches and lag and not sum(lag):
            return time.perf_counter() - began
        if asked - last > 120:
            raise Stop(f"the worker stands still at {accepted:,.0f} of {searches:,} searches")
        time.sleep(LOOK_EVERY)


def summary(runs: list[Run]) -> dict[str, Any]:
    """Medians of all runs, and the runs."""
    return {
        "searches": runs[0].searches,
        "limit_per_second": median(run.limit for run in runs),
        "worker_per_second": median(run.worker for run in runs),
        "ratio_to_limit": median(run.ratio for run in runs),
        "runs": [asdict(run) | {"ratio": run.ratio} for run in runs],
    }
