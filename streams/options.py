"""Options that several commands have, each declared once: the same word means the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def _signed(name: str) -> str:
    """Whoever changes something is told about a bad name before any work is done."""
    from analysis.registry.changes import NotAllowed, signed

    try:
        return signed(name)
    except NotAllowed as error:
        raise typer.BadParameter(str(error)) from None


Config = Annotated[Path | None, typer.Option(help="Folder of the configuration.")]
ModelsFolder = Annotated[Path | None, typer.Option("--models", help="Folder of the models.")]
Json = Annotated[bool, typer.Option("--json", help="End with one JSON object.")]
Account = Annotated[
    str, typer.Option("--as", callback=_signed, help="Your account; it stands in the ledger.")
]
Files = Annotated[
    list[Path], typer.Option("--input", exists=True, dir_okay=False, help="File of events; repeatable.")
]
Labels = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="labels.jsonl of the same searches.")
]
Alerts = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="Alerts that were decided on.")
]
Decisions = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="What staff decided, one object a line.")
]
Broker = Annotated[str | None, typer.Option(help="Kafka brokers, HOST:PORT,...")]


def in_pairs(alerts: Path | None, decisions: Path | None) -> None:
    """Refuse decisions without the alerts that they are about, and alerts without decisions."""
    if bool(alerts) != bool(decisions):
        raise typer.BadParameter("--alerts and --decisions belong together", param_hint="--decisions")
