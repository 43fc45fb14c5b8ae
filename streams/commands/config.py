"""`./probewatch config check`: is the configuration fit for use?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from streams import exits
from streams.configuration import Configuration, ConfigurationError, Problem, load
from streams.configuration.examples import failures
from streams.configuration.problems import Mark
from streams.settings import misspelled_variables, unknown_variables

SHIPPED = Path(__file__).resolve().parents[2] / "config"


def register(app: typer.Typer) -> None:
    """Add the command."""
    group = typer.Typer(help="Check the configuration.", no_args_is_help=True)
    app.add_typer(group, name="config")

    @group.callback()
    def config() -> None:
        """Keep `check` a command of its own."""

    @group.command("check")
    def check(
        folder: Annotated[Path | None, typer.Argument(metavar="[DIR]", help="Folder to check.")] = None,
        option: Annotated[
            Path | None, typer.Option("--config", help="The same, as other commands name it.")
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="Last line is one JSON object.")] = False,
    ) -> None:
        """Check a configuration folder and run the examples of its policy clauses; exit 1 on problems.

        The names of the variables in the environment are checked too.
        """
        if folder is not None and option is not None and folder != option:
            raise typer.BadParameter("give the folder once, as DIR or with --config")
        directory = folder or option or SHIPPED
        if not directory.is_dir():
            raise typer.BadParameter(f"{directory} is not a folder")
        # Loads every detector with its mathematics, which other commands should not wait for.
        from models.detectors import settings_types

        named = (*unknown_variables(), *misspelled_variables())
        variables = tuple(Problem(Mark("environment"), "", sentence) for sentence in named)
        try:
            configuration = load(directory, SHIPPED, settings_types())
        except ConfigurationError as error:
            _show_problems((*variables, *error.problems), as_json)
            raise typer.Exit(exits.FAILURE) from None
        if variables:
            _show_problems(variables, as_json)
            raise typer.Exit(exits.FAILURE)
        failed = sorted(failures(configuration))
        console = Console()
        console.print(_summary(configuration))
        for sentence in failed:
            console.print(sentence, style="red", highlight=False, soft_wrap=True, markup=False)
        if as_json:
            answer = {"ok": not failed, "digest": configuration.digest, "problems": failed}
            print(json.dumps(answer | _figures(configuration)))
        if failed:
            raise typer.Exit(exits.FAILURE)


def _figures(configuration: Configuration) -> dict[str, int]:
    reference = configuration.reference
    packs = reference.policy.packs.values()
    return {
        "agencies": len(reference.agencies),
        "sources": len(reference.sources),
        "policy packs": len(packs),
        "policy clauses": sum(len(pack.clauses) for pack in packs),
        "tools": len(reference.tools.tools),
        "people on the roster": len(reference.roster),
        "calendar events": len(reference.calendar.events),
        "detectors": sum(stanza.enabled for stanza in configuration.detectors),
    }


def _summary(configuration: Configuration) -> Table:
    table = Table("part", "number", title=f"configuration {configuration.digest}")
    table.columns[1].justify = "right"
    for part, number in _figures(configuration).items():
        table.add_row(part, f"{number:,}")
    return table


def _show_problems(problems: tuple[Problem, ...], as_json: bool) -> None:
    console = Console(stderr=True)
    for problem in problems:
        console.print(str(problem), highlight=False, soft_wrap=True, markup=False)
    noun = "problem" if len(problems) == 1 else "problems"
    console.print(f"{len(problems)} {noun}", style="red")
    if as_json:
        found = [
            {**problem.mark._asdict(), "path": problem.path, "message": problem.message}
            for problem in problems
        ]
        print(json.dumps({"ok": False, "problems": found}))
