"""What a command that ends has done, as a file for node_exporter's textfile collector.

A batch command is gone before Prometheus could ask it. The file is replaced as a whole, so that no half of it
is ever read, and left as it was when the command fails: then its time of completion grows old.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from models.alert import Alert
from streams.exits import Stop
from streams.whole_file import whole_file


def _fit(path: Path | None) -> Path | None:
    """Refused now rather than after hours of work."""
    if path is not None and path.suffix != ".prom":
        raise typer.BadParameter(f"{path}: the collector reads files that end in .prom only")
    if path is not None and not path.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {path.parent}")
    return path


Textfile = Annotated[
    Path | None,
    typer.Option(
        dir_okay=False, callback=_fit, help="Write figures for node_exporter to this file, NAME.prom."
    ),
]


def write_textfile(
    path: Path,
    command: str,
    seconds: float,
    *,
    lines: Mapping[str, int] | None = None,
    judged: Iterable[tuple[str, str, Iterable[Alert]]] = (),
    stanza: tuple[str, str] | None = None,
    figures: Mapping[str, float] | None = None,
) -> None:
    """Write what a command did in `seconds`: `lines` by outcome, for each configuration its name, digest and
    the alerts that stand, a stanza with its candidate, other figures.

    Raises Stop when the file cannot be written.
    """
    from prometheus_client import generate_latest

    from streams import metrics

    for series in metrics.OF_COMMANDS:
        series.clear()
    metrics.COMMAND_COMPLETED.labels(command).set(time.time())
    metrics.COMMAND_DURATION.labels(command).set(seconds)
    for outcome, number in (lines or {}).items():
        metrics.COMMAND_LINES.labels(command, outcome).set(number)
    for name, digest, alerts in judged:
        metrics.COMMAND_CONFIGURATION.labels(command, name, digest).set(1)
        places = Counter((one.detector, one.kind, one.severity) for one in alerts)
        for place, number in places.items():
            metrics.COMMAND_ALERTS.labels(command, name, *place).set(number)
    if stanza is not None:
        metrics.COMMAND_STANZA.labels(command, *stanza).set(1)
    for name, value in (figures or {}).items():
        metrics.COMMAND_FIGURE.labels(command, name).set(value)
    try:
        with whole_file(path) as stream:
            stream.write(generate_latest(metrics.COMMANDS))
    except OSError as error:
        raise Stop(f"cannot write {path}: {error.strerror}") from error
