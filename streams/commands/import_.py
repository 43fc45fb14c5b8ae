"""`./probewatch import --adapter NAME FILE... --out EVENTS`: outside logs to events."""

from __future__ import annotations

import inspect
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, NoReturn
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer
from rich.console import Console
from rich.table import Table

from models.pseudonym import Pseudonyms
from streams.adapters import adapters
from streams.adapters.base import Adapter, Given, WrongFormat
from streams.importing import Summary, WrongEncoding, import_files
from streams.options import Json

console = Console(stderr=True)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("import", epilog=f"Adapters: {', '.join(adapters())}. --describe NAME explains one.")(import_)


def _describe(name: str | None) -> None:
    if name is not None:
        print(inspect.getdoc(_adapter(name)))
        raise typer.Exit


def import_(
    files: Annotated[
        list[Path], typer.Argument(exists=True, dir_okay=False, readable=True, help="Logs of one format.")
    ],
    adapter: Annotated[str, typer.Option(help="The format of the logs.")],
    out: Annotated[Path, typer.Option(dir_okay=False, help="File of events to write.")],
    agency: Annotated[str | None, typer.Option(help="agency_id of the rows.")] = None,
    source: Annotated[str | None, typer.Option(help="source_id of the rows [AGENCY.ADAPTER].")] = None,
    timezone: Annotated[str, typer.Option(help="Zone of times that name none.")] = "UTC",
    key_env: Annotated[
        str, typer.Option(help="Environment variable that holds the key of pseudonyms.")
    ] = "PROBEWATCH_PSEUDONYM_KEY",
    rejects: Annotated[
        Path | None, typer.Option(help="Where refused rows are listed [OUT.rejects.jsonl].")
    ] = None,
    as_json: Json = False,
    describe: Annotated[
        str | None, typer.Option(is_eager=True, callback=_describe, help="Explain a format and end.")
    ] = None,
) -> None:
    """Turn outside logs into one file of events, sorted by event_time.

    Rows that cannot be used are listed with file, line, field and cure, and the exit code is 1.
    """
    kind = _adapter(adapter)
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        _wrong(f"there is no time zone {timezone}: {error}")
    try:
        key = os.environ.get(key_env, "").encode()
        given = Given(agency, source, Pseudonyms(key) if key else None, zone)
    except ValueError as error:
        _wrong(f"{key_env}: {error}")
    listed = rejects or out.with_name(f"{out.name}.rejects.jsonl")
    if {out.resolve(), listed.resolve()} & {file.resolve() for file in files} or out == listed:
        _wrong("--out and --rejects must be other files than the logs and than each other")
    try:
        summary = import_files(kind(given), files, out, listed)
    except WrongFormat as error:
        _wrong(str(error))
    except (WrongEncoding, OSError) as error:
        said = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
        console.print(said, style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from error
    console.print(_table(summary))
    if summary.refused:
        console.print(f"{summary.refused:,} rows REFUSED, listed in {listed}", style="red", soft_wrap=True)
    if as_json:
        print(json.dumps({"adapter": adapter, "out": str(out), "rejects": str(listed), **asdict(summary)}))
    raise typer.Exit(1 if summary.refused else 0)


def _adapter(name: str) -> type[Adapter]:
    known = adapters()
    if name not in known:
        _wrong(f"there is no adapter {name!r}; there are {', '.join(known)}")
    return known[name]


def _wrong(sentence: str) -> NoReturn:
    console.print(sentence, style="red", markup=False, soft_wrap=True)
    raise typer.Exit(2)


def _table(summary: Summary) -> Table:
    table = Table(show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("searches taken", f"{summary.taken:,}")
    table.add_row("rows refused", f"{summary.refused:,}", style="red" if summary.refused else None)
    for note, count in summary.notes.items():
        table.add_row(note, f"{count:,}")
    table.add_row("first event", summary.first_event or "-")
    table.add_row("last event", summary.last_event or "-")
    return table
