"""`./probewatch ledger`: check a ledger or an evidence bundle offline, or export the console's ledger."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from models.bundle import is_bundle, verify_bundle
from models.ledger import verify
from models.wording import plural
from streams.exits import FAILURE, Stop
from streams.whole_file import whole_file

console = Console(stderr=True)
#: Faults that are printed; `--json` has all.
MOST = 20

AsJson = Annotated[bool, typer.Option("--json", help="Last line is one JSON object.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Check or export the ledger of alerts and decisions.", no_args_is_help=True)
    group.command("verify")(verify_command)
    group.command("export")(export_command)
    app.add_typer(group, name="ledger")


def verify_command(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="A ledger or a bundle.")
    ],
    head: Annotated[
        str | None,
        typer.Option(help="Digest with which it must end, from somebody who noted it: shows a cut end."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check an exported ledger or an evidence bundle; exit 1 and say what was changed, if anything was."""
    with file.open("rb") as stream:
        first = stream.readline()
        lines = chain([first] if first else [], stream)
        bundle = is_bundle(first)
        found = (verify_bundle if bundle else verify)(lines, head)
    what = "bundle" if bundle else "ledger"
    # Where not one line can be read, the first says all that there is to say.
    shown = MOST if found.entries else 1
    for fault in found.faults[:shown]:
        console.print(f"{file}: {fault}", style="red", markup=False, highlight=False, soft_wrap=True)
    if found.faults and not found.entries:
        console.print("No entry can be read. Is this a ledger or a bundle at all?", style="red")
    elif len(found.faults) > shown:
        console.print(f"and {len(found.faults) - shown:,} more", style="red")
    last = found.head
    if not found.faults:
        said = f"{file}: this {what} is whole, {plural(found.entries, 'entry')}"
        if last is not None:
            said += f", head {last.digest} (seq {last.seq:,})"
        console.print(said, markup=False, highlight=False, soft_wrap=True)
        if not found.entries:
            console.print("There was nothing to check. Is this the file that was meant?", style="yellow")
        elif head is None:
            console.print(
                "Compare the head with one that was noted elsewhere: without it nobody can tell whether"
                " entries are missing at the end.",
                soft_wrap=True,
            )
    if as_json:
        answer = {
            "file": what,
            "whole": not found.faults,
            "entries": found.entries,
            "seq": last.seq if last else None,
            "head": last.digest if last else None,
            "faults": [
                {"line": one.line, "seq": one.seq, "field": one.field, "problem": one.problem}
                for one in found.faults
            ],
        }
        print(json.dumps(answer))
    if found.faults:
        raise typer.Exit(FAILURE)


def export_command(
    out: Annotated[Path, typer.Option(help="Where the ledger goes, one JSON object a line.")],
    database: Annotated[str | None, typer.Option(help="The console's database, as a URL.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write the whole ledger to a file, and print its head: note that somewhere else."""
    # SQLAlchemy, for which no other command has to wait.
    from console.settings import load_console_settings
    from console.storage import ledger
    from console.storage.engine import open_store

    try:
        store = open_store(load_console_settings(database=database).database, new=False)
        with store.reading() as session, whole_file(out) as stream:
            stream.writelines(ledger.export(session))
            last = ledger.head(session)
        store.close()
    except (Stop, OSError) as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(FAILURE) from None
    console.print(
        f"{plural(last.seq, 'entry')} in {out}, head {last.digest}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    if as_json:
        print(json.dumps({"entries": last.seq, "head": last.digest}))
