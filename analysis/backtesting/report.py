"""A back-test as a page, as a table for a terminal, and as figures for a program."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from rich.table import Table

from analysis.backtesting.session import Result
from analysis.reporting.page import Section, Sheet, page
from analysis.reporting.pictures import weeks_picture
from models.alert import Alert
from models.analysis.comparison import Comparison, Pair, compare
from models.analysis.weekly import week_of, weeks_between
from models.wording import plural

#: Examples of each kind of difference on the page, and refused lines.
EXAMPLES, LINES = 12, 20
COUNTS = ("accepted", "refused", "late", "duplicate")


@dataclass(frozen=True)
class Told:
    """A result with the names of its configurations, and how the second differs from the first."""

    result: Result
    names: tuple[str, ...]
    comparison: Comparison | None
    models_refused: tuple[str, ...] = ()
    """Why models that should judge do not."""

    @classmethod
    def of(cls, result: Result, names: tuple[str, ...], models_refused: Iterable[str] = ()) -> Told:
        """Compare where there are two."""
        outcomes = result.outcomes
        found = compare(outcomes[0].alerts, outcomes[1].alerts) if len(outcomes) == 2 else None
        return cls(result, names, found, tuple(models_refused))

    @property
    def counts(self) -> dict[str, int]:
        """What became of the lines."""
        return {name: self.result.outcomes[0].count(name) for name in COUNTS}

    @property
    def after_close(self) -> int:
        """How many of the accepted came after their agency's day had closed, and were not counted."""
        return self.result.outcomes[0].count("after_close")


def summary(told: Told) -> dict[str, Any]:
    """One object for a program."""
    found = told.comparison
    change = {
        name: len(getattr(found, name)) for name in ("new", "gone", "moved", "changed", "same")
    } if found else {}  # fmt: skip
    return {
        "lines": told.result.lines,
        **told.counts,
        "after_close": told.after_close,
        "agencies": len(told.result.agencies),
        "configurations": [
            {
                "name": name,
                "config_digest": one.subject.digest,
                "alerts": len(one.alerts),
                "by_detector": dict(sorted(Counter(alert.detector for alert in one.alerts).items())),
            }
            for name, one in zip(told.names, told.result.outcomes, strict=True)
        ],
        **({"models_refused": told.models_refused} if told.models_refused else {}),
        **({"difference": change} if found else {}),
    }


def terminal(told: Told) -> Table:
    """Alerts and alerts a week by detector, for each configuration."""
    sheet = _by(told, "detector", lambda one: one.detector)
    table = Table(*sheet.heads)
    for row in sheet.rows:
        table.add_row(*(f"{cell:,.3g}" if isinstance(cell, float) else f"{cell}" for cell in row))
    return table


def html(told: Told) -> str:
    """The page."""
    counts = told.counts
    lead = [
        f"{told.result.lines:,} lines of {plural(len(told.result.agencies), 'agency')}: "
        + ", ".join(f"{number:,} {name}" for name, number in counts.items())
        + "."
    ]
    if told.after_close:
        lead.append(
            f"{told.after_close:,} of the accepted came after their agency's day had closed and were not "
            "counted."
        )
    lead += [
        f"{name} (configuration {one.subject.digest}): {plural(len(one.alerts), 'alert')}."
        for name, one in zip(told.names, told.result.outcomes, strict=True)
    ]
    lead += [f"A model does not judge here: {why}." for why in told.models_refused]
    sections = [Section(title="Alerts a week", pictures=_pictures(told),
                        sheets=[_by(told, "detector", lambda one: one.detector),
                                _by(told, "unit", lambda one: one.unit_id or "without a unit")])]  # fmt: skip
    if told.comparison is not None:
        sections += _difference(told, told.comparison)
    else:
        sections.append(
            Section(
                title="Alerts", sheets=[_examples("The strongest", _spread(told.result.outcomes[0].alerts))]
            )
        )
    if told.result.refused:
        rows = [
            (one.place.file, one.place.line, one.field, one.detail) for one in told.result.refused[:LINES]
        ]
        sections.append(
            Section(
                title="Lines that are no searches",
                words=[f"{counts['refused']:,} lines were refused. The first of them:"],
                sheets=[
                    Sheet("Refused lines", ("File", "Line", "Field", "What is wrong, and what to do"), rows)
                ],
            )
        )
    title = "Back-test" if told.comparison is None else f"Back-test: {told.names[1]} against {told.names[0]}"
    return page(title, lead, sections)


