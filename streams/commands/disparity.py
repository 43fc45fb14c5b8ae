"""`./probewatch disparity`: is one area searched beyond its share?"""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from models.days import LocalDays
from models.decoding import read
from models.search import Search
from models.wording import plural
from streams.exits import FAILURE, Stop
from streams.options import Config, Files, Json
from streams.settings import load_settings
from streams.survey import lines
from streams.whole_file import whole_file

if TYPE_CHECKING:
    from models.area_weeks import AreaWeeks
    from models.disparity import Disparity

console = Console(stderr=True)
COLUMNS = (
    "agency_id", "week", "area", "cases", "expected", "ratio", "shrunk", "low", "high", "warning_low",
    "warning_high", "action_low", "action_high", "e_value", "named",
)  # fmt: skip


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("disparity")(disparity)


def disparity(
    files: Files,
    config: Config = None,
    agency: Annotated[str | None, typer.Option(help="Only this agency_id.")] = None,
    denominators: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="CSV with area,denominator: people, or incidents. Else the past.",
        ),
    ] = None,
    first: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day [52 weeks].")
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day \\[the log's].")
    ] = None,
    tolerance: Annotated[
        float, typer.Option(min=1.0, max=10.0, help="How many times its share an area may have.")
    ] = 1.1,
    out: Annotated[Path | None, typer.Option(help="CSV of all weeks.")] = None,
    as_json: Json = False,
) -> None:
    """Print searches by area beside what was to be expected, week by week in the CSV.

    What is expected is an area's share of the denominators or, without, its share in the weeks before.
    `e` is evidence that may be read every week: by chance alone it ever reaches 20 in one area of 20.
    It is a report, not an alert: more may have happened there than the denominator says.
    """
    if first and last and last < first:
        raise typer.BadParameter("it lies before --from", param_hint="--to")
    # Loads numpy and scipy, which other commands should not wait for.
    from models.detectors import settings_types
    from streams.commands.config import SHIPPED
    from streams.configuration import ConfigurationError, load

    try:
        settings = load_settings(config_dir=config)
        reference = load(settings.config_dir, SHIPPED, settings_types()).reference
        given = _denominators(denominators) if denominators else None
    except (Stop, ConfigurationError, ValueError) as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(FAILURE) from None
    zones = {name: one.timezone for name, one in reference.agencies.items()}
    logs, searches, unreadable = _gather(files, zones, agency)
    if unreadable:
        console.print(
            f"{plural(unreadable, 'line')} left out: no search can be made of it; `replay` says why",
            style="yellow",
            soft_wrap=True,
        )
    reports: dict[str, list[list[Disparity]]] = {}
    refused = []
    for name, log in sorted(logs.items()):
        end = last.date().toordinal() if last else log.last
        begin = first.date().toordinal() if first else (end // 7 - 52) * 7 + 1
        try:
            told = (
                log.against_before(begin, end, tolerance)
                if given is None
                else log.against(given, begin, end, tolerance)
            )
        except ValueError as error:
            refused.append(f"{name}: {error}")
            continue
        if told:
            reports[name] = told
            _show(name, log, told[-1])
    for sentence in refused:
        console.print(sentence, style="yellow", markup=False, soft_wrap=True)
    try:
        if out is not None:
            with whole_file(out) as stream:
                stream.write(_csv(reports).encode())
    except OSError as error:
        console.print(f"cannot write {out}: {error.strerror}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(FAILURE) from None
    if as_json:
        named = {name: [one.area for one in told[-1] if one.named] for name, told in reports.items()}
        print(json.dumps({"agencies": len(reports), "named": named}))
    if not reports:
        why = (
            "no search names its `incident_area`, or see above"
            if searches
            else "the input has no search" + (f" of {agency}" if agency else "")
        )
        console.print(f"there is nothing to report: {why}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(FAILURE)


def _gather(
    files: list[Path], zones: Mapping[str, str], agency: str | None
) -> tuple[dict[str, AreaWeeks], int, int]:
    """The logs by agency, how many searches were read, and how many lines are none."""
    from models.area_weeks import AreaWeeks

    logs: dict[str, AreaWeeks] = {}
    seen: set[tuple[str, str]] = set()
    searches = unreadable = 0
    for file in files:
        for _, line in lines(file):
            search = read(line)
            if not isinstance(search, Search):
                unreadable += 1
                continue
            if agency and search.agency_id != agency:
                continue
            searches += 1
            told = (search.agency_id, search.event_id)
            if told in seen or search.search_type != "manual":
                continue
            seen.add(told)
            zone = zones.get(search.agency_id) or zones.get("*", "UTC")
            day = LocalDays.of(zone).at(search.event_time.timestamp()).day
            case = search.case_number or search.subject_ref or search.event_id
            logs.setdefault(search.agency_id, AreaWeeks()).add(search.incident_area, case, day)
    return {name: log for name, log in logs.items() if log.placed}, searches, unreadable


def _denominators(path: Path) -> dict[str, float]:
    """Read the file. Raises ValueError with file and line."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: is not UTF-8; save the file in that encoding") from error
    numbered = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line and not line.startswith("#")]
    found: dict[str, float] = {}
    for (number, _), cells in zip(numbered, csv.reader(line for _, line in numbered), strict=False):
        if number == numbered[0][0]:
            if [cell.strip() for cell in cells] != ["area", "denominator"]:
                raise ValueError(f"{path}: expected the columns area,denominator, found {','.join(cells)}")
            continue
        try:
            area, denominator = cells[0], float(cells[1])
        except (IndexError, ValueError) as error:
            raise ValueError(f"{path}:{number}: denominator must be a number") from error
        if len(cells) != 2:
            raise ValueError(f"{path}:{number}: {len(cells)} cells where the header has 2 columns")
        if not math.isfinite(denominator):
            raise ValueError(f"{path}:{number}: denominator must be a number, not {cells[1].strip()}")
        if area in found:
            raise ValueError(f"{path}:{number}: {area} is listed twice")
        found[area] = denominator
    if not numbered:
        raise ValueError(f"{path}: expected the columns area,denominator, found nothing")
    return found


def _show(name: str, log: AreaWeeks, told: list[Disparity]) -> None:
    table = Table("area", "cases", "expected", "ratio", "shrunk [95%]", "funnel 95%", "funnel 99.8%", "e")
    for one in sorted(told, key=lambda one: -one.e_value):
        table.add_row(
            one.area, f"{one.cases:,}", f"{one.expected:,.1f}", f"{one.ratio:.2f}",
            f"{one.shrunk:.2f} [{one.interval[0]:.2f}-{one.interval[1]:.2f}]",
            f"{one.warning[0]:.2f}-{one.warning[1]:.2f}", f"{one.action[0]:.2f}-{one.action[1]:.2f}",
            f"{one.e_value:.3g}", style="bold" if one.named else None,
        )  # fmt: skip
    Console(width=None if sys.stdout.isatty() else 120).print(table)
    week = date.fromordinal(told[0].week + 6)
    text = f"{name}, to {week}: {log.elsewhere:,} of {log.elsewhere + log.placed:,} searches name no area. "
    text += "Bold: e is at least 20 and the shrunk ratio above 1."
    console.print(text, markup=False, soft_wrap=True)


def _csv(reports: Mapping[str, list[list[Disparity]]]) -> str:
    text = io.StringIO()
    rows = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    rows.writeheader()
    for name, weeks in reports.items():
        for one in (one for week in weeks for one in week):
            told = asdict(one)
            (told["low"], told["high"]) = told.pop("interval")
            for limit in ("warning", "action"):
                (told[f"{limit}_low"], told[f"{limit}_high"]) = told.pop(limit)
            plain = {
                key: f"{value:.6g}" if isinstance(value, float) else value for key, value in told.items()
            }
            week_text = date.fromordinal(one.week).isoformat()
            rows.writerow({**plain, "agency_id": name, "week": week_text, "named": str(one.named).lower()})
    return text.getvalue()
