"""`./probewatch tune`: settings of a stanza that tell more at a number of alerts that staff can read."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from streams.exits import FAILURE, Stop
from streams.options import Alerts, Config, Decisions, Json, Labels, in_pairs
from streams.paths import spare
from streams.textfile import Textfile, write_textfile
from streams.whole_file import whole_file

if TYPE_CHECKING:
    from analysis.tuning.evidence import Evidence

console = Console(stderr=True)
#: What --json says of the evidence.
SAID = ("stanza", "better", "patch", "held_out", "incidents")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("tune")(tune)


def tune(
    stanza: Annotated[str, typer.Option(help="Name in detectors.yaml of what is tuned.")],
    budget: Annotated[float, typer.Option(min=0.0001, help="Alerts a day that staff can read of it.")],
    config: Config = None,
    files: Annotated[
        list[Path] | None,
        typer.Option("--input", exists=True, dir_okay=False, help="File of events; repeatable."),
    ] = None,
    labels: Labels = None,
    alerts: Alerts = None,
    decisions: Decisions = None,
    simulations: Annotated[
        list[Path] | None,
        typer.Option("--simulation", exists=True, file_okay=False, help="Folder of `simulate`; repeatable."),
    ] = None,
    vary: Annotated[list[str] | None, typer.Option(help="Only these settings; repeatable.")] = None,
    trials: Annotated[int, typer.Option(min=1, max=10_000, help="Settings to be tried.")] = 40,
    folds: Annotated[int, typer.Option(min=2, max=20, help="Spans of the labelled time.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same settings.")] = 0,
    jobs: Annotated[int | None, typer.Option(min=1, max=256, help="Processes \\[one a processor].")] = None,
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder of the results.")] = Path("tuning"),
    textfile: Textfile = None,
    as_json: Json = False,
) -> None:
    """Search the declared ranges of a stanza's settings for those that tell most of the labels.

    Labels are those of a simulation, dispositions of staff (--alerts with --decisions), or both. The folder
    of --out gets patch.yaml, the evidence (tuning.json, report.html), and candidate/, a configuration with
    the patch for `backtest`. The configuration in force is left as it is.
    """
    if bool(files) == bool(simulations):
        raise typer.BadParameter("give files with --input, or --simulation", param_hint="--input")
    if files and not labels and not decisions:
        raise typer.BadParameter("give --labels, or --alerts with --decisions", param_hint="--labels")
    in_pairs(alerts, decisions)
    results = [out / name for name in ("patch.yaml", "tuning.json", "report.html")]
    spare(results, [labels, alerts, decisions, *(files or [])])
    # Detectors and optuna load their mathematics, which other commands should not wait for.
    from analysis.labels import gathered
    from analysis.opening import open_subject
    from analysis.packs import find_stanza, take_in
    from analysis.tuning.evidence import Evidence, sentence
    from analysis.tuning.evidence import as_json as figures
    from analysis.tuning.ranges import ranges
    from analysis.tuning.search import search
    from analysis.tuning.study import Study

    began = time.monotonic()
    try:
        studies = []
        places: list[Path] | list[None] = simulations or [None]
        for folder in places:
            subject = open_subject(folder or config)
            known = gathered(folder / "labels.jsonl" if folder else labels, alerts, decisions)
            chosen = find_stanza(subject, stanza)
            studies.append(
                Study(take_in(subject, [folder / "events.jsonl"] if folder else files or []), chosen, known)
            )
        varied = ranges(studies[0].stanza.settings, vary or ())
        with Progress(
            TextColumn("trials"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
            console=console, disable=not console.is_terminal, auto_refresh=False,
        ) as progress:  # fmt: skip
            task = progress.add_task("", total=trials + 1)

            def done(number: int) -> None:
                progress.update(task, completed=number)
                progress.refresh()

            found = search(
                studies, varied, budget=budget, number=trials, folds=folds, seed=seed,
                jobs=jobs or os.cpu_count() or 1, progress=done,
            )  # fmt: skip
        first = studies[0]
        patch = {
            name: value
            for name, value in found.chosen.values.items()
            if value != found.trials[0].values[name]
        }
        alpha = found.after.alpha or first.widest
        evidence = Evidence(
            found, first.stanza, budget, folds, seed,
            [str(one) for one in simulations or files or []],
            [one.taken.subject.digest for one in studies], sum(len(one.incidents) for one in studies),
            {**patch, "alpha": float(f"{alpha:.3g}")} if found.better else {},
        )  # fmt: skip
        _write(evidence, out, first.taken.subject.settings.config_dir)
        if textfile is not None:
            took = time.monotonic() - began
            write_textfile(textfile, "tune", took, stanza=(stanza, ""), figures=_measured(evidence))
    except Stop as stop:
        console.print(str(stop), style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(FAILURE) from None
    _report(evidence)
    console.print(sentence(evidence), soft_wrap=True, highlight=False, markup=False)
    console.print(f"The evidence is {out / 'report.html'}", soft_wrap=True, highlight=False, markup=False)
    if as_json:
        told = figures(evidence)
        print(json.dumps({name: told[name] for name in SAID}))


def _write(evidence: Evidence, out: Path, folder: Path) -> None:
    from analysis.patching import patch_text, write_candidate
    from analysis.tuning.evidence import as_json, html, sentence

    text = patch_text(evidence.stanza, evidence.patch, sentence(evidence)) if evidence.patch else ""
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not text:
            (out / "patch.yaml").unlink(missing_ok=True)  # of a run before
        for name, content in (
            *([("patch.yaml", text.encode())] if text else []),
            ("tuning.json", msgspec.json.format(msgspec.json.encode(as_json(evidence))) + b"\n"),
            ("report.html", html(evidence, text).encode()),
        ):
            with whole_file(out / name) as stream:
                stream.write(content)
        if evidence.patch:
            write_candidate(folder, evidence.stanza, evidence.patch, out / "candidate")
    except OSError as error:
        raise Stop(f"cannot write {error.filename or out}: {error.strerror}") from error


def _measured(evidence: Evidence) -> dict[str, float]:
    """What the search found on the days that chose nothing, for --textfile."""
    found = evidence.found
    sides = {"as_it_is": found.before.at, "tuned": found.after.at}
    return {
        "trials": len(found.trials) - 1,
        "incidents": evidence.incidents,
        "better": found.better,
        **{f"told_{side}": tally.told for side, tally in sides.items()},
        **{f"false_alerts_a_day_{side}": tally.false_a_day for side, tally in sides.items()},
    }


def _report(evidence: Evidence) -> None:
    """The trade-off curve."""
    table = Table("", "budget, alerts a day", "told", "incidents", "alerts a day", "false a day")
    for name, curve in (("as it is", evidence.found.before), ("tuned", evidence.found.after)):
        for budget, tally in curve.points:
            table.add_row(name, f"{budget:.3g}", f"{tally.told}", f"{tally.incidents}",
                          f"{tally.alerts_a_day:.3g}", f"{tally.false_a_day:.3g}")  # fmt: skip
    console.print(table)
    for name, value in evidence.patch.items():
        now = getattr(evidence.stanza.settings, name)
        console.print(f"{name}: {now} -> {value}", highlight=False, markup=False)
