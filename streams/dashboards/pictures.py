"""A dashboard drawn as an SVG from what a Prometheus server answers to the very queries of its panels.

For documentation, where there is no Grafana: the same rows, places and titles, plainly drawn.
"""

from __future__ import annotations

import json
import math
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

from streams.dashboards.panels import WIDTH, Dashboard, Panel, Query
from streams.exits import Stop

#: Pixels of a grid column, of a grid line, and around the page.
COLUMN, LINE, EDGE = 40, 26, 12
#: Told apart by people who see colours differently (Okabe & Ito 2008).
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#777777", "#000000")
#: Points of a line, lines of a table, and series of a panel that are drawn.
POINTS, ROWS, SERIES = 60, 8, 8
#: Letters of a legend, and pixels that one takes at most.
MOST_LETTERS, LETTER = 24, 6.4


class Series(NamedTuple):
    """A name and its points: seconds since 1970, and values."""

    name: str
    points: list[tuple[float, float]]


def ask(server: str, path: str, **what: object) -> Any:
    """The data of an answer of Prometheus' API. Raises Stop when it does not give one."""
    address = f"{server.rstrip('/')}/api/v1/{path}?{urllib.parse.urlencode(what)}"
    try:
        with urllib.request.urlopen(address, timeout=30) as answer:
            return json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        raise Stop(f"{server} does not answer {what}: {error.read().decode()[:300]}") from None
    except OSError as error:
        raise Stop(f"no Prometheus answers at {server}: {error}") from None


def series(server: str, query: Query, seconds: float, *, over_time: bool) -> list[Series]:
    """What the server says to a query: over the last `seconds`, or now; values that are none left out."""
    now = time.time()
    if over_time:
        step = max(1.0, round(seconds / POINTS))
        answer = ask(server, "query_range", query=query.expr, start=now - seconds, end=now, step=step)
    else:
        answer = ask(server, "query", query=query.expr)
    told = []
    for one in answer["result"]:
        values = one["values"] if over_time else [one["value"]]
        points = [(at, float(value)) for at, value in values if math.isfinite(float(value))]
        if points:
            told.append(Series(_legend(query.legend, one["metric"]), points))
    return told


def _legend(pattern: str, labels: dict[str, str]) -> str:
    for name, value in labels.items():
        pattern = pattern.replace("{{" + name + "}}", value)
    return re.sub(r"\{\{\w+\}\}", "none", pattern)


def picture(dashboard: Dashboard, server: str, seconds: float) -> str:
    """The dashboard as an SVG."""
    parts: list[str] = []
    y = EDGE + 30
    for row in dashboard.rows:
        parts.append(_text(EDGE, y + 16, row.title, size=14, weight="bold"))
        x, y, tallest = 0, y + LINE, 0
        for panel in row.panels:
            if x + panel.width > WIDTH:
                x, y, tallest = 0, y + tallest, 0
            wide, tall = panel.width * COLUMN, panel.height * LINE
            parts.append(f'<g transform="translate({EDGE + x * COLUMN} {y})">')
            parts += _panel(panel, server, seconds, wide - 8, tall - 8)
            parts.append("</g>")
            x, tallest = x + panel.width, max(tallest, tall)
        y += tallest + 8
    wide = WIDTH * COLUMN + 2 * EDGE
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {y}" width="{wide}" height="{y}" '
        f'role="img" font-family="sans-serif" font-size="11"><title>{escape(dashboard.title)}</title>'
        f'<rect width="{wide}" height="{y}" fill="#f4f5f5"/>'
    )
    return "\n".join([head, _text(EDGE, EDGE + 14, dashboard.title, size=18), *parts, "</svg>\n"])


def _panel(panel: Panel, server: str, seconds: float, wide: int, tall: int) -> Iterator[str]:
    yield f'<rect width="{wide}" height="{tall}" fill="#ffffff" stroke="#d8d9da"/>'
    yield _text(8, 16, panel.title, weight="bold")
    over_time = panel.kind == "timeseries"
    found = [one for query in panel.queries for one in series(server, query, seconds, over_time=over_time)]
    if not found:
        yield _text(8, 40, "no data", colour="#777777")
    elif panel.kind == "stat":
        value = found[0].points[-1][1]
        yield _text(wide / 2, tall / 2 + 20, _figure(value, panel.unit), size=26, anchor="middle")
    elif over_time:
        yield from _lines(found[:SERIES], panel.unit, wide, tall)
    else:
        for place, one in enumerate(sorted(found, key=lambda one: -one.points[-1][1])[:ROWS]):
            yield _text(8, 38 + 18 * place, one.name)
            yield _text(wide - 8, 38 + 18 * place, _figure(one.points[-1][1], panel.unit), anchor="end")


def _lines(found: Sequence[Series], unit: str, wide: int, tall: int) -> Iterator[str]:
    left, top, right, bottom = 56, 28, wide - 10, tall - 38
    first = min(points[0][0] for _, points in found)
    last = max(points[-1][0] for _, points in found)
    most = max(value for _, points in found for _, value in points) or 1.0
    for share in (0.0, 0.5, 1.0):
        y = bottom - share * (bottom - top)
        yield f'<path d="M{left} {y:.0f}H{right}" stroke="#e3e3e3"/>'
        yield _text(left - 5, y + 4, _figure(share * most, unit), anchor="end", colour="#555555")
    at = float(left)
    for number, (name, points) in enumerate(found):
        path = "L".join(
            f"{left + (right - left) * (when - first) / max(last - first, 1):.0f} "
            f"{bottom - (bottom - top) * max(value, 0) / most:.1f}"
            for when, value in points
        )
        yield f'<path d="M{path}" fill="none" stroke="{COLOURS[number]}" stroke-width="1.5"/>'
        name = name if len(name) <= MOST_LETTERS else name[: MOST_LETTERS - 1] + "…"
        if at + LETTER * len(name) <= right:
            yield _text(at, tall - 10, name, colour=COLOURS[number])
        at += 12 + LETTER * len(name)


def _figure(value: float, unit: str) -> str:
    if unit == "percentunit":
        return f"{value:.3g}".rstrip() if value > 10 else f"{100 * value:.3g}%"
    if unit == "s" and value >= 172_800:
        return f"{value / 86_400:,.0f} d"
    for bound, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= bound:
            size = 1000 if letter == "k" else bound
            return f"{value / size:.3g}{letter}{'B' if unit == 'bytes' else ''}"
    figure = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return figure + {"s": " s", "ops": "/s", "bytes": " B"}.get(unit, "")


def _text(
    x: float, y: float, words: str, *, size: int = 11, anchor: str = "start", colour: str = "#222222",
    weight: str = "normal",
) -> str:  # fmt: skip
    look = f'font-size="{size}" text-anchor="{anchor}" fill="{colour}"'
    heavy = ' font-weight="bold"' if weight == "bold" else ""
    return f'<text x="{x:.0f}" y="{y:.0f}" {look}{heavy}>{escape(words)}</text>'
