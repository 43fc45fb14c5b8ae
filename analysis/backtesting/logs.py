"""What a back-test reads: files of JSON lines, as they are or made from something else.

CSV, Parquet and topics become JSON lines in the folder of work, so that the same decoding judges every
format; where each line comes from is kept beside.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from analysis.backtesting.tables import csv_rows, parquet_rows
from streams.exits import Stop
from streams.produce import merged

#: Endings of files, by what reads them. Anything else is JSON lines.
CSV, PARQUET = (".csv", ".tsv"), (".parquet", ".pq")


class Place(NamedTuple):
    """Where a search comes from: a file and its line or row, or the partition of a topic and an offset."""

    file: str
    line: int


@dataclass(frozen=True)
class Log:
    """One file of JSON lines. `names` are what its lines come from; `places` is a file with two columns,
    place in `names` and line there, or None when the lines are their own."""

    path: Path
    names: tuple[str, ...]
    places: Path | None = None

    def place(self, line: int) -> Place:
        """Where a line, counted from 1, comes from."""
        if self.places is None:
            return Place(self.names[0], line)
        name, number = np.load(self.places, mmap_mode="r")[line - 1].tolist()
        return Place(self.names[name], number)


def made(folder: Path, name: str, sources: Sequence[str], rows: Iterable[tuple[int, int, bytes]]) -> Log:
    """Write rows (place in `sources`, line there, JSON in one line) into a log of our own."""
    path, beside = folder / f"{name}.jsonl", folder / f"{name}.npy"
    places: list[tuple[int, int]] = []
    with path.open("wb", buffering=1 << 20) as out:
        for source, line, content in rows:
            out.write(content + b"\n")
            places.append((source, line))
    np.save(beside, np.array(places, np.int64).reshape(-1, 2))
    return Log(path, tuple(sources), beside)


def prepare(files: Sequence[Path], folder: Path, *, in_order: bool) -> list[Log]:
    """The logs of these files in their order; with `in_order` one log by event_time.

    Raises:
        Stop: a file cannot be read, or is not in the format that its name says.
    """
    logs = []
    for number, file in enumerate(files):
        with _named(file):
            logs.append(_one(file, folder, f"input-{number}"))
    if not in_order:
        return logs
    by_path = {log.path: log for log in logs}
    names = [name for log in logs for name in log.names]

    def rows() -> Iterator[tuple[int, int, bytes]]:
        known = {name: place for place, name in enumerate(names)}
        for path, number, line, _ in merged([log.path for log in logs]):
            file, row = by_path[path].place(number)
            yield known[file], row, line

    return [made(folder, "sorted", names, rows())]


def _one(file: Path, folder: Path, name: str) -> Log:
    ending = file.suffix.casefold()
    if ending in CSV:
        return made(folder, name, [str(file)], ((0, *row) for row in csv_rows(file)))
    if ending in PARQUET:
        return made(folder, name, [str(file)], ((0, *row) for row in parquet_rows(file)))
    with file.open("rb") as stream:
        if stream.read(4) == b"PAR1":
            raise Stop(f"{file} is a Parquet file; give it a name that ends with .parquet")
    return Log(file, (str(file),))


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """Errors as sentences that name the file."""
    try:
        yield
    except OSError as error:
        raise Stop(f"cannot read {file}: {error.strerror or error}") from error
    except ValueError as error:
        raise Stop(str(error) if str(file) in str(error) else f"{file}: {error}") from error
