"""`./probewatch feedback`: how right each detector was, and what would have spared its false alarms."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from models.decisions import Disposition
from models.wording import plural
from streams.exits import FAILURE, Stop
from streams.options import Config, Json
from streams.paths import spare
from streams.settings import load_settings
from streams.whole_file import whole_file

if TYPE_CHECKING:
    from analysis.feedback import Quality, Sparing
    from models.alert import Alert

console = Console(stderr=True)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("feedback")(feedback)


def feedback(
    alerts: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Alerts, one a line \\[topic alerts].")
    ] = None,
    decisions: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Decisions, one a line \\[topic decisions]."),
    ] = None,
    files: Annotated[
        list[Path] | None,
        typer.Option("--input", exists=True, dir_okay=False, help="Their searches, to try other settings."),
    ] = None,
    config: Config = None,
    first: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day of the alerts (UTC).")
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Day after the last (UTC).")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where patches go, a YAML file.")] = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Show the precision of each detector by what staff decided, with its 95% interval.

    Closed alerts count: confirmed ones are right, explained and false ones wrong, and those for which the
    policy has to change neither. With --input, for each stanza the change of one setting is looked for that
    would have spared most of its false alarms and no confirmed alert; nothing in force is changed.
    """
    if first and last and last <= first:
        raise typer.BadParameter("it must lie after --from", param_hint="--to")
    if out is not None:
        if not files:
            raise typer.BadParameter(
                "patches come of --input, the searches to try settings on", param_hint="--out"
            )
        spare([out], [alerts, decisions, *files])
    # Detectors load their mathematics, which other commands should not wait for.
    from analysis.feedback import quality, sparing, within
    from analysis.labels import dispositions, read_alerts, read_decisions
    from analysis.opening import open_subject
    from analysis.packs import take_in

    since, until = (one and one.replace(tzinfo=UTC) for one in (first, last))
    try:
        told = read_alerts(_lines(alerts, "alerts"), str(alerts or "the topic alerts"))
        decided = read_decisions(_lines(decisions, "decisions"), str(decisions or "the topic decisions"))
        known = dispositions(told, decided)
        period = within((one for one in told if one.status != "withdrawn"), since, until)
        if not any(one.alert_id in known for one in period):
            raise Stop(_nothing(told, period, known))
        found = quality(period, known)
        spared = sparing(take_in(open_subject(config), files), period, known) if files else []
        if out is not None and spared:
            _write(spared, out)
    except Stop as stop:
        console.print(str(stop), style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(FAILURE) from None
    wide = Console(stderr=True, width=None if console.is_terminal else 150)
    wide.print(_table(found))
    for one in spared:
        console.print(_sentence(one), soft_wrap=True, highlight=False, markup=False)
    if files and not spared:
        console.print("No change of one setting spares a false alarm without losing a confirmed alert.")
    if as_json:
        print(json.dumps({"detectors": list(map(_quality, found)), "spared": list(map(_sparing, spared))}))


def _nothing(told: Sequence[Alert], period: Sequence[Alert], known: Mapping[str, Disposition]) -> str:
    """Why there is nothing to learn from."""
    if not told:
        return "there is no alert in what --alerts names"
    if not known:
        return f"of {plural(len(told), 'alert')} none is closed by what --decisions names"
    if not period:
        days = sorted(one.decided_at.date() for one in told)
        return f"no alert was decided in the period; there are some from {days[0]} to {days[-1]}"
    return (
        f"of {plural(len(period), 'alert')} of the period none is closed: there is nothing to learn from yet"
    )


def _lines(file: Path | None, topic: str) -> list[bytes]:
    """The lines of a file, or all that a topic holds."""
    from analysis.backtesting.topic import read_values

    if file is None:
        try:
            return read_values(topic, load_settings())
        except Stop as stop:
            raise Stop(f"without --{topic} FILE the topic {topic} is read: {stop}") from None
    return file.read_bytes().splitlines()


def _table(found: list[Quality]) -> Table:
    heads = ("detector", "alerts", "open", "confirmed", "explained", "false", "policy", "precision", "95%")
    table = Table(*heads)
    for one in found:
        closed = [one.closed.get(name, 0) for name in get_args(Disposition)]
        value = "" if one.precision.value is None else f"{one.precision.value:.2f}"
        interval = f"{one.precision.low:.2f} to {one.precision.high:.2f}" if value else ""
        undecided = f"{one.alerts - sum(closed):,}"
        table.add_row(one.detector, f"{one.alerts:,}", undecided, *map(str, closed), value, interval)
    for column in table.columns:
        column.overflow = "fold"  # a name that is cut off is none
    return table


def _sentence(one: Sparing) -> str:
    now = getattr(one.stanza.settings, one.setting)
    return (
        f"{one.stanza.name}: {one.setting} {now} -> {one.value} would have spared {len(one.spared)} of "
        f"{one.false} false alarms; {one.confirmed} confirmed alerts are told as before, {one.new} are new"
    )


def _write(spared: list[Sparing], out: Path) -> None:
    from analysis.patching import patch_text

    text = "---\n".join(patch_text(one.stanza, {one.setting: one.value}, _sentence(one)) for one in spared)
    try:
        with whole_file(out) as stream:
            stream.write(text.encode())
    except OSError as error:
        raise Stop(f"cannot write {error.filename or out}: {error.strerror}") from error


def _quality(one: Quality) -> dict[str, object]:
    return {"detector": one.detector, "alerts": one.alerts, "closed": one.closed, **one.precision._asdict()}


def _sparing(one: Sparing) -> dict[str, object]:
    return {
        "stanza": one.stanza.name,
        "setting": one.setting,
        "now": msgspec.to_builtins(getattr(one.stanza.settings, one.setting)),
        "value": one.value,
        "spared": [alert.alert_id for alert in one.spared],
        "false": one.false,
        "confirmed": one.confirmed,
        "new": one.new,
    }
