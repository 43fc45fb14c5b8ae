"""`./probewatch produce FILE...`: put files of events on Kafka."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from kafka.errors import KafkaError, KafkaTimeoutError
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from models.ticking import CLOSE_AFTER_SECONDS, EVERY_SECONDS, Ticker
from streams.exits import FAILURE, Stop
from streams.options import Broker, Json
from streams.produce import Delivery, Pace, Sender, TopicMissing, connect, outgoing, pump
from streams.settings import load_settings
from streams.survey import Survey, survey
from streams.topics import kafka_name, nobody_answers

console = Console(stderr=True)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("produce")(produce)


def produce(
    files: Annotated[
        list[Path], typer.Argument(exists=True, dir_okay=False, readable=True, help="Files of events.")
    ],
    broker: Broker = None,
    config: Annotated[
        Path | None, typer.Option(help="Folder of the configuration: it declares sources.")
    ] = None,
    topic: Annotated[str | None, typer.Option(help="Topic to write to \\[searches.raw].")] = None,
    rate: Annotated[float | None, typer.Option(min=0.001, help="At most so many messages a second.")] = None,
    speed: Annotated[
        float | None, typer.Option(min=0.001, help="So many seconds of event time a second.")
    ] = None,
    ticks: Annotated[bool, typer.Option(help="Say that time passes, so that windows close.")] = True,
    close: Annotated[
        bool,
        typer.Option(
            help="End with ticks that close every window; not before more is to come, it would be late."
        ),
    ] = True,
    tick_hours: Annotated[
        float, typer.Option(min=0.01, help="Hours of event time between two ticks.")
    ] = EVERY_SECONDS / 3600,
    close_days: Annotated[
        float, typer.Option(min=0.0, help="Days past the last event at which the closing ticks lie.")
    ] = CLOSE_AFTER_SECONDS / 86400,
    sort: Annotated[bool, typer.Option("--sort", help="Take all files by event_time.")] = False,
    unsent: Annotated[
        Path | None, typer.Option(help="Where lines go that the broker refuses [FILE.unsent].")
    ] = None,
    as_json: Json = False,
) -> None:
    """Send the lines of files to Kafka as they stand and wait until all are confirmed.

    Every message is keyed by its source, so that a source stays in order. Sending a file twice
    changes no alert: repeated events are recognised. Exit code 1 if anything was not confirmed.
    """
    from models.detectors import settings_types
    from streams.commands.config import SHIPPED
    from streams.configuration import load
    from streams.serving import Pointer

    if rate and speed:
        raise typer.BadParameter("give either --rate or --speed, not both")
    kept = unsent or files[-1].with_name(files[-1].name + ".unsent")
    if kept.resolve() in {file.resolve() for file in files}:
        raise typer.BadParameter("--unsent must be another file than those to be sent")
    try:
        settings = load_settings(broker=broker, config_dir=config)
        configuration = load(settings.config_dir, SHIPPED, settings_types())
        producer = connect(settings.connection(), topic := topic or kafka_name(settings, "searches.raw"))
    except (Stop, TopicMissing) as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(FAILURE) from error
    except KafkaError as error:
        down = isinstance(error, KafkaTimeoutError)
        said = nobody_answers(settings) if down else f"no broker answers as it should: {error!r}"
        console.print(str(said), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(FAILURE) from error
    found = survey(files)
    _warn(found, sort)
    if close and _reaches_the_present(found, close_days * 86400):
        close = False
        console.print(
            "the log reaches to the present: its last windows stay open, because what follows would be late "
            "if they were closed now",
            soft_wrap=True,
        )
    # A declared source that is not in the files still has to learn that time goes on.
    sources = found.sources.keys() | (configuration.reference.sources.keys() - {"*"})
    ticker = Ticker(
        tick_hours * 3600,
        sources=sources,
        close_after_seconds=close_days * 86400,
        models=Pointer(settings.models_dir).look(),
    )
    messages = outgoing(files, ticker, ticks=ticks, close=close, in_order=sort)
    try:
        with Sender(producer, topic, kept) as sender, _progress() as progress:
            task = progress.add_task("", total=found.lines, rate="")
            delivery = sender.delivery
            try:
                for count, _ in enumerate(pump(messages, sender, Pace(rate, speed), ticker), 1):
                    if count % 500 == 0 or rate or speed:
                        passed = progress.tasks[0].elapsed or 1.0
                        progress.update(task, completed=delivery.lines, rate=f"{count / passed:,.0f}/s")
            except KeyboardInterrupt:
                delivery.stopped = "interrupted from the keyboard"
            progress.update(task, completed=delivery.lines)
    finally:
        producer.close(timeout=5)
    _report(delivery, ticker, kept)
    if as_json:
        print(json.dumps(asdict(delivery) | {"complete": delivery.complete, "displaced": found.displaced}))
    raise typer.Exit(0 if delivery.complete else 1)


def _progress() -> Progress:
    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal)


def _reaches_the_present(found: Survey, close_after: float) -> bool:
    latest = max((span.last for span in found.sources.values()), default=0.0)
    return latest + close_after > time.time()


def _warn(found: Survey, sort: bool) -> None:
    if found.warning and not sort:
        console.print(found.warning, style="yellow", soft_wrap=True)
    if found.unreadable:
        console.print(
            f"[yellow]{found.unreadable:,} lines have no readable source_id and event_time; they are sent "
            "as they stand and become dead letters.",
            soft_wrap=True,
        )


def _report(delivery: Delivery, ticker: Ticker, kept: Path) -> None:
    rate = (delivery.lines + delivery.ticks) / max(delivery.seconds, 1e-9)
    console.print(
        f"{delivery.lines:,} lines and {delivery.ticks:,} ticks sent in {delivery.seconds:,.1f} s "
        f"({rate:,.0f}/s), {delivery.confirmed:,} confirmed",
        soft_wrap=True,
    )
    if delivery.large:
        console.print(f"[yellow]{delivery.large:,} lines are larger than 1 MB", soft_wrap=True)
    if ticker.doubtful is not None:
        console.print(
            "[yellow]the last event lies far beyond all others: is a clock wrong? Its window stays open.",
            soft_wrap=True,
        )
    for fault in delivery.faults:
        console.print(f"not sent: {fault}", style="red", markup=False, soft_wrap=True)
    if delivery.refused:
        console.print(f"[red]{delivery.refused:,} messages REFUSED by the broker; they are in {kept}")
    if delivery.stopped:
        console.print(
            f"STOPPED with {delivery.lines + delivery.ticks - delivery.confirmed:,} messages unconfirmed: "
            f"{delivery.stopped}. Run the same command again: repeated events change nothing.",
            style="red", markup=False, soft_wrap=True,
        )  # fmt: skip
