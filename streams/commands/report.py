"""`./probewatch report`: the public figures of a period."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from streams.exits import FAILURE, Stop
from streams.options import Config
from streams.settings import load_settings
from streams.whole_file import whole_file

console = Console(stderr=True)
DAY = ["%Y-%m-%d"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("report")(report)


def report(
    first: Annotated[datetime, typer.Option("--from", formats=DAY, help="First local day.")],
    last: Annotated[datetime, typer.Option("--to", formats=DAY, help="Last local day.")],
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder for the files.")],
    agency: Annotated[str | None, typer.Option(help="Only this agency_id.")] = None,
    config: Config = None,
    database: Annotated[str | None, typer.Option(help="The console's store, as a URL.")] = None,
) -> None:
    """Write report.html, report.pdf and report.csv: how many searches and alerts, and what came of them.

    Small counts are withheld, and others from which they could be worked out. The same store and period
    give the same bytes.
    """
    # Loads the store and the mathematics, which other commands should not wait for.
    from console.report.files import files
    from console.settings import load_console_settings
    from console.storage.engine import open_store
    from models.detectors import settings_types
    from streams.commands.config import SHIPPED
    from streams.configuration import load

    try:
        settings = load_console_settings(database=database)
        configuration = load(load_settings(config_dir=config).config_dir, SHIPPED, settings_types())
        store = open_store(settings.database, new=False)
        try:
            with store.reading() as session:
                made = files(session, configuration, settings, first.date(), last.date(), agency)
        finally:
            store.close()
        out.mkdir(parents=True, exist_ok=True)
        for name, content in made.items():
            with whole_file(out / name) as stream:
                stream.write(content)
            console.print(str(out / name), markup=False, highlight=False, soft_wrap=True)
    except (Stop, ValueError) as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(FAILURE) from None
    except OSError as error:
        console.print(
            f"cannot write {error.filename}: {error.strerror}", style="red", markup=False, soft_wrap=True
        )
        raise typer.Exit(FAILURE) from None
