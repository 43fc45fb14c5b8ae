"""`./probewatch demo`: see it all work, in about a minute and a half."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from streams.exits import FAILURE, Stop

#: What a shell reports for a program ended by Ctrl-C (128 + SIGINT) and by SIGTERM. Not 0: the demo
#: was ended before it could say whether all went well.
INTERRUPTED, TERMINATED = 130, 143


class Terminated(KeyboardInterrupt):
    """SIGTERM came. Ends everything in the same order as Ctrl-C."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    seconds: Annotated[float, typer.Option(min=20, max=3600, help="How long it should take in all.")] = 90.0,
    headless: Annotated[
        bool, typer.Option("--headless", help="Plain lines, and end by itself when all is told.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another city.")] = 0,
    web_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of /metrics; another is taken when it is not free.")
    ] = 6066,
    console_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the console; another is taken when it is not free.")
    ] = 8080,
    keep: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Keep the simulated files and the logs in this folder."),
    ] = None,
) -> None:
    """Stream two simulated police years through a broker and a worker; alerts appear as they happen.

    At the end a table says which of the hidden incidents were caught, after how long, and how many
    alerts were false. Exit code 1 if a search is unaccounted for or replay disagrees.
    """
    from streams.broker import BrokerError
    from streams.demo.show import demo as show

    signal.signal(signal.SIGTERM, _terminated)
    _forget_settings()
    try:
        good = show(
            seed=seed, seconds=seconds, headless=headless, web_port=web_port, console_port=console_port,
            folder=keep,
        )  # fmt: skip
    except (Stop, BrokerError) as stop:
        errors = Console(stderr=True, highlight=False)
        errors.print(str(stop), style="red", markup=False, soft_wrap=True)
        if keep is None:
            errors.print("The files of this run are gone; with --keep FOLDER they stay, logs among them.")
        raise typer.Exit(FAILURE) from None
    except KeyboardInterrupt as reason:
        Console(stderr=True).print("Stopped; nothing is left running.")
        raise typer.Exit(TERMINATED if isinstance(reason, Terminated) else INTERRUPTED) from None
    if not headless:
        Console(stderr=True).print("Stopped; nothing is left running.")
    raise typer.Exit(0 if good else FAILURE)


def _forget_settings() -> None:
    """Take every setting out of the environment: made-up alerts must not reach the Alertmanager of a real
    deployment, and what logs in there does not log in here."""
    from streams.settings import PREFIX

    set_here = sorted(name for name in os.environ if name.startswith(PREFIX))
    for name in set_here:
        del os.environ[name]
    if set_here:
        said = f"Not used here, the demo has settings of its own: {', '.join(set_here)}."
        Console(stderr=True).print(said, highlight=False, markup=False, soft_wrap=True)


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated
