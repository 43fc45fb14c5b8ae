"""`./probewatch replay`: the alerts that a file of events gives, without Kafka."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from models.alert import encode_alert
from models.budget import BudgetSettings
from models.ticking import CLOSE_AFTER_SECONDS, EVERY_SECONDS, Ticker
from models.wording import plural
from streams.exits import FAILURE, Stop
from streams.options import Config, Files, Json
from streams.paths import must_be_one, spare
from streams.replay import Replay, replay
from streams.settings import load_settings
from streams.survey import survey
from streams.textfile import Textfile, write_textfile
from streams.whole_file import whole_file

console = Console(stderr=True)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("replay")(replay_command)


def replay_command(
    files: Files,
    out: Annotated[Path, typer.Option(help="Where the alerts go, one JSON object a line.")],
    config: Config = None,
    close: Annotated[bool, typer.Option(help="Close every window at the end of the input.")] = True,
    tick_hours: Annotated[
        float, typer.Option(min=0.01, help="Hours of event time between two ticks.")
    ] = EVERY_SECONDS / 3600,
    sort: Annotated[bool, typer.Option("--sort", help="Take all files by event_time.")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Write every version of every alert, withdrawn ones too.")
    ] = False,
    textfile: Textfile = None,
    as_json: Json = False,
) -> None:
    """Judge files of events as the workers would, and write the alerts that stand in the end.

    The same events through Kafka give the same alerts, byte for byte. Refused lines go to
    OUT.refused and late ones to OUT.late, with the reason.
    """
    # Detectors load their mathematics, which other commands should not wait for.
    from models.detectors import settings_types
    from streams import collector
    from streams.child_host import HostDied, LoneChild
    from streams.commands.config import SHIPPED
    from streams.configuration import load
    from streams.serving import Pointer
    from streams.stages import pipeline, pseudonyms, stage_kinds

    began = time.monotonic()
    spare([out], files)
    if not out.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {out.parent}; make it first", param_hint="--out")
    try:
        settings = load_settings(config_dir=config)
        must_be_one(settings.config_dir)
        configuration = load(settings.config_dir, SHIPPED, settings_types(), pseudonyms(settings))
        machine = pipeline(settings, configuration)
    except Stop as stop:
        console.print(str(stop), style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(FAILURE) from None
    found = survey(files)
    if found.warning and not sort:
        console.print(found.warning, style="yellow", soft_wrap=True)
    declared = {name for name in configuration.reference.sources if name != "*"}
    if absent := sorted(declared - found.sources.keys()):
        console.print(f"declared, but not in the input: {', '.join(absent)}", style="yellow", soft_wrap=True)
    sources = declared | found.sources.keys()
    ticker = Ticker(
        tick_hours * 3600,
        sources=sources,
        close_after_seconds=CLOSE_AFTER_SECONDS,
        models=Pointer(settings.models_dir).look(),
    )
    result = Replay()
    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn())
    collector.calm()
    try:
        with ExitStack() as stack:
            watch = None
            if settings.stage_processes and sys.platform == "linux":
                # Before there is a second thread, which a fork would not take along.
                kinds = {kind.name: kind for kind in stage_kinds(settings, configuration)}
                watch = stack.enter_context(LoneChild(kinds["watch"]))
            progress = stack.enter_context(
                Progress(*columns, console=console, disable=not console.is_terminal)
            )
            task = progress.add_task("", total=found.lines, rate="")
            for result in replay(files, machine, ticker, close=close, in_order=sort, watch=watch):
                rate = result.lines / max(progress.tasks[0].elapsed or 0.0, 0.001)
                progress.update(task, completed=result.lines, rate=f"{rate:,.0f} searches/s")
    except HostDied as error:
        console.print(f"{error}; nothing was written", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(FAILURE) from None
    counts = {
        name: sum(number for (key, _), number in machine.counts.items() if key == name)
        for name in ("accepted", "refused", "late", "duplicate")
    }
    after_close = machine.counts.get(("after_close", ""), 0)
    try:
        _write(result, out, everything)
        if textfile is not None:
            folder = settings.config_dir.resolve().name
            judged = [(folder, configuration.digest, result.standing.alerts())]
            write_textfile(textfile, "replay", time.monotonic() - began, lines=counts, judged=judged)
    except OSError as error:
        name = error.filename or out
        console.print(f"cannot write {name}: {error.strerror}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(FAILURE) from None
    except Stop as stop:
        console.print(str(stop), style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(FAILURE) from None
    _report(result, out, counts, after_close)
    rationed = _rationed(machine.counts, configuration.budget)
    unknown = [name for name in machine.agencies if name not in configuration.reference.agencies]
    if unknown:
        some = ", ".join(unknown[:5]) + (" ..." if unknown[5:] else "")
        console.print(
            f'not in agencies.yaml: {some}; the entry "*" serves for them, with its time zone and policies',
            style="yellow",
            soft_wrap=True,
        )
    if as_json:
        alerts = result.standing.alerts()
        print(
            json.dumps(
                {
                    "lines": result.lines,
                    **counts,
                    "after_close": after_close,
                    "alerts": len(alerts),
                    **rationed,
                    "config_digest": configuration.digest,
                }
            )
        )
    if result.lines and counts["refused"] == result.lines:
        console.print(
            "no line is a search: is this a file of events? `import` makes one of other logs", style="red"
        )
        raise typer.Exit(FAILURE)


def _rationed(counts: Mapping[tuple[str, str], int], budget: BudgetSettings | None) -> dict[str, float]:
    """Say what the budget made of the anomalies; the same figures for a program."""
    if budget is None:
        return {}
    found = {what: counts.get((f"budget_{what}", ""), 0) for what in ("told", "held", "days")}
    days, promised = max(found["days"], 1), budget.promised
    console.print(
        f"budget: {found['told']:,} anomalies told in {found['days']:,} days of agencies, "
        f"{found['told'] / days:.2g} a day where {budget.alerts_a_day} can be read; {found['held']:,} held "
        f"back. If nobody had misused anything, {promised:.2g} a day would be told by chance.",
        soft_wrap=True,
        highlight=False,
    )
    return {**{f"budget_{what}": number for what, number in found.items()}, "budget_promised": promised}


def _write(result: Replay, out: Path, everything: bool) -> None:
    with whole_file(out) as stream:
        if everything:
            stream.writelines(encode_alert(alert) + b"\n" for alert in result.stream)
        else:
            stream.write(result.standing.lines())
    for suffix, messages in ((".refused", result.refused), (".late", result.late)):
        beside = out.with_name(out.name + suffix)
        if messages:
            with whole_file(beside) as stream:
                stream.writelines(message.value + b"\n" for message in messages)
        else:
            beside.unlink(missing_ok=True)


def _report(result: Replay, out: Path, counts: dict[str, int], after_close: int) -> None:
    table = Table("detector", "kind", "severity", "alerts", title=None)
    totals = Counter((a.detector, a.kind, a.severity) for a in result.standing.alerts())
    for (detector, kind, severity), number in sorted(totals.items()):
        table.add_row(detector, kind, severity, f"{number:,}")
    if totals:
        console.print(table)
    said = ", ".join(f"{number:,} {name}" for name, number in counts.items())
    console.print(
        f"{plural(result.lines, 'line')} read: {said}. {plural(sum(totals.values()), 'alert')} in {out}",
        soft_wrap=True,
    )
    for name, suffix in (("refused", ".refused"), ("late", ".late")):
        if counts[name]:
            console.print(
                f"{plural(counts[name], 'line')} {name}: see {out}{suffix}",
                style="yellow",
                markup=False,
                soft_wrap=True,
            )
    if result.first_refused is not None:
        console.print(
            f"The first that was refused: {result.first_refused}",
            style="yellow", markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip
    if after_close:
        console.print(
            f"[yellow]{after_close:,} of the accepted came after their agency's day had closed and were not "
            f"counted, only held against policy; they are in {out}.late",
            soft_wrap=True,
        )
