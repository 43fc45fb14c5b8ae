"""One page from sections of words, pictures and tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from console.web.pictures.base import Picture

#: The console's style sheet: reports look as it does, in light and dark.
STYLE = Path(__file__).parents[2] / "console" / "web" / "static" / "console.css"
Cell = str | int | float | date | datetime | None


@dataclass(frozen=True)
class Sheet:
    """A table. Numbers are set to the right, missing ones are left empty."""

    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a page under a heading."""

    title: str
    words: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    sheets: Sequence[Sheet] = ()


def page(title: str, lead: Sequence[str], sections: Sequence[Section]) -> str:
    """The page as HTML; equal content gives equal bytes."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["shown"] = shown
    style = Markup(STYLE.read_text("utf-8"))
    return environment.get_template("page.html").render(
        title=title, lead=lead, sections=sections, style=style
    )


def shown(value: Cell) -> str:
    """A cell in words.

    >>> shown(12345), shown(0.12345), shown(None)
    ('12,345', '0.123', '')
    """
    match value:
        case None:
            return ""
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M}"
    return str(value)
