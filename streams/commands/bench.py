"""`./probewatch bench NAME`: speed, measured as ratios in one run on one machine.

Each file in `bench/speed/` is a benchmark and is loaded when it is asked for.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from streams.exits import FAILURE, Stop
from streams.options import Json

if TYPE_CHECKING:
    from bench.figures import Report

console = Console(stderr=True)

AsMarkdown = Annotated[bool, typer.Option("--markdown", help="Print the table for a page of the docs.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    bench = typer.Typer(cls=Benchmarks, help="Measure speed, as ratios in one run.", no_args_is_help=True)
    bench.callback()(lambda: None)
    bench.command("all")(everything)
    app.add_typer(bench, name="bench")


class Benchmarks(TyperGroup):
    """The commands of `bench`, each loaded when it is asked for: they bring heavy libraries."""

    def list_commands(self, ctx: Any) -> list[str]:
        """All benchmarks, and `all` of them."""
        from bench import speed

        return [*speed.names(), "all"]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A benchmark as a command, with its parameters as options."""
        from bench import speed

        if cmd_name not in speed.names():
            return super().get_command(ctx, cmd_name)
        # A second command, `all`, keeps Typer from making the only one the whole program.
        one = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        one.command(cmd_name)(command(speed.load(cmd_name)))
        return typer.main.get_command(one)


def command(bench: Callable[..., Report]) -> Callable[..., None]:
    """The benchmark with `--json` and `--markdown`, its report printed."""

    @wraps(bench)
    def run(as_json: bool, as_markdown: bool, **options: Any) -> None:
        from bench.figures import markdown

        try:
            report = bench(**options)
        except Stop as stop:
            console.print(str(stop), style="red", markup=False, soft_wrap=True)
            raise typer.Exit(FAILURE) from None
        _show(report)
        if as_markdown:
            print(markdown([report]))
        if as_json:
            print(json.dumps(report.json()))

    signature = inspect.signature(bench, eval_str=True)
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=annotation)
        for name, annotation in (("as_json", Json), ("as_markdown", AsMarkdown))
    ]
    parameters = [*signature.parameters.values(), *added]
    run.__signature__ = signature.replace(parameters=parameters, return_annotation=None)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run


def everything(as_json: Json = False, as_markdown: AsMarkdown = False) -> None:
    """Every benchmark with its defaults; those that cannot be measured are named."""
    from bench import speed
    from bench.figures import markdown

    reports, failed = [], []
    for name in speed.names():
        print(f"bench {name} ...", file=sys.stderr, flush=True)
        try:
            reports.append(speed.load(name)())
        except Stop as stop:
            failed.append(name)
            console.print(f"{name}: {stop}", style="red", markup=False, soft_wrap=True)
        else:
            _show(reports[-1])
    if as_markdown:
        print(markdown(reports))
    if as_json:
        print(json.dumps({"benchmarks": [report.json() for report in reports], "failed": failed}))
    if failed:
        raise typer.Exit(FAILURE)


def _show(report: Report) -> None:
    console.print(report.table())
    for note in report.notes:
        console.print(note, style="yellow", markup=False, soft_wrap=True)
