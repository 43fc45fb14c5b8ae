"""Paths that people name: results spare what is read, and no wrong folder passes for a right one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import typer

from streams.exits import Stop

#: What a configuration folder consists of, besides the folder of its policies.
CONFIGURATION = (
    "agencies.yaml",
    "calendar.csv",
    "detectors.yaml",
    "roster.csv",
    "sources.yaml",
    "tools.yaml",
)


def spare(outputs: Iterable[Path], inputs: Iterable[Path | None], option: str = "--out") -> None:
    """Refuse an output that is one of the inputs, or a file of a configuration.

    Raises:
        typer.BadParameter: with the name of the file; nothing has been written then.
    """
    read = {one.resolve() for one in inputs if one is not None}
    for one in outputs:
        if one.resolve() in read:
            raise typer.BadParameter(
                f"{one} is read by this command; write to another file", param_hint=option
            )
        settings = one.name in CONFIGURATION or one.resolve().parent.name == "policy"
        if settings and one.exists():
            raise typer.BadParameter(
                f"{one} is part of a configuration; write to another file", param_hint=option
            )


def must_be_one(folder: Path) -> None:
    """Refuse a folder without any file of a configuration: all would be as shipped, and nobody would see it.

    Raises:
        Stop: with the names of the files that one of must be there.
    """
    if folder.is_dir() and not any((folder / name).exists() for name in (*CONFIGURATION, "policy")):
        raise Stop(
            f"{folder} holds no configuration: none of {', '.join(CONFIGURATION)} and policy/ is there"
        )