def _weeks(told: Told) -> list[date]:
    """The weeks of the logs, quiet ones too, and those of all alerts."""
    span = told.result.span or ()
    every = [week_of(datetime.fromtimestamp(at, UTC)) for at in span]
    every += [week_of(alert.decided_at) for one in told.result.outcomes for alert in one.alerts]
    return weeks_between(min(every), max(every)) if every else []


def _pictures(told: Told) -> list[Any]:
    alerts = [[week_of(alert.decided_at) for alert in one.alerts] for one in told.result.outcomes]
    if not any(alerts):
        return []
    weeks = _weeks(told)
    counted = [Counter(own) for own in alerts]
    return [weeks_picture(weeks, {name: [own[week] for week in weeks]
                                  for name, own in zip(told.names, counted, strict=True)})]  # fmt: skip


def _by(told: Told, what: str, key: Callable[[Alert], str]) -> Sheet:
    """Alerts, alerts a week and the most in one week, by something."""
    weeks = len(_weeks(told))
    heads = [what.capitalize()]
    columns: list[tuple[Counter[str], Counter[tuple[str, Any]]]] = []
    for name, one in zip(told.names, told.result.outcomes, strict=True):
        heads += [f"{name}: alerts", "A week", "Most in a week"]
        columns.append((
            Counter(key(alert) for alert in one.alerts),
            Counter((key(alert), week_of(alert.decided_at)) for alert in one.alerts),
        ))  # fmt: skip
    rows = []
    for value in sorted({value for whole, _ in columns for value in whole}):
        row: list[str | int | float] = [value]
        for whole, weekly in columns:
            most = max((number for (of, _), number in weekly.items() if of == value), default=0)
            row += [whole[value], whole[value] / weeks, most]
        rows.append(row)
    return Sheet(f"Alerts by {what}, over {plural(weeks, 'week')}", heads, rows)


def _difference(told: Told, found: Comparison) -> Iterable[Section]:
    first, second = told.names
    rows = [
        ("new", len(found.new), f"only {second} tells them"),
        ("gone", len(found.gone), f"only {first} tells them"),
        (
            "moved",
            len(found.moved),
            "same detector and entity, windows overlap, told from another day on",
        ),
        ("changed", len(found.changed), "the same alert, but another severity, window, count or sentence"),
        ("same", len(found.same), "alike"),
    ]
    yield Section(
        title="The difference",
        sheets=[Sheet("Alerts in both", ("Change", "Alerts", "What that means"), rows)],
    )
    for title, alerts in (("New", found.new), ("Gone", found.gone)):
        if alerts:
            yield Section(title=title, sheets=[_by_detector(alerts), _examples("Examples", _spread(alerts))])
    for title, pairs in (("Moved", found.moved), ("Changed", found.changed)):
        if pairs:
            yield Section(title=title, sheets=[_pairs(told, pairs)])


def _by_detector(alerts: Sequence[Alert]) -> Sheet:
    return Sheet("By detector", ("Detector", "Alerts"), Counter(one.detector for one in alerts).most_common())


def _examples(caption: str, alerts: Iterable[Alert]) -> Sheet:
    rows = [
        (
            one.decided_at,
            one.detector,
            one.severity,
            one.agency_id,
            f"{one.entity_kind} {one.entity}",
            one.explanation,
        )
        for one in alerts
    ]
    return Sheet(caption, ("Decided", "Detector", "Severity", "Agency", "About", "Sentence"), rows)


def _pairs(told: Told, pairs: Sequence[Pair]) -> Sheet:
    shown = [(pair.after, pair) for pair in pairs]
    chosen = {one.alert_id for one in _spread([after for after, _ in shown])}
    rows = [
        (after.detector, _about(after), _said(pair.before), _said(after))
        for after, pair in shown
        if after.alert_id in chosen
    ]
    return Sheet("Examples", ("Detector", "About", *told.names), rows)


def _about(alert: Alert) -> str:
    return f"{alert.entity_kind} {alert.entity}"


def _said(alert: Alert) -> str:
    return (
        f"{alert.window_start:%Y-%m-%d} to {alert.window_end:%Y-%m-%d}, {alert.severity}: {alert.explanation}"
    )


def _spread(alerts: Sequence[Alert]) -> list[Alert]:
    """Some of them: of each detector the strongest, in turn."""
    by_detector: dict[str, list[Alert]] = {}
    for one in sorted(alerts, key=lambda one: (-one.score, one.alert_id)):
        by_detector.setdefault(one.detector, []).append(one)
    turns = [
        own[place] for place in range(EXAMPLES) for _, own in sorted(by_detector.items()) if place < len(own)
    ]
    return sorted(turns[:EXAMPLES], key=lambda one: (one.decided_at, one.alert_id))
