"""A file of events through a real broker and a real worker, and what stands on the alerts topic.

`python -m bench.through_kafka EVENTS --config DIR --out ALERTS` starts the embedded broker and one
worker, produces the file as `./probewatch produce` does, waits until the worker has read all of it
and writes the last record of every alert that is not withdrawn, in the order of `replay`. Compare
the two files: they must be equal byte for byte. Exit code 1 when a message was not confirmed or a
search is unaccounted for.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from models.pipeline import Standing
from streams.broker import EmbeddedBroker
from streams.demo.stream import Listening
from streams.demo.worker import ROOT, Worker, running, wait_until_ready
from streams.exits import Stop
from streams.produce import Delivery, produce
from streams.settings import load_settings
from streams.survey import survey
from streams.topics import ensure

PARTITIONS = 4
#: Seconds for the worker to read the file, and for which nothing may come before we believe the end.
PATIENCE, QUIET = 240.0, 2.0
#: Each search becomes exactly one of these.
FATES = ("accepted", "refused", "late", "duplicate")


def through_kafka(events: Path, config: Path, web_port: int) -> tuple[Standing, Delivery, dict[str, int]]:
    """What stands after the file went through Kafka, how it was delivered, and the fate of the searches.

    Raises:
        Stop: something could not be started, or the worker did not read everything in time.
    """
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="probewatch-bench-")))
        broker = stack.enter_context(EmbeddedBroker())
        settings = load_settings(
            broker=broker.url, partitions=PARTITIONS, topics_create=True, config_dir=config
        )
        ensure(settings)
        environment = {
            "PROBEWATCH_BROKER": broker.url,
            "PROBEWATCH_PARTITIONS": str(PARTITIONS),
            "PROBEWATCH_TICKS": "off",
            "PROBEWATCH_SESSION_TIMEOUT": "6",
            "PROBEWATCH_CONFIG_DIR": str(config.resolve()),
            "PROBEWATCH_DATA_DIR": str(place),
        }
        worker = stack.enter_context(running(environment, web_port, place / "worker.log"))
        wait_until_ready(worker, 60)
        listening = Listening(settings)
        stack.callback(listening.close)
        delivery = produce(
            [events], survey([events]).sources, connection=settings.connection(), unsent=place / "unsent"
        )
        fates = _settle(worker, listening, delivery.lines)
        standing = Standing()
        standing.put(listening.standing.values())
        return standing, delivery, fates


def _settle(worker: Worker, listening: Listening, lines: int) -> dict[str, int]:
    """Wait until every search has its fate, no lag is left and no alert comes any more."""
    began = quiet_since = time.monotonic()
    while time.monotonic() - began < PATIENCE:
        if listening.poll(0.3):
            quiet_since = time.monotonic()
        worker.check()
        figures = worker.figures()
        lag = sum(value for series, value in figures.items() if series.startswith("probewatch_lag_records{"))
        fates = {name: _total(figures, f"probewatch_searches_{name}_total") for name in FATES}
        if sum(fates.values()) >= lines and lag == 0 and time.monotonic() - quiet_since > QUIET:
            return fates
    raise Stop(f"the worker did not read everything within {PATIENCE:g} s")


def _total(figures: dict[str, float], name: str) -> int:
    return int(sum(value for series, value in figures.items() if series.split("{")[0] == name))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it, print what became of the searches, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.through_kafka", description=__doc__.split("\n")[0])
    parser.add_argument("events", type=Path, metavar="EVENTS")
    parser.add_argument("--config", type=Path, default=ROOT / "config", metavar="DIR")
    parser.add_argument("--out", type=Path, required=True, metavar="ALERTS")
    parser.add_argument("--web-port", type=int, default=6067, help="port of the worker's metrics")
    given = parser.parse_args(arguments)
    try:
        standing, delivery, fates = through_kafka(given.events, given.config, given.web_port)
    except Stop as stop:
        print(stop, file=sys.stderr)
        return 1
    given.out.write_bytes(standing.lines())
    said = ", ".join(f"{number:,} {name}" for name, number in fates.items())
    print(f"{delivery.lines:,} searches and {delivery.ticks:,} ticks sent: {said}.")
    print(f"{len(standing.alerts()):,} alerts in {given.out}")
    return 0 if delivery.complete and sum(fates.values()) == delivery.lines else 1


if __name__ == "__main__":
    raise SystemExit(main())
