"""`./probewatch --version`."""

from __future__ import annotations

from typing import Annotated

import typer


def show(wanted: bool) -> None:
    """Print the version if it is wanted, and end."""
    if wanted:
        # Loads Faust, which other commands should not wait for.
        from streams.worker import VERSION

        print(f"probewatch {VERSION}")
        raise typer.Exit


def register(app: typer.Typer) -> None:
    """Add the option."""
    app.callback()(probewatch)


def probewatch(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", is_eager=True, callback=show)
    ] = False,
) -> None:
    """Watches the audit log of police face searches and flags misuse."""
