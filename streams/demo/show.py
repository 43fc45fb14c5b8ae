"""The demo itself: everything started, watched, summed up and ended."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from bench.evaluation import evaluate
from bench.labels import read_labels
from bench.officer_days import officer_days
from bench.scorecard import render
from bench.simulator.generate import build, simulate
from models.alert import Alert
from models.detectors import settings_types
from models.pipeline import Standing
from models.ticking import Ticker
from models.wording import plural
from streams.broker import EmbeddedBroker
from streams.configuration import load
from streams.demo.oversight import PEOPLE, overseeing
from streams.demo.stream import Feeding, Listening
from streams.demo.worker import ROOT, Child, Worker, free_port, running, wait_until_ready
from streams.exits import Stop
from streams.replay import Replay, replay
from streams.settings import Settings, load_settings
from streams.stages import pipeline
from streams.survey import survey
from streams.topics import ensure

SHIPPED = ROOT / "config"
#: Seconds that a start and the summing up may take of the time that was asked for.
AROUND = 15.0
#: Columns of tables when nobody looks at a terminal.
PLAIN_WIDTH = 150
STYLES = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan", "info": "dim"}


def demo(
    *, seed: int, seconds: float, headless: bool, web_port: int, console_port: int, folder: Path | None
) -> bool:
    """Run the demo for about `seconds`. True when all is accounted for and replay agrees.

    Raises:
        Stop: something could not be started; the text says what to do.
        KeyboardInterrupt: as it comes before all is told; everything is ended by then.
    """
    console = Console(force_terminal=False if headless else None, highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = PLAIN_WIDTH
    began = time.monotonic()
    with ExitStack() as stack:
        place = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="probewatch-demo-")))
        world = build("demo", seed, 2)
        written = simulate(world, place, SHIPPED)
        console.print(
            f"Simulated {written.searches:,} searches by {_officers(place)} officers of Los Angeles, "
            f"{world.city.first} to {world.city.last}, with {len(written.incidents)} incidents hidden in "
            "them, on the real calendar of demonstrations."
        )
        broker = stack.enter_context(EmbeddedBroker())
        console.print(
            f"Broker at {broker.bootstrap} (embedded, in memory: no state survives it, and it knows no "
            "idempotent writes; what Apache Kafka gives besides is in docs/architecture.md)."
        )
        environment = {
            "PROBEWATCH_BROKER": broker.url,
            "PROBEWATCH_PARTITIONS": "4",
            "PROBEWATCH_TICKS": "off",
            "PROBEWATCH_SESSION_TIMEOUT": "6",
            "PROBEWATCH_CONFIG_DIR": str(place),
            "PROBEWATCH_DATA_DIR": str(place),
        }
        settings = load_settings(
            broker=broker.url,
            partitions=4,
            ticks="off",
            session_timeout=6,
            topics_create=True,
            config_dir=place,
            data_dir=place,
        )
        ensure(settings)
        oversight = stack.enter_context(overseeing(environment, place, console_port))
        worker = stack.enter_context(running(environment, free_port(web_port), place / "worker.log"))
        wait_until_ready(worker, 60)
        console.print(
            f"Worker ready. Metrics {worker.address}/metrics, health {worker.address}/healthz and /readyz."
        )
        console.print(
            f"Console {oversight.address}: log in as {' or '.join(PEOPLE)}, password {oversight.password}."
        )
        listening = Listening(settings)
        stack.callback(listening.close)
        file = place / "events.jsonl"
        feeding = Feeding(
            settings, file, survey([file]), max(5.0, seconds - AROUND - (time.monotonic() - began))
        )
        stack.callback(feeding.stop)
        feeding.start()
        _watch(console, (worker, oversight.process), feeding, listening, headless)
        if feeding.error is not None:
            raise Stop(f"the searches could not be sent: {feeding.error}")
        good = _settle(console, worker, feeding, listening)
        good = _compare(console, settings, file, listening) and good
        alerts = listening.stream
        console.print(
            render(
                evaluate(
                    alerts,
                    read_labels(place / "labels.jsonl"),
                    decoys=read_labels(place / "decoys.jsonl"),
                    officer_days=officer_days(place / "roster.csv", world.city.first, world.city.last),
                )
            )
        )
        if not headless:
            console.print(
                f"\nStill running: the console at {oversight.address} ({' and '.join(PEOPLE)}, password "
                f"{oversight.password}) and {worker.address}/metrics. Ctrl-C ends them."
            )
            _stay((worker, oversight.process))
    return good


def _stay(children: Sequence[Child]) -> None:
    """Until Ctrl-C, which ends what has been told in full; SIGTERM goes on to whoever asked for more."""
    try:
        while True:
            time.sleep(0.5)
            for one in children:
                one.check()
    except KeyboardInterrupt as reason:
        if type(reason) is not KeyboardInterrupt:
            raise


def _watch(
    console: Console, children: Sequence[Child], feeding: Feeding, listening: Listening, headless: bool
) -> None:
    """Show alerts as they come until all searches are sent."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[said]}"),
    )
    with Progress(*columns, console=console, disable=headless) as progress:
        task = progress.add_task("searches", total=feeding.total, said="")
        last = 0.0
        while feeding.going:
            for alert, before in listening.poll(0.2):
                _tell(console, alert, before)
            sent = feeding.delivery.lines
            standing = sum(alert.status != "withdrawn" for alert in listening.standing.values())
            day = datetime.fromtimestamp(feeding.now, UTC).strftime("%d %b %Y") if feeding.now else ""
            progress.update(task, completed=sent, said=f"{day}, {plural(standing, 'alert')}")
            if headless and time.monotonic() - last > 5:
                last = time.monotonic()
                console.print(f"  {sent:>6,} of {feeding.total:,} searches sent, {day}", style="dim")
            for one in children:
                one.check()


