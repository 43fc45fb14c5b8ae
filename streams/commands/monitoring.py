"""`./probewatch monitoring`: Grafana's dashboards and Kubernetes' rules written anew, dashboards drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from streams.exits import FAILURE, Stop

ROOT = Path(__file__).resolve().parents[2]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("monitoring")(monitoring)


def monitoring(
    check: Annotated[bool, typer.Option("--check", help="Only compare; exit 1 where a file is old.")] = False,
    draw: Annotated[
        str | None, typer.Option(metavar="URL", help="Draw the dashboards from this Prometheus instead.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the pictures.", file_okay=False)] = Path("."),
    minutes: Annotated[float, typer.Option(min=1, help="How far back the pictures go.")] = 60.0,
    root: Annotated[Path, typer.Option(help="The checkout.", exists=True, file_okay=False)] = ROOT,
) -> None:
    """Write the files that are made by code: Grafana's dashboards, and the rules as a Kubernetes resource.

    With --draw, instead: ask a Prometheus server the dashboards' queries and draw what it answers.
    """
    from streams.dashboards import DASHBOARDS, outdated
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
    old = outdated(root)
    for file, wanted in old.items():
        if check:
            said = "is not as the code is: run `./probewatch monitoring`"
        elif wanted is None:
            file.unlink()
            said = "removed"
        else:
            file.write_text(wanted, "utf-8")
            said = "written"
        console.print(f"{file.relative_to(root)} {said}", markup=False, highlight=False, soft_wrap=True)
    if check and old:
        raise typer.Exit(FAILURE)
