"""Both stages in a process of their own, fed with a national log as replay feeds them.

`python -m bench.in_process LOG`, where LOG is a `bench.national.National` in JSON, prints the seconds
that the stages took, making the log not counted, and the memory that is held in the end beyond what the
empty program holds.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from bench.national import National
from bench.processes import peak_resident, resident
from models.pipeline import Pipeline
from models.ticking import Ticker
from streams import collector
from streams.demo.worker import ROOT
from streams.exits import Stop
from streams.produce import outgoing
from streams.replay import AT_ONCE


@dataclass(frozen=True)
class Run:
    """What a run gave. `empty`, `held` and `peak` are bytes of resident memory; `log` is not in them."""

    seconds: float
    accepted: int
    empty: int
    held: int
    peak: int


def apart(log: National) -> Run:
    """Run it in a process of its own, so that memory is this run's alone. Raises Stop when it fails."""
    given = json.dumps({**asdict(log), "first": log.first.isoformat()})
    done = subprocess.run(
        [sys.executable, "-m", "bench.in_process", given],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise Stop(f"the stages failed: {done.stderr.strip()[-1500:]}")
    run = Run(**json.loads(done.stdout))
    if run.accepted != log.searches:
        raise Stop(f"{run.accepted:,} of {log.searches:,} searches were accepted")
    return run


def here(log: National, folder: Path) -> Run:
    """Make the log in a child process, whose memory is not ours, and feed it to the stages."""
    child = os.fork()
    if child == 0:
        write(log, folder)
        os._exit(0)
    if os.waitpid(child, 0)[1] != 0:
        raise Stop("the log could not be made")
    machine = stages(folder)
    collector.calm()
    empty = resident(os.getpid())
    seconds = feed(machine, log, folder)
    gc.collect()
    accepted = machine.counts.get(("accepted", ""), 0)
    return Run(seconds, accepted, empty, resident(os.getpid()), peak_resident(os.getpid()))


def write(log: National, folder: Path) -> None:
    """The log and its configuration."""
    log.configure(folder)
    log.write(folder / "events.jsonl")


def stages(folder: Path) -> Pipeline:
    """Both stages, for the configuration in a folder."""
    from models.detectors import settings_types
    from streams.commands.config import SHIPPED
    from streams.configuration import load
    from streams.settings import load_settings
    from streams.stages import pipeline, pseudonyms

    settings = load_settings(config_dir=folder)
    return pipeline(settings, load(folder, SHIPPED, settings_types(), pseudonyms(settings)))


def feed(machine: Pipeline, log: National, folder: Path) -> float:
    """Feed the log; seconds in the stages alone.

    It is not closed at the end: what is held is what a worker holds in the midst of things."""
    ticker = Ticker(sources=[f"{name}-log" for name in log.names])
    seconds, batch = 0.0, list[bytes]()
    for item in outgoing([folder / "events.jsonl"], ticker, close=False):
        batch.append(item.value)
        if len(batch) >= AT_ONCE:
            seconds += _feed(machine, batch)
    return seconds + _feed(machine, batch)


def _feed(machine: Pipeline, batch: list[bytes]) -> float:
    began = time.perf_counter()
    machine.feed(batch)
    batch.clear()
    return time.perf_counter() - began


def main() -> None:
    """Run what the command line says."""
    given = json.loads(sys.argv[1])
    log = National(**{**given, "first": date.fromisoformat(given["first"])})
    with tempfile.TemporaryDirectory(prefix="probewatch-bench-") as folder:
        print(json.dumps(asdict(here(log, Path(folder)))))


if __name__ == "__main__":
    main()
