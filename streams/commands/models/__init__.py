"""`./probewatch models`: what was trained, what serves, and how one becomes the other."""

from __future__ import annotations

import typer

from streams.commands.models.changing import approve, promote, retire, rollback
from streams.commands.models.looking import check, compare, list_, show


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        help="Trained models: states, comparison, promotion by two people.", no_args_is_help=True
    )
    app.add_typer(group, name="models")
    for name, command in (
        ("list", list_), ("show", show), ("compare", compare), ("promote", promote), ("approve", approve),
        ("retire", retire), ("rollback", rollback), ("check", check),
    ):  # fmt: skip
        group.command(name)(command)