def _settle(console: Console, worker: Worker, feeding: Feeding, listening: Listening) -> bool:
    """Wait until the worker has read everything; check that every search is accounted for."""
    quiet_since = read_since = time.monotonic()
    figures: dict[str, float] = {}
    left = -1.0
    while time.monotonic() - read_since < 60:  # as long as it reads, however slowly
        if told := listening.poll(0.3):
            quiet_since = time.monotonic()
            for alert, before in told:
                _tell(console, alert, before)
        figures = worker.figures()
        worker.check()
        lag = sum(value for series, value in figures.items() if series.startswith("probewatch_lag_records{"))
        if lag != left:
            left, read_since = lag, time.monotonic()
        if figures and lag == 0 and time.monotonic() - quiet_since > 1.5:
            break
    taken = {
        name: int(
            sum(
                v
                for series, v in figures.items()
                if series.split("{")[0] == f"probewatch_searches_{name}_total"
            )
        )
        for name in ("accepted", "refused", "late", "duplicate")
    }
    lines = feeding.delivery.lines
    said = ", ".join(f"{number:,} {name}" for name, number in taken.items())
    console.print(f"\n{lines:,} searches sent: {said}; {feeding.delivery.ticks:,} ticks.")
    if sum(taken.values()) != lines or not feeding.delivery.complete:
        console.print("The numbers do NOT add up.", style="bold red")
        return False
    return True


def _compare(console: Console, settings: Settings, file: Path, listening: Listening) -> bool:
    """Whether a replay of the file gives what went through Kafka, byte for byte."""
    configuration = load(settings.config_dir, SHIPPED, settings_types())
    result = Replay()
    ticker = Ticker(sources=survey([file]).sources)
    for growing in replay([file], pipeline(settings, configuration), ticker):
        result = growing
    live = Standing()
    live.put(listening.standing.values())
    same = live.lines() == result.standing.lines()
    number = len(result.standing.alerts())
    if same:
        console.print(f"Replay of the file gives the same {number} alerts, byte for byte.\n")
    else:
        console.print("Replay of the file does NOT give the same alerts.\n", style="bold red")
    return same


def _tell(console: Console, alert: Alert, before: Alert | None) -> None:
    """One line for an alert that is new, changed its status, or became worse."""
    if before is not None and (alert.status, alert.severity) == (before.status, before.severity):
        return
    style = STYLES[alert.severity]
    console.print(
        f"[{style}]{alert.severity:>8}[/] {alert.decided_at:%d %b %Y} [bold]{alert.detector}[/] "
        f"{escape(alert.entity_kind)} {escape(alert.entity)} ({alert.status}): {escape(alert.explanation)}"
    )


def _officers(place: Path) -> int:
    with (place / "roster.csv").open() as lines:
        return len({line.split(",", 1)[0] for line in lines}) - 1
