"""Options that several commands have, each declared once: the same word means the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[Path | None, typer.Option(help="Folder of the configuration.")]
ModelsFolder = Annotated[Path | None, typer.Option("--models", help="Folder of the models.")]
Json = Annotated[bool, typer.Option("--json", help="End with one JSON object.")]
Account = Annotated[str, typer.Option("--as", help="Your account; it stands in the ledger.")]
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
