"""Counts side by side, some of them withheld."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from console.web.pictures.base import Picture, Scale, line, rect, text
from console.web.tables import Table
from models.wording import plural

LEFT, RIGHT, TOP, ROW = 280.0, 630.0, 6.0, 26.0
LETTERS = 42


def counts_picture(
    title: str, counts: Sequence[tuple[str, int | None]], table: Table[Any], rows: Sequence[Any]
) -> Picture:
    """A bar for each count, in the order given, which must not depend on counts that are withheld.

    The last count is that of all: it has no bar, which would make the others short. None is withheld.
    """
    parts = counts[:-1]
    at = Scale(0, max([1, *(count for _, count in parts if count is not None)]), LEFT, RIGHT)
    drawn = []
    for place, (name, count) in enumerate(parts):
        y = TOP + place * ROW
        short = name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}…"
        drawn.append(text(LEFT - 8, y + 16, short, "end"))
        if count is None:
            drawn.append(text(LEFT + 6, y + 16, "withheld", "faint"))
        else:
            drawn.append(rect(LEFT, y + 3, at(count) - LEFT, ROW - 8, "first", f"{name}: {count:,}"))
            drawn.append(text(at(count) + 6, y + 16, f"{count:,}"))
    foot = TOP + len(parts) * ROW
    drawn.append(line([(LEFT, TOP), (LEFT, foot)], "axis"))
    hidden = sum(count is None for _, count in parts)
    largest = max((count for _, count in parts if count is not None), default=0)
    named = [name for name, count in parts if count == largest]
    words = f"{plural(len(parts), 'count')}, {hidden} withheld."
    if largest:
        words += f" The largest that is told is {largest:,}: {' and '.join(named)}."
    return Picture(title=title, description=words, height=foot + 8, parts=drawn, table=table, rows=rows)
