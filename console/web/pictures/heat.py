"""A calendar in which each day is shaded by its searches, with alerts and demonstrations marked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

from console.reading.calendar import HeatDay
from console.web.pictures.base import Picture, diamond, dot, numbers, rect, text
from models.wording import day_text, plural

LEFT, TOP, CELL = 40.0, 26.0, 12.6
SHADES = 5
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def heat_picture(first: date, last: date, days: Mapping[date, HeatDay]) -> Picture:
    """The days from `first` to `last`, at most 53 weeks: weeks across, weekdays down."""
    monday = first - timedelta(days=first.weekday())
    span = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    counts = sorted(one.searches for day in span if (one := days.get(day)) and one.searches)
    bounds = [counts[len(counts) * part // (SHADES - 1)] for part in range(1, SHADES - 1)] if counts else []
    parts = [
        text(LEFT - 5, TOP + CELL * (row + 0.8), name, "faint end")
        for row, name in enumerate(WEEKDAYS)
        if row % 2 == 0
    ]
    rows = []
    marks = []
    for day in span:
        one = days.get(day, HeatDay())
        x, y = LEFT + (day - monday).days // 7 * CELL, TOP + day.weekday() * CELL
        told = ", ".join(
            filter(
                None,
                (
                    day_text(day.toordinal()),
                    plural(one.searches, "search"),
                    plural(one.alerts, "alert") if one.alerts else "",
                    plural(one.demonstrations, "demonstration") if one.demonstrations else "",
                ),
            )
        )
        shade = 0 if not one.searches else 1 + sum(one.searches >= bound for bound in bounds)
        parts.append(rect(x, y, CELL - 1.2, CELL - 1.2, f"heat-{min(shade, SHADES - 1)}", told))
        middle = CELL / 2 - 0.6
        if one.demonstrations:
            marks.append(diamond(x + middle, y + middle, 2.5 + 2.5 * one.weight, "outline third", told))
        if one.alerts:
            marks.append(dot(x + middle, y + middle, 2.6, "second", told))
        if day.day == 1:
            parts.append(text(x, TOP - 8, f"{day:%b}" if day.month > 1 else f"{day:%Y}", "faint"))
        if one != HeatDay():
            rows.append((day, one.searches, one.alerts, one.demonstrations, round(one.weight, 2)))
    foot = TOP + 7 * CELL + 22
    parts += marks
    at = LEFT
    parts.append(text(at, foot, "fewer searches", "faint"))
    at += 92
    for shade in range(SHADES):
        parts.append(rect(at + shade * CELL, foot - 10, CELL - 1.2, CELL - 1.2, f"heat-{shade}"))
    at += SHADES * CELL + 6
    parts += [text(at, foot, "more", "faint"), dot(at + 60, foot - 4, 3, "second")]
    parts += [text(at + 70, foot, "alert", "faint"), diamond(at + 124, foot - 4, 5, "outline third")]
    parts.append(text(at + 136, foot, "demonstration, larger where it weighed more", "faint"))
    held = sum(days[day].demonstrations > 0 for day in span if day in days)
    alerts = sum(days[day].alerts for day in span if day in days)
    return Picture(
        title="Searches, alerts and demonstrations, day by day",
        description=(
            f"{day_text(first.toordinal())} to {day_text(last.toordinal())}: "
            f"{plural(sum(counts), 'search')}, {plural(alerts, 'alert')}, demonstrations on "
            f"{plural(held, 'day')}. Weeks go across and weekdays down; a stronger square is a day with more "
            f"searches, a dot a day with an alert, a diamond a day with a demonstration."
        ),
        height=foot + 12,
        parts=parts,
        table=numbers(
            "heat",
            "The days of the picture",
            ("Day", "day"),
            ("Searches", "number"),
            ("Alerts", "number"),
            ("Demonstrations", "number"),
            ("Their weight, 0 to 1", "number"),
        ),
        rows=rows,
    )
