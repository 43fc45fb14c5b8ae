"""An evaluation as people read it, the table that closes the demo, and as programs do."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from bench.evaluation import Evaluation
from bench.fairness import Fairness


def render(evaluation: Evaluation) -> Group:
    """Incidents with what told them and how soon, then what was false."""
    table = Table("incident", "scenario", "level", "caught", "told by", "after", "alerts", title="Incidents")
    for one in evaluation.told:
        table.add_row(
            Text(one.label.title),
            one.label.scenario,
            str(one.label.level),
            Text("yes", style="green") if one.caught else Text("no", style="red"),
            ", ".join(one.detectors),
            "" if one.delay is None else in_words(one.delay),
            str(len(one.alerts)),
        )
    for column in table.columns:
        column.overflow = "fold"  # a name that is cut off is none
    false = len(evaluation.false_alerts)
    lines = [f"{evaluation.caught} of {len(evaluation.told)} incidents caught"]
    lines.append(f"{false} false alerts{_rate(evaluation, false)}")
    lines += [
        f"  {detector}: {count}{_rate(evaluation, count)}"
        for detector, count in evaluation.false_by_detector.items()
    ]
    lines.append(f"{len(evaluation.false_policy)} false policy alerts")
    lines.append(f"{len(evaluation.decoys)} of {evaluation.decoys_laid} decoys alarmed")
    lines += [f"  {label.title} ({', '.join(by)})" for label, by in evaluation.decoys]
    return Group(table, Text("\n".join(lines)))


def summary(evaluation: Evaluation) -> dict[str, Any]:
    """The evaluation as one JSON object; delays in hours of event time."""
    false = len(evaluation.false_alerts)
    return {
        "incidents": len(evaluation.told),
        "caught": evaluation.caught,
        "alerts": evaluation.alerts,
        "false_alerts": false,
        "false_alerts_per_day_per_1000_officers": evaluation.per_day_per_1000(false),
        "false_alerts_by_detector": evaluation.false_by_detector,
        "false_policy_alerts": len(evaluation.false_policy),
        "decoys": evaluation.decoys_laid,
        "decoys_alarmed": [label.incident for label, _ in evaluation.decoys],
        "told": [
            {
                "incident": one.label.incident,
                "scenario": one.label.scenario,
                "level": one.label.level,
                "caught": one.caught,
                "detectors": list(one.detectors),
                "delay_hours": None if one.delay is None else round(one.delay.total_seconds() / 3600, 2),
                "alerts": len(one.alerts),
            }
            for one in evaluation.told
        ],
    }


def render_fairness(found: Mapping[str, Fairness]) -> Table:
    """By unit, shift and tenure: whom false alerts hit most."""
    table = Table(
        "by", "hit most", "its false alerts", "days served", "rate / all", title="Whom false alerts hit"
    )
    for kind, one in found.items():
        if one.ratio is not None:
            worst = one.groups[one.worst]
            table.add_row(kind, one.worst, str(worst.alerts), f"{worst.days:,}", f"{one.ratio:.2f}")
    return table


def in_words(delay: timedelta) -> str:
    """A delay as a person says it.

    >>> in_words(timedelta(seconds=40)), in_words(timedelta(hours=5)), in_words(timedelta(days=3))
    ('40 s', '5 h', '3.0 days')
    """
    seconds = delay.total_seconds()
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} days"


def _rate(evaluation: Evaluation, count: int) -> str:
    rate = evaluation.per_day_per_1000(count)
    return "" if rate is None else f" ({rate:.3f} a day per 1,000 officers)"
