"""`./probewatch docs`: the parts of the documentation that are read off the code."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from streams.exits import FAILURE

FOLDER = Path(__file__).resolve().parents[2] / "docs"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("docs")(docs)


def docs(
    check: Annotated[bool, typer.Option("--check", help="Only compare; exit 1 where a page is old.")] = False,
    folder: Annotated[Path, typer.Option(exists=True, file_okay=False, help="Folder of the pages.")] = FOLDER,
) -> None:
    """Write the tables of docs/ anew from the code: detectors, events, alerts, settings, metrics, topics.

    Run it after a change of any of these; CI runs the check.
    """
    # Loads every detector with its mathematics, which other commands should not wait for.
    from streams.documentation import UnknownBlock, outdated

    console = Console(stderr=True)
    try:
        pages = outdated(folder)
    except UnknownBlock as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(FAILURE) from None
    for file, page in pages.items():
        if not check:
            file.write_text(page, "utf-8")
        said = "is not as the code is: run `./probewatch docs`" if check else "written"
        console.print(f"{file} {said}", markup=False, highlight=False, soft_wrap=True)
    if check and pages:
        raise typer.Exit(FAILURE)
