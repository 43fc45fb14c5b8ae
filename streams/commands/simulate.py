"""`./probewatch simulate`: make an audit log with labelled misuse and labelled honest traps."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench.simulator.generate import build
from bench.simulator.generate import simulate as write_simulation
from bench.simulator.targets import Target, targets
from streams.options import Json

SHIPPED = Path(__file__).parents[2] / "config"
console = Console(stderr=True)


class Scale(StrEnum):
    """Searches a year of the benchmark's city, or the demo's Los Angeles."""

    five_thousand = "5k"
    twenty_thousand = "20k"
    hundred_thousand = "100k"
    million = "1M"
    demo = "demo"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("simulate")(simulate)


def simulate(
    out: Annotated[Path, typer.Option(file_okay=False, help="Directory to write; serves as --config too.")],
    scale: Annotated[Scale, typer.Option(help="How many searches a year, or the demo.")] = Scale.demo,
    years: Annotated[
        int | None, typer.Option(min=1, max=10, help="Whole years; the last holds the incidents [3].")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same files, byte for byte.")] = 0,
    report: Annotated[
        bool, typer.Option("--report", help="Compare the honest searches with real logs.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write events.jsonl in arrival order, labels, decoys, roster, tools, calendar and sources.

    With --report the exit code is 1 when the honest searches miss a target.
    """
    if scale is Scale.demo and years is not None:
        raise typer.BadParameter(
            "the demo has its own dates, from January 2019 to January 2021", param_hint="--years"
        )
    world = build(scale.value, seed, years or 3)
    try:
        written = write_simulation(world, out, SHIPPED)
    except OSError as error:
        where = error.filename or out
        console.print(f"cannot write {where}: {error.strerror}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from error
    compared = targets(world) if report else []
    if report:
        console.print(_table(compared))
    console.print(
        f"{written.searches:,} searches from {world.city.first} to {world.city.last} (exclusive), "
        f"{len(written.incidents)} incidents, {len(written.decoys)} decoys, seed {seed}: {out}",
        soft_wrap=True,
        markup=False,
    )
    if as_json:
        summary = {
            "searches": written.searches,
            "incidents": len(written.incidents),
            "decoys": len(written.decoys),
            "seed": seed,
            "targets": [one._asdict() | {"met": one.met} for one in compared],
        }
        print(json.dumps(summary))
    raise typer.Exit(0 if all(one.met for one in compared) else 1)


def _table(compared: list[Target]) -> Table:
    table = Table("honest searches", "real log", "its value", "band", "achieved", "", title="Calibration")
    for one in compared:
        band = f"{one.low:g} to {one.high:g}"
        table.add_row(
            one.name,
            one.source,
            f"{one.real:.3g}",
            band,
            f"{one.achieved:.3g}",
            "met" if one.met else "missed",
        )
    return table
