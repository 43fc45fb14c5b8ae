"""Searches week by week against what was usual before."""

from __future__ import annotations

from collections.abc import Sequence

from console.reading.history import LEAST, PAST, Week
from console.web.pictures.base import (
    WIDTH,
    Picture,
    Scale,
    area,
    diamond,
    line,
    numbers,
    rect,
    steps,
    text,
    upright,
)
from models.wording import day_text, figure, plural

LEFT, RIGHT, TOP, BOTTOM = 52.0, 708.0, 22.0, 190.0
#: Room that a date below the axis takes.
DATE = 80.0


def history_picture(weeks: Sequence[Week], *, of: str) -> Picture:
    """Bars of searches a week over the range that was usual before; diamonds where alerts were told.

    `of` names whose searches they are.
    """
    shown = weeks[-105:]
    most = max([1.0, *(week.searches for week in shown), *(week.high or 0.0 for week in shown)])
    up = Scale(0, most * 1.05, BOTTOM, TOP)
    across = Scale(0, max(len(shown), 1), LEFT, RIGHT)
    wide = (RIGHT - LEFT) / max(len(shown), 1)
    parts = list(upright(up, LEFT, RIGHT, [mark for mark in steps(0, most, 5) if mark == int(mark)], figure))
    known = [(place, week) for place, week in enumerate(shown) if week.high is not None]
    if known:
        upper = [(across(place + 0.5), up(week.high or 0)) for place, week in known]
        lower = [(across(place + 0.5), up(week.low or 0)) for place, week in known]
        parts.append(area(upper, lower, "band"))
    for place, week in enumerate(shown):
        told = f"week of {day_text(week.begin.toordinal())}: {plural(week.searches, 'search')}"
        top = up(week.searches)
        parts.append(rect(across(place) + wide * 0.15, top, wide * 0.7, BOTTOM - top, "first", told))
        if week.alerts:
            parts.append(
                diamond(across(place + 0.5), 10, 6, "sign", f"{plural(week.alerts, 'alert')}, {told}")
            )
    if known:
        middle = [(across(place + 0.5), up(week.usual or 0)) for place, week in known]
        parts.append(line(middle, "line third"))
    parts.append(line([(LEFT, BOTTOM), (RIGHT, BOTTOM)], "axis"))
    step = max(1, -(-len(shown) // 8))
    for place in range(0, len(shown), step):
        if across(place) + DATE <= WIDTH:  # the last one may not be there whole
            parts.append(text(across(place), BOTTOM + 18, f"{shown[place].begin:%-d %b %Y}", "faint"))
    alerts = sum(week.alerts for week in shown)
    cut = "the last " if len(shown) < len(weeks) else ""
    return Picture(
        title=f"Searches of {of}, week by week",
        description=(
            f"{plural(sum(week.searches for week in shown), 'search')} in {cut}{plural(len(shown), 'week')}, "
            f"most in one week {max((week.searches for week in shown), default=0)}. {_usual(bool(known))} "
            f"Diamonds mark weeks with alerts, {plural(alerts, 'alert')} in all."
        ),
        height=BOTTOM + 28,
        parts=parts,
        table=numbers(
            "history",
            "The weeks of the picture",
            ("Week from", "day"),
            ("Searches", "number"),
            ("Usual (median)", "number"),
            ("Usual at least", "number"),
            ("Usual at most", "number"),
            ("Alerts", "number"),
        ),
        rows=[(w.begin, w.searches, w.usual, w.low, w.high, w.alerts) for w in shown],
    )


def _usual(known: bool) -> str:
    if not known:
        return f"Fewer than {LEAST} weeks before are known, so nothing is shown to compare with."
    return f"The shaded range holds nine tenths of the {PAST} weeks before, the line is their median."
