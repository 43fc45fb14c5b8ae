"""The pictures of reports, drawn with the console's pencils."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

from markupsafe import Markup

from console.web.pictures.base import Picture, Scale, dot, line, numbers, steps, text, upright
from models.wording import figure, plural

LEFT, RIGHT, TOP, BOTTOM = 52.0, 708.0, 30.0, 210.0
#: Told apart by colour and by dash: a second line lies over the first where they agree.
LOOKS = ("line first", "line second dashed", "line third", "axis")


class Point(NamedTuple):
    """One point of a curve."""

    x: float
    y: float


def weeks_picture(weeks: Sequence[date], lines: Mapping[str, Sequence[int]]) -> Picture:
    """Alerts week by week, a line for each configuration."""
    most = max([1, *(number for line in lines.values() for number in line)])
    up, across = Scale(0, most * 1.05, BOTTOM, TOP), Scale(0, max(len(weeks) - 1, 1), LEFT, RIGHT)
    parts = list(upright(up, LEFT, RIGHT, [one for one in steps(0, most, 5) if one == int(one)], figure))
    for (_, counts), look in zip(lines.items(), LOOKS, strict=False):
        parts.append(line([(across(place), up(number)) for place, number in enumerate(counts)], look))
    parts.append(line([(LEFT, BOTTOM), (RIGHT, BOTTOM)], "axis"))
    for place in range(0, len(weeks), max(1, -(-len(weeks) // 7))):
        parts.append(text(across(place), BOTTOM + 18, f"{weeks[place]:%-d %b %Y}", "faint"))
    parts += _legend(list(lines))
    said = "; ".join(
        f"{name}: {plural(sum(counts), 'alert')}, at most {max(counts, default=0)} in a week"
        for name, counts in lines.items()
    )
    return Picture(
        title="Alerts week by week",
        description=f"{plural(len(weeks), 'week')} from Monday to Sunday. {said}.",
        height=BOTTOM + 30,
        parts=parts,
        table=numbers("weeks", "The weeks of the picture", ("Week from", "day"),
                      *((name, "number") for name in lines)),
        rows=[(week, *counts) for week, *counts in zip(weeks, *lines.values(), strict=True)],
    )  # fmt: skip


def curve_picture(
    curves: Mapping[str, Sequence[Point]], *, title: str, name: str, x: str, y: str, mark: float | None = None
) -> Picture:
    """What is gained (up, between 0 and 1) against what it costs (across). `mark` is a cost to look at."""
    points = [point for curve in curves.values() for point in curve]
    most = max([point.x for point in points] + [mark or 0.0], default=1.0) or 1.0
    up, across = Scale(0, 1, BOTTOM, TOP), Scale(0, most, LEFT, RIGHT)
    parts = list(upright(up, LEFT, RIGHT, [0, 0.2, 0.4, 0.6, 0.8, 1.0], figure))
    if mark is not None:
        parts.append(line([(across(mark), TOP), (across(mark), BOTTOM)], "axis dashed"))
    for curve, look in zip(curves.values(), LOOKS, strict=False):
        places = [(across(point.x), up(point.y)) for point in curve]
        if places:
            parts.append(line(places, look))
        filled = look.split()[1]
        parts += [dot(*place, 3, filled, f"{figure(point.x)}; {figure(point.y)}")
                  for place, point in zip(places, curve, strict=True)]  # fmt: skip
    parts.append(line([(LEFT, BOTTOM), (RIGHT, BOTTOM)], "axis"))
    for one in steps(0, most, 7):
        parts.append(text(across(one), BOTTOM + 18, figure(one), "faint middle"))
    parts.append(text((LEFT + RIGHT) / 2, BOTTOM + 36, x, "faint middle"))
    parts += _legend(list(curves))
    best = "; ".join(
        f"{name}: up to {figure(max(point.y for point in curve))}" for name, curve in curves.items() if curve
    )
    return Picture(
        title=title,
        description=f"Across: {x}. Up: {y}. {best}.",
        height=BOTTOM + 46,
        parts=parts,
        table=numbers(name, "The points of the picture", ("Curve", "text"), (x, "number"), (y, "number")),
        rows=[(curve, *point) for curve, own in curves.items() for point in own],
    )


def _legend(names: Sequence[str]) -> list[Markup]:
    parts, at = [], LEFT
    for name, look in zip(names, LOOKS, strict=False):
        parts += [line([(at, 12), (at + 26, 12)], look), text(at + 32, 16, name)]
        at += 52 + 7.0 * len(name)
    return parts
