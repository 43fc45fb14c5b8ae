"""The public figures as one file of HTML: no script, nothing fetched, the look of the console."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from console.report.figures import WITHHELD, Report
from console.report.tables import picture_of
from console.web.pictures import Picture

_STYLE = Path(__file__).parents[1] / "web" / "static" / "console.css"


def html(reports: Sequence[Report]) -> str:
    """The whole page."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pictures: dict[str, Picture] = {}
    for place, report in enumerate(reports):
        for figure in report.figures:
            if figure.columns is None:
                name = f"{figure.name}-{place}"
                pictures[name] = picture_of(figure, name)
    return environment.get_template("page.html").render(
        reports=reports,
        pictures=pictures,
        style=Markup(_STYLE.read_text(encoding="utf-8")),  # ours, not a reader's
        WITHHELD=WITHHELD,
    )
