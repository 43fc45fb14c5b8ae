"""A page while it is being made: its tables and pictures, and the answer that comes of them.

Whoever adds a table to a page gets its CSV export with it: the address of the page with `export=NAME`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from typing import Any, TypeVar

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from console.web.pictures import Picture
from console.web.rendering import render
from console.web.tables import Listed, Source, Table, View, csv_lines, view

Row = TypeVar("Row")
#: Bytes of an export that are kept in memory; a longer one goes through a temporary file.
IN_MEMORY = 1 << 20


class Page:
    """Gathers what a template shows. `title` is the page's heading, `way` its place among the ways."""

    def __init__(self, request: Request, template: str, title: str, *, way: str | None = None) -> None:
        self.request = request
        self.template = template
        self.title = title
        self.way = way
        self.params = {key: value for key, value in request.query_params.items() if len(value) <= 2000}
        self._sources: dict[str, tuple[Table[Any], Source[Any]]] = {}
        self._pictures: dict[str, Picture] = {}

    def table(self, table: Table[Row], source: Source[Row] | list[Row]) -> None:
        """Add a table."""
        self._sources[table.name] = (table, Listed(source) if isinstance(source, list) else source)

    def picture(self, picture: Picture) -> None:
        """Add a picture, and with it the table of its numbers."""
        self._pictures[picture.name] = picture
        self.table(picture.table, list(picture.rows))

    def answer(self, *, status: int = 200, **context: Any) -> Response:
        """The page, or one of its tables as CSV when the address asks for that."""
        wanted = self.params.get("export", "")
        if wanted in self._sources:
            return self._csv(*self._sources[wanted])
        known = {
            "tables": {name: self._view(*found) for name, found in self._sources.items()},
            "pictures": self._pictures,
            **({} if self.way is None else {"way": self.way}),
        }
        return render(self.request, self.template, self.title, {**known, **context}, status=status)

    def _view(self, table: Table[Row], source: Source[Row]) -> View[Row]:
        return view(table, source, self.request.url.path, self.params)

    def _csv(self, table: Table[Row], source: Source[Row]) -> Response:
        """All rows now, while there is a session to read them with."""
        file = SpooledTemporaryFile(IN_MEMORY, "w+b")  # noqa: SIM115
        for line in csv_lines(table, source, self.params):
            file.write(line.encode())
        file.seek(0)
        name = re.sub(r"[^a-z0-9]+", "-", f"{self.title} {table.name}".casefold()).strip("-")[:80]
        return StreamingResponse(
            _parts(file),
            media_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
        )


def _parts(file: SpooledTemporaryFile[bytes]) -> Iterator[bytes]:
    with file:
        while part := file.read(1 << 16):
            yield part
