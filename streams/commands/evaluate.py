"""`./probewatch evaluate`: compare alerts with the labels of a simulation."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from bench.dispositions import dispositions
from bench.evaluation import Evaluation
from bench.evaluation import evaluate as compare
from bench.fairness import fairness
from bench.labels import Label, read_labels
from bench.officer_days import officer_days
from bench.scorecard import render, render_fairness, summary
from models.alert import Alert, decode_alert
from models.decisions import Decision, encode_decision
from models.pseudonym import Pseudonyms
from streams.options import Json
from streams.paths import spare
from streams.whole_file import whole_file

console = Console(stderr=True, width=None if sys.stderr.isatty() else 150)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("evaluate")(evaluate)


def evaluate(
    alerts: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="alerts.jsonl; an alert's last record counts.")
    ],
    labels: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="labels.jsonl of a simulation.")],
    roster: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="roster.csv, for rates by officer.")
    ] = None,
    decoys: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="decoys.jsonl: traps that must stay quiet."),
    ] = None,
    first: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day (UTC).")
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Day after the last (UTC).")
    ] = None,
    pseudonym_key: Annotated[
        str, typer.Option(envvar="PROBEWATCH_PSEUDONYM_KEY", help="Key that the alerts were written under.")
    ] = "",
    config: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Configuration, to compare with its budget."),
    ] = None,
    decisions: Annotated[
        Path | None,
        typer.Option(help="Write what staff who knew the labels would decide, for `feedback` and `tune`."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show which incidents were caught, by what and how soon, and every false alert.

    Without --from and --to, rates are taken over the time from the first to the last label or alert.
    """
    if first and last and last < first:
        raise typer.BadParameter("it lies before --from", param_hint="--to")
    if decisions is not None:
        spare([decisions], [alerts, labels, roster, decoys], "--decisions")
    since, until = (one and one.replace(tzinfo=UTC) for one in (first, last))
    try:
        known = read_labels(labels)
        traps = read_labels(decoys) if decoys else []
        records = list(_read_alerts(alerts))
        rename = Pseudonyms(pseudonym_key.encode()) if pseudonym_key else None
        begin, end = _span(records, [*known, *traps], since, until)
        days = officer_days(roster, begin.date(), end.date()) if roster and end > begin else None
    except (ValueError, msgspec.DecodeError) as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from error
    evaluation = compare(
        records, known, decoys=traps, first=since, last=until, officer_days=days, rename=rename
    )
    console.print(render(evaluation))
    if decisions is not None:
        _decide(dispositions(records, evaluation, since, until), decisions)
    hit = (
        fairness(roster, evaluation.false_alerts, begin.date(), end.date(), rename) if roster and days else {}
    )
    if any(one.ratio is not None for one in hit.values()):
        console.print(render_fairness(hit))
    kept = _promise(evaluation, records, config, (end - begin).days) if config is not None else {}
    if as_json:
        ratios = {"false_alert_ratio": {kind: one.ratio for kind, one in hit.items()}} if hit else {}
        print(json.dumps({**summary(evaluation), **ratios, **kept}))


def _decide(decided: Iterable[Decision], out: Path) -> None:
    lines = b"".join(encode_decision(one) + b"\n" for one in decided)
    try:
        with whole_file(out) as stream:
            stream.write(lines)
    except OSError as error:
        console.print(f"cannot write {out}: {error.strerror}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from error


def _promise(
    evaluation: Evaluation, records: Sequence[Alert], folder: Path, days: int
) -> dict[str, float | None]:
    """Say whether the false alerts keep to the budget; the same figures for a program.

    Sources have no budget, nor has what carries no p-value. Exits with 1 for a configuration with errors.
    """
    from models.detectors import settings_types
    from streams.commands.config import SHIPPED
    from streams.configuration import ConfigurationError, load

    try:
        budget = load(folder, SHIPPED, settings_types()).budget
    except ConfigurationError as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from error
    agencies = len({alert.agency_id for alert in records if alert.agency_id is not None})
    false = sum(one.entity_kind != "source" and one.p_value is not None for one in evaluation.false_alerts)
    realised = false / (days * agencies) if days and agencies else None
    if budget is None or realised is None:
        return {}
    console.print(
        f"{realised:.2g} false alerts a day and agency under the budget, which promises at most "
        f"{budget.promised:.2g} where nobody misuses anything",
        soft_wrap=True,
        highlight=False,
    )
    return {"false_alerts_per_day_under_budget": realised, "budget_promised": budget.promised}


def _read_alerts(path: Path) -> Iterator[Alert]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                try:
                    yield decode_alert(line)
                except msgspec.DecodeError as error:
                    raise msgspec.ValidationError(f"{path.name}:{number}: {error}") from error


def _span(
    alerts: Iterable[Alert], labels: Iterable[Label], first: datetime | None, last: datetime | None
) -> tuple[datetime, datetime]:
    """From the first to the last moment anything is known of, unless the user says otherwise."""
    moments = [moment for label in labels for moment in (label.start, label.end)]
    moments += [alert.window_end for alert in alerts]
    if not moments:
        moments = [datetime(1970, 1, 1, tzinfo=UTC)]
    return first or min(moments), last or max(moments)
