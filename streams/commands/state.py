"""`./probewatch state`: what the workers have done, and whether they can go on from there."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.table import Table

from streams import exits
from streams.options import Broker, Config, Json
from streams.settings import Settings, load_settings

if TYPE_CHECKING:
    from models.reference import Reference
    from streams.inspection import Findings
    from streams.view import Agent, View


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("state")(state)


def state(
    config: Config = None,
    broker: Broker = None,
    as_json: Json = False,
) -> None:
    """Show the state of every partition: offsets, lag, size, oldest open window, last writer.

    Reads all state and writes nothing; workers are not disturbed. Exit code 1 if something is wrong:
    state that a worker with this configuration would refuse, or records that nobody takes.
    """
    # Load every detector with its mathematics, which other commands should not wait for.
    from models.wording import plural
    from streams.inspection import inspect

    try:
        settings = load_settings(config_dir=config, broker=broker)
        agents, reference, problem = _configured(settings)
        found = asyncio.run(inspect(settings, agents, reference))
    except exits.Stop as stop:
        Console(stderr=True).print(str(stop), style="red", highlight=False, soft_wrap=True, markup=False)
        raise typer.Exit(exits.FAILURE) from None
    findings = (*problem, *found.wrong)
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(_table(found.views))
    if quiet := sum(not _worth_a_row(view) for view in found.views):
        console.print(
            f"{plural(quiet, 'partition')} {'has' if quiet == 1 else 'have'} no state and nothing to read",
            highlight=False,
        )
    for sentence in found.remarks:
        console.print(sentence, highlight=False, soft_wrap=True, markup=False)
    for sentence in findings:
        console.print(sentence, style="red", highlight=False, soft_wrap=True, markup=False)
    if as_json:
        print(json.dumps(_object(found, findings)))
    if findings:
        raise typer.Exit(exits.FAILURE)


def _configured(settings: Settings) -> tuple[Sequence[Agent], Reference | None, tuple[str, ...]]:
    """The agents with their detectors, time zones, and what is wrong with the configuration."""
    from models.detectors import settings_types
    from streams.commands.config import SHIPPED
    from streams.configuration import ConfigurationError, load
    from streams.fitting import fitted
    from streams.stages import chosen, stage_kinds
    from streams.view import AGENTS, Agent

    try:
        configuration = load(settings.config_dir, SHIPPED, settings_types())
    except ConfigurationError as error:
        return AGENTS, None, tuple(map(str, error.problems))
    kinds = fitted(stage_kinds(settings, configuration), chosen(configuration))
    agents = [Agent(kind.name, kind.version, kind.topic, kind.shapes) for kind in kinds]
    return agents, configuration.reference, ()


def _worth_a_row(view: View) -> bool:
    return view.writer is not None or view.lag > 0


def _table(views: Sequence[View]) -> Table:
    from models.wording import length

    table = Table("agent", "partition", "absorbed", "end", "lag", "keys", "blocks", "bytes")
    for column in table.columns[1:]:
        column.justify = "right"
    for name in ("oldest open window", "its age", "written", "by"):
        table.add_column(name)
    now = time.time()
    for view in filter(_worth_a_row, views):
        window = view.oldest_window
        numbers = (view.partition, view.absorbed, view.end, view.lag, view.keys, view.blocks, view.bytes)
        table.add_row(
            view.agent,
            *("" if number is None else f"{number:,}" for number in numbers),
            f"{window.day} {window.key}" if window else "",
            length(max(0.0, window.age_seconds)) if window else "",
            f"{length(max(0.0, now - view.written_at))} ago" if view.written_at else "",
            view.writer or "",
        )
    return table


def _object(found: Findings, findings: Sequence[str]) -> dict[str, object]:
    return {
        "ok": not findings,
        "partitions": [asdict(view) for view in found.views],
        "findings": list(findings),
        "remarks": list(found.remarks),
    }
