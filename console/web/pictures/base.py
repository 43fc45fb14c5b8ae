"""Every picture of the console: an SVG made here, with a title, a description, and its numbers as a table.

Nothing is drawn in the browser and nothing is fetched. Colours are classes of the style sheet, so that
pictures follow light and dark. A picture says in its description what it shows; whoever cannot see it
reads that, or the table of the very numbers it was drawn from.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from markupsafe import Markup, escape

from console.web.tables import Column, Kind, Table

#: Units of the drawing; the page scales it.
WIDTH = 720


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A drawing with its words and its numbers. `rows` are the numbers, `table` how they are shown."""

    title: str
    description: str
    height: float
    parts: Sequence[Markup]
    table: Table[Any]
    rows: Sequence[Any]
    width: float = WIDTH

    @property
    def name(self) -> str:
        """The name of its table, which tells it apart on a page."""
        return self.table.name

    @property
    def svg(self) -> Markup:
        """The drawing as one element."""
        name = escape(self.name)
        return Markup(
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" role="img" '
            'aria-labelledby="{n}-title {n}-desc"><title id="{n}-title">{t}</title>'
            '<desc id="{n}-desc">{d}</desc>{body}</svg>'
        ).format(
            w=_short(self.width),
            h=_short(self.height),
            n=name,
            t=self.title,
            d=self.description,
            body=Markup("").join(self.parts),
        )


@dataclass(frozen=True)
class Scale:
    """A straight axis: values from `low` to `high` lie between the places `start` and `end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The place of a value; beyond the axis it is held to its ends."""
        span = self.high - self.low
        share = (value - self.low) / span if span > 0 else 0.5
        return self.start + (self.end - self.start) * min(max(share, 0.0), 1.0)


def steps(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers along an axis, at most about `most` of them.

    >>> steps(0, 21)
    [0.0, 5.0, 10.0, 15.0, 20.0]
    """
    if not high > low:
        return [low]
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(step * power for step in (1, 2, 5, 10) if step * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 12) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def text(x: float, y: float, words: object, look: str = "") -> Markup:
    """Words at a place."""
    return Markup('<text x="{}" y="{}" class="{}">{}</text>').format(_short(x), _short(y), look, words)


def rect(x: float, y: float, wide: float, tall: float, look: str, told: str = "") -> Markup:
    """A rectangle; `told` shows when the pointer rests on it."""
    tip = Markup("<title>{}</title>").format(told) if told else Markup("")
    return Markup('<rect x="{}" y="{}" width="{}" height="{}" class="{}">{}</rect>').format(
        _short(x), _short(y), _short(max(wide, 0)), _short(max(tall, 0)), look, tip
    )


def dot(x: float, y: float, radius: float, look: str, told: str = "") -> Markup:
    """A circle."""
    tip = Markup("<title>{}</title>").format(told) if told else Markup("")
    return Markup('<circle cx="{}" cy="{}" r="{}" class="{}">{}</circle>').format(
        _short(x), _short(y), _short(radius), look, tip
    )


def diamond(x: float, y: float, radius: float, look: str, told: str = "") -> Markup:
    """A square on its tip: told apart from a circle without colour."""
    tip = Markup("<title>{}</title>").format(told) if told else Markup("")
    return Markup('<path d="M{} {}l{} {}l{} {}l-{} {}z" class="{}">{}</path>').format(
        *map(_short, (x, y - radius, radius, radius, -radius, radius, radius, -radius)), look, tip
    )


def line(points: Iterable[tuple[float, float]], look: str) -> Markup:
    """A line through points."""
    path = "L".join(f"{_short(x)} {_short(y)}" for x, y in points)
    return Markup('<path d="M{}" class="{}"/>').format(path, look)


def area(upper: Sequence[tuple[float, float]], lower: Sequence[tuple[float, float]], look: str) -> Markup:
    """What lies between two lines."""
    path = "L".join(f"{_short(x)} {_short(y)}" for x, y in [*upper, *reversed(lower)])
    return Markup('<path d="M{}Z" class="{}"/>').format(path, look)


def upright(scale: Scale, left: float, right: float, marks: Iterable[float], figure: Any) -> Iterator[Markup]:
    """The lines across a drawing with their numbers at the left."""
    for mark in marks:
        y = scale(mark)
        yield line([(left, y), (right, y)], "grid")
        yield text(left - 6, y + 4, figure(mark), "faint end")


def numbers(name: str, caption: str, *columns: tuple[str, Kind]) -> Table[Any]:
    """The table of a picture's numbers: rows are tuples, one value a column."""
    return Table(
        name=name,
        caption=caption,
        columns=[
            Column(name=f"c{place}", title=title, kind=kind, value=itemgetter(place))
            for place, (title, kind) in enumerate(columns)
        ],
    )


def _short(number: float) -> str:
    """A coordinate to a tenth, never minus nothing."""
    return f"{round(number, 1) + 0.0:g}"
