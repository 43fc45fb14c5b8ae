"""A figure as a table of the console, and all counts of a report as one tidy table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from console.report.figures import WITHHELD, Count, Figure, Report
from console.web.pictures import Picture, counts_picture
from console.web.tables import Column, Listed, Table, csv_lines

Row = tuple[str, tuple[int | None, ...]]


def table_of(figure: Figure, name: str | None = None) -> Table[Row]:
    """How the console shows a figure; its rows are those of `figure.body`."""
    columns: list[Column[Row]] = [
        Column(name="kind", title=figure.rows.title, value=lambda row: row[0], wide=True)
    ]
    for place, title in enumerate(figure.head):
        columns.append(
            Column(name=f"c{place}", title=title, kind="number", value=_told(place), rank=_count(place))
        )
    return Table(name=name or figure.name, caption=figure.title, columns=columns)


def picture_of(figure: Figure, name: str | None = None) -> Picture:
    """A figure of one dimension as bars."""
    return counts_picture(
        figure.title,
        [(words, counts[0]) for words, counts in figure.body],
        table_of(figure, name),
        figure.body,
    )


def tidy(reports: Sequence[Report]) -> str:
    """One CSV file: a line for each count, once however many tables show it."""
    rows = [(report, count) for report in reports for count in report.counts]
    table: Table[tuple[Report, Count]] = Table(
        name="figures",
        caption="Public figures",
        columns=[
            Column(name="agency_id", title="agency_id", value=lambda row: row[0].agency_id),
            Column(name="first_day", title="first_day", value=lambda row: row[0].period.first),
            Column(name="last_day", title="last_day", value=lambda row: row[0].period.last),
            Column(name="time_zone", title="time_zone", value=lambda row: row[0].period.zone),
            Column(name="of", title="of", value=lambda row: row[1].of),
            *(
                Column(name=title, title=title, value=_category(place, part))
                for place in (0, 1)
                for part, title in enumerate((f"dimension_{place + 1}", f"category_{place + 1}"))
            ),
            Column(name="count", title="count", value=lambda row: row[1].number),
            Column(
                name="status",
                title="status",
                value=lambda row: WITHHELD if row[1].number is None else "published",
            ),
        ],
    )
    return "".join(csv_lines(table, Listed(rows), {}))


def _told(place: int) -> Callable[[Row], str | int]:
    return lambda row: WITHHELD if (count := row[1][place]) is None else count


def _count(place: int) -> Callable[[Row], Any]:
    """What is withheld is sorted as unknown: its place must not say how large it is."""
    return lambda row: row[1][place]


def _category(place: int, part: int) -> Callable[[tuple[Report, Count]], str | None]:
    def value(row: tuple[Report, Count]) -> str | None:
        categories = row[1].categories
        return categories[place][part] if place < len(categories) else None

    return value
