"""`./probewatch backtest`: what a configuration would have told, and how it differs from another."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from models.ticking import EVERY_SECONDS
from models.wording import plural
from streams.exits import FAILURE, Stop
from streams.options import Json
from streams.paths import spare
from streams.textfile import Textfile, write_textfile
from streams.whole_file import whole_file

if TYPE_CHECKING:
    from analysis.backtesting.report import Told
    from analysis.backtesting.session import BackTest, Result

console = Console(stderr=True)
COLUMNS = (
    TextColumn("{task.description}"),
    BarColumn(),
    TaskProgressColumn(),
    TextColumn("{task.fields[rate]}"),
    TimeRemainingColumn(),
)
#: What refused.jsonl says of a line.
REFUSED = ("file", "line", "reason", "field", "detail")
#: Where alerts go: of one configuration, and of two.
RESULTS = ("alerts.jsonl", "alerts-a.jsonl", "alerts-b.jsonl")
#: How moments may be written.
MOMENTS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("backtest")(backtest)


def backtest(
    config: Annotated[
        list[Path] | None,
        typer.Option(exists=True, file_okay=False, help="Folder of a configuration; a second is compared."),
    ] = None,
    files: Annotated[
        list[Path] | None,
        typer.Option(
            "--input", exists=True, dir_okay=False, readable=True,
            help="File of events: JSON lines, .csv or .parquet; repeatable.",
        ),
    ] = None,
    topic: Annotated[str | None, typer.Option(help="Instead of files: a topic, as searches.raw.")] = None,
    first: Annotated[
        datetime | None, typer.Option("--from", formats=MOMENTS, help="First arrival in the topic (UTC).")
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=MOMENTS, help="End of the arrivals, exclusive (UTC).")
    ] = None,
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder of the results.")] = Path("backtest"),
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was cut off.")] = False,
    sort: Annotated[bool, typer.Option("--sort", help="Take all files by event_time.")] = False,
    close: Annotated[bool, typer.Option(help="Close every window at the end of the input.")] = True,
    tick_hours: Annotated[
        float, typer.Option(min=0.01, help="Hours of event time between two ticks.")
    ] = EVERY_SECONDS / 3600,
    jobs: Annotated[int | None, typer.Option(min=1, max=256, help="Processes \\[one a processor].")] = None,
    checkpoint: Annotated[
        float, typer.Option(min=0.0, help="Seconds between two states that --resume can go on from.")
    ] = 30.0,
    textfile: Textfile = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Judge years of events as the workers would, in as many processes as there are processors.

    The folder of --out gets the alerts that stand in the end (alerts.jsonl, with two configurations one for
    each), report.html, backtest.json and the lines that are no searches, refused.jsonl. The alerts are those
    of `replay`, byte for byte.
    """
    if bool(files) == bool(topic):
        raise typer.BadParameter("give files with --input, or a topic with --topic", param_hint="--input")
    if (first or last) and not topic:
        raise typer.BadParameter("--from and --to are of a --topic", param_hint="--from")
    if config and len(config) > 2:
        raise typer.BadParameter("one or two configurations can be compared", param_hint="--config")
    # Detectors load their mathematics, which other commands should not wait for.
    from analysis.backtesting.frames import names
    from analysis.backtesting.report import Told
    from analysis.backtesting.session import BackTest, Options
    from analysis.backtesting.topic import Span
    from analysis.opening import models_refused, open_subject

    results = [out / name for name in (*RESULTS, "report.html", "backtest.json", "refused.jsonl")]
    spare(results, files or [])
    began = time.monotonic()
    folders: list[Path] | list[None] = config or [None]
    options = Options(
        jobs=jobs or os.cpu_count() or 1,
        in_order=sort,
        close=close,
        tick_seconds=tick_hours * 3600,
        resume=resume,
        checkpoint=checkpoint,
    )
    span = Span(topic, *(one and one.replace(tzinfo=UTC) for one in (first, last))) if topic else None
    try:
        subjects = [open_subject(one) for one in folders]
        running = BackTest(subjects, files or [], out / ".work", options, span)
        if resume:
            console.print("going on with the work of before" if running.resumed else
                          "there is no work to go on with: beginning anew", style="yellow")  # fmt: skip
        result = _watched(running)
        if not result.lines:
            raise Stop(f"there is no line in {', '.join(map(str, files or (topic,)))}; nothing was written")
        refused = models_refused(subjects)
        told = Told.of(result, names([one.settings.config_dir for one in subjects]), refused)
        _write(told, out)
        seconds = time.monotonic() - began
        if textfile is not None:
            outcomes = zip(told.names, result.outcomes, strict=True)
            judged = [(name, one.subject.digest, one.alerts) for name, one in outcomes]
            write_textfile(textfile, "backtest", seconds, lines=told.counts, judged=judged)
        running.finish()
    except Stop as stop:
        console.print(str(stop), style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(FAILURE) from None
    except KeyboardInterrupt:
        console.print("\ncut off; the same command with --resume goes on from here", style="yellow")
        raise typer.Exit(FAILURE) from None
    _report(told, out, seconds, running.resumed)
    if as_json:
        from analysis.backtesting.report import summary

        print(json.dumps({**summary(told), "seconds": round(seconds, 3)}))
    for why in refused:
        console.print(f"a model does not judge here: {why}", style="red", soft_wrap=True, markup=False)
    if refused:
        raise typer.Exit(FAILURE)
    if told.counts["refused"] == result.lines:
        console.print(
            "no line is a search: is this a file of events? `import` makes one of other logs", style="red"
        )
        raise typer.Exit(FAILURE)


def _watched(running: BackTest) -> Result:
    """Do the work behind a bar with rate and time left."""
    # Without a thread of its own, which a fork would not take along.
    with Progress(*COLUMNS, console=console, disable=not console.is_terminal, auto_refresh=False) as progress:
        task = progress.add_task("surveying", total=None, rate="")
        began, before, unknown = time.monotonic(), None, 0
        for read, of in running:
            if of:
                # What was done before a run was cut off shows at once, and says nothing of the rate.
                unknown += 1
                if before is None or (running.resumed and unknown == 2):
                    began, before = time.monotonic(), read
                    progress.update(task, description="judging", total=of)
                rate = (read - before) / max(time.monotonic() - began, 0.001)
                progress.update(task, completed=read, rate=f"{rate:,.0f} searches/s")
            progress.refresh()
    return running.result()


def _write(told: Told, out: Path) -> None:
    """All files. Raises Stop when one cannot be written."""
    from analysis.backtesting.report import html, summary

    alerts = RESULTS[:1] if len(told.names) == 1 else RESULTS[1:]
    contents = [one.standing.lines() for one in told.result.outcomes]
    refused = b"".join(
        msgspec.json.encode(dict(zip(REFUSED, (*one.place, one.reason, one.field, one.detail), strict=True)))
        + b"\n"
        for one in told.result.refused
    )
    page, figures = html(told).encode(), msgspec.json.format(msgspec.json.encode(summary(told))) + b"\n"
    try:
        for name, content in (
            *zip(alerts, contents, strict=True),
            ("report.html", page),
            ("backtest.json", figures),
            ("refused.jsonl", refused),
        ):
            with whole_file(out / name) as stream:
                stream.write(content)
        for name in set(RESULTS) - set(alerts):
            (out / name).unlink(missing_ok=True)  # of a run before
    except OSError as error:
        raise Stop(f"cannot write {error.filename or out}: {error.strerror}") from error


def _report(told: Told, out: Path, seconds: float, resumed: bool) -> None:
    from analysis.backtesting.report import terminal

    wide = Console(stderr=True, width=None if console.is_terminal else 150)
    wide.print(terminal(told))
    if told.comparison is not None:
        found = told.comparison
        console.print(
            f"{told.names[1]} against {told.names[0]}: {len(found.new):,} new, {len(found.gone):,} gone, "
            f"{len(found.moved):,} moved, {len(found.changed):,} changed, {len(found.same):,} alike",
            soft_wrap=True, highlight=False, markup=False,
        )  # fmt: skip
    counts = told.counts
    said = ", ".join(f"{number:,} {name}" for name, number in counts.items())
    # Of a run that was gone on with, what was done before took time that is not known.
    rate = "" if resumed else f", {told.result.lines / max(seconds, 0.001):,.0f} lines/s"
    console.print(
        f"{plural(told.result.lines, 'line')} read: {said}; {seconds:,.1f} s{rate}. The"
        f" report is {out / 'report.html'}", soft_wrap=True, highlight=False, markup=False,
    )  # fmt: skip
    if told.result.refused:
        one = told.result.refused[0]
        console.print(
            f"{plural(counts['refused'], 'line')} refused, see {out / 'refused.jsonl'}. The first: "
            f"{one.place.file}, line {one.place.line}"
            f"{f', field {one.field}' if one.field else ''}: {one.detail}",
            style="yellow", soft_wrap=True, markup=False, highlight=False,
        )  # fmt: skip
    if missed := counts["late"] + told.after_close:
        console.print(
            f"{plural(missed, 'search')} came too late to be counted; --sort takes them by event_time",
            style="yellow",
            soft_wrap=True,
        )
