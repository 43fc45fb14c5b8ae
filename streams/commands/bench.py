"""`./probewatch bench NAME`: speed as a ratio, measured in one run on one machine."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from streams.exits import FAILURE, Stop

console = Console(stderr=True)


def register(app: typer.Typer) -> None:
    """Add the command."""
    bench = typer.Typer(help="Measure speed, as a ratio to something in the same run.", no_args_is_help=True)
    bench.command("throughput")(throughput)
    bench.callback()(lambda: None)
    app.add_typer(bench, name="bench")


def throughput(
    searches: Annotated[int, typer.Option(min=1000, help="Searches to send through.")] = 300_000,
    repeats: Annotated[int, typer.Option(min=1, max=50, help="Runs; the medians count.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the simulated searches.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="End with one JSON object.")] = False,
) -> None:
    """Searches a second through a whole worker, beside a bare loop that only reads and decodes.

    Both read the same messages from the same embedded broker, one after the other.
    """
    from bench.throughput import measure, summary

    table = Table("run", "bare loop, searches/s", "worker, searches/s", "ratio")
    runs = []
    try:
        for run in measure(searches, repeats, seed):
            runs.append(run)
            table.add_row(str(len(runs)), f"{run.limit:,.0f}", f"{run.worker:,.0f}", f"{run.ratio:.3f}")
    except Stop as stop:
        console.print(str(stop), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(FAILURE) from None
    found = summary(runs)
    limit, worker, ratio = (
        found[name] for name in ("limit_per_second", "worker_per_second", "ratio_to_limit")
    )
    table.add_row("median", f"{limit:,.0f}", f"{worker:,.0f}", f"{ratio:.3f}")
    console.print(table)
    if as_json:
        print(json.dumps(found))
