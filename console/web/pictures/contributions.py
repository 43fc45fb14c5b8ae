"""Of what a risk is the sum."""

from __future__ import annotations

from collections.abc import Sequence

from console.reading.risk import Part
from console.web.pictures.base import Picture, Scale, line, numbers, rect, text
from models.wording import day_text, figure, plural

LEFT, RIGHT, TOP, ROW = 260.0, 640.0, 10.0, 26.0
LETTERS = 38


def contributions_picture(parts: Sequence[Part], threshold: float) -> Picture:
    """A bar for each contribution, the largest first; `threshold` is where risk becomes an alert."""
    ordered = sorted(parts, key=lambda part: (-part.worth, part.day, part.detector))
    total = sum(part.worth for part in ordered)
    most = max([threshold, *(part.worth for part in ordered), total])
    at = Scale(0, most, LEFT, RIGHT)
    drawn = []
    rows = [("Sum", total)]
    rows += [(f"{part.detector}, {day_text(part.day.toordinal())}", part.worth) for part in ordered]
    for place, (name, worth) in enumerate(rows):
        y = TOP + place * ROW
        short = name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}…"
        drawn.append(text(LEFT - 8, y + 15, short, "end strong" if place == 0 else "end"))
        drawn.append(rect(LEFT, y + 2, at(worth) - LEFT, ROW - 8, "second" if place == 0 else "first", name))
        drawn.append(text(at(worth) + 6, y + 15, figure(round(worth, 1)), ""))
    foot = TOP + len(rows) * ROW
    drawn.append(line([(at(threshold), TOP - 4), (at(threshold), foot)], "line third dashed"))
    drawn.append(text(at(threshold), foot + 16, f"alert from {figure(threshold)} on", "faint middle"))
    return Picture(
        title="What the risk is the sum of",
        description=(
            f"{plural(len(ordered), 'contribution')} with a sum of {figure(round(total, 1))}; an alert is told "
            f"from {figure(threshold)} on. Older ones count less."
        ),
        height=foot + 26,
        parts=drawn,
        table=numbers(
            "risk",
            "The contributions of the picture",
            ("Found by", "text"),
            ("Day", "day"),
            ("When found", "number"),
            ("Counts now", "number"),
        ),
        rows=[(part.detector, part.day, round(part.amount, 2), round(part.worth, 2)) for part in ordered],
    )
