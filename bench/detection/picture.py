"""Curves over a logarithmic axis as a plain SVG, drawn by hand: no library is needed to look at them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 60, 240, 36, 50
#: Told apart by people who see colours differently (Okabe & Ito 2008).
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#999999", "#000000")
DASHES = ("", "6 3", "2 3")

Points = Sequence[tuple[float, float]]


def panels(below: str, beside: str, charts: Mapping[str, Mapping[str, Points]]) -> str:
    """One chart below another, by title. Each has one line a name: points (x, y) with x > 0 on a
    logarithmic axis and y in [0, 1]."""
    tall = HEIGHT * len(charts)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {tall}" width="{WIDTH}" '
        f'height="{tall}" role="img" font-family="sans-serif" font-size="12">',
        f"<title>{escape('; '.join(charts))}</title>",
        f'<rect width="{WIDTH}" height="{tall}" fill="#ffffff"/>',
    ]
    for number, (title, lines) in enumerate(charts.items()):
        parts += [
            f'<g transform="translate(0 {HEIGHT * number})">',
            *_chart(title, below, beside, lines),
            "</g>",
        ]
    return "\n".join([*parts, "</svg>\n"])


def _chart(title: str, below: str, beside: str, lines: Mapping[str, Points]) -> list[str]:
    every = [x for points in lines.values() for x, _ in points]
    low, high = math.log10(min(every)), math.log10(max(every))
    wide, tall = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def at(x: float, y: float) -> tuple[float, float]:
        share = (math.log10(x) - low) / (high - low) if high > low else 0.5
        return LEFT + wide * share, TOP + tall * (1 - y)

    parts = [
        _text(LEFT, 20, title, size=14),
        _text(LEFT + wide / 2, HEIGHT - 12, below, anchor="middle"),
        f'<g transform="translate(16 {TOP + tall / 2:.1f}) rotate(-90)">',
        _text(0, 0, beside, anchor="middle"),
        "</g>",
    ]
    for tenth in range(0, 11, 2):
        x, y = at(10**low, tenth / 10)
        parts.append(f'<path d="M{x:.1f} {y:.1f}h{wide}" stroke="#dddddd"/>')
        parts.append(_text(x - 8, y + 4, f"{tenth / 10:g}", anchor="end"))
    for mark in _marks(min(every), max(every)):
        x, y = at(mark, 0.0)
        parts.append(f'<path d="M{x:.1f} {y:.1f}v5" stroke="#333333"/>')
        parts.append(_text(x, y + 18, f"{mark:g}", anchor="middle"))
    for number, (name, points) in enumerate(lines.items()):
        colour, dash = COLOURS[number % len(COLOURS)], DASHES[number // len(COLOURS) % len(DASHES)]
        path = "L".join("{:.1f} {:.1f}".format(*at(x, y)) for x, y in points)
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        look = f'stroke="{colour}" stroke-width="{3 if number == 0 else 1.6}"{dashed}'
        parts.append(f'<path d="M{path}" fill="none" {look}/>')
        row, start = TOP + 8 + 20 * number, WIDTH - RIGHT + 16
        parts.append(f'<path d="M{start} {row}h22" {look}/>')
        parts.append(_text(start + 30, row + 4, name))
    return parts


def _marks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten between two values."""
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    found = [float(f"{lead}e{power}") for power in powers for lead in (1, 2, 5)]
    return [one for one in found if low * 0.999 <= one <= high * 1.001]


def _text(x: float, y: float, words: str, anchor: str = "start", size: int = 12) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{escape(words)}</text>'
