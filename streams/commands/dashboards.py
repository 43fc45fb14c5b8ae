"""`./probewatch dashboards`: Grafana's dashboards written from the code, and drawn from a real server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from streams.exits import FAILURE, Stop


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("dashboards")(dashboards)


def dashboards(
    check: Annotated[bool, typer.Option("--check", help="Only compare; exit 1 where a file is old.")] = False,
    draw: Annotated[
        str | None, typer.Option(metavar="URL", help="Draw them from this Prometheus, an SVG each.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the pictures.", file_okay=False)] = Path("."),
    minutes: Annotated[float, typer.Option(min=1, help="How far back the pictures go.")] = 60.0,
) -> None:
    """Write Grafana's dashboards anew from the code.

    With --draw, instead: ask a Prometheus server the same queries and draw what it answers.
    """
    from streams.dashboards import DASHBOARDS, FOLDER, outdated, written
    from streams.dashboards.pictures import picture

    console = Console(stderr=True)
    if draw is not None:
        out.mkdir(parents=True, exist_ok=True)
        try:
            for one in DASHBOARDS:
                (out / f"{one.uid}.svg").write_text(picture(one, draw, minutes * 60), "utf-8")
        except Stop as stop:
            console.print(str(stop), style="red", markup=False, soft_wrap=True)
            raise typer.Exit(FAILURE) from None
        return
    old, wanted = outdated(), written()
    for name in old:
        if not check and name in wanted:
            (FOLDER / name).write_text(wanted[name], "utf-8")
        elif not check:
            (FOLDER / name).unlink()
        said = "is not as the code is: run `./probewatch dashboards`" if check else "written"
        console.print(f"{name} {said}", markup=False, highlight=False, soft_wrap=True)
    if check and old:
        raise typer.Exit(FAILURE)
