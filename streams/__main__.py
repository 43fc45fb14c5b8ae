"""`./probewatch COMMAND`: every file and folder in `streams/commands/` adds its command.

Each is imported when its command is asked for: all of them together take two seconds.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from streams import commands


class Commands(TyperGroup):
    """The commands by name, each imported when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """All names, sorted: those of the files, with dashes."""
        modules = (entry.name for entry in pkgutil.iter_modules(commands.__path__))
        return sorted(name.rstrip("_").replace("_", "-") for name in modules)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name, or None."""
        if cmd_name not in self.commands and cmd_name in self.list_commands(ctx):
            # `import` is a word of Python's, so its file has another name.
            module = "import_" if cmd_name == "import" else cmd_name.replace("-", "_")
            one = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
            # A callback keeps Typer from making the only command the whole program.
            one.callback()(lambda: None)
            importlib.import_module(f"{commands.__name__}.{module}").register(one)
            self.commands[cmd_name] = typer.main.get_group(one).commands[cmd_name]
        return self.commands.get(cmd_name)


app = typer.Typer(
    cls=Commands,
    name="probewatch",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def show_version(wanted: bool) -> None:
    """Print the version if it is wanted, and end."""
    if wanted:
        from streams import VERSION

        print(f"probewatch {VERSION}")
        raise typer.Exit


@app.callback()
def probewatch(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and end.", is_eager=True, callback=show_version),
    ] = False,
) -> None:
    """Watches the audit log of police face searches and flags misuse."""


if __name__ == "__main__":
    app(prog_name="./probewatch")
