"""`./probewatch COMMAND`: every file in `streams/commands/` adds its command."""

from __future__ import annotations

import importlib
import pkgutil

import typer

from streams import commands

app = typer.Typer(
    name="probewatch",
    help="Watches the audit log of police face searches and flags misuse.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for _module in sorted(pkgutil.iter_modules(commands.__path__), key=lambda entry: entry.name):
    importlib.import_module(f"{commands.__name__}.{_module.name}").register(app)

if __name__ == "__main__":
    app(prog_name="./probewatch")
