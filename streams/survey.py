"""Files of events before anything is sent: their lines, their sources, and how well they are ordered."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from models.decoding import read
from models.search import Tick
from models.ticking import head

#: Disorder within one source that ingest allows for by default, seconds.
ALLOWED_DISORDER = 48 * 3600.0
#: And between sources: the files' ticks let time pass a source that lags by more than its idle time.
ALLOWED_LAG = 96 * 3600.0


def is_tick(line: bytes) -> bool:
    """Whether a line is no search but says what time it is; a faulty one is neither."""
    return line.startswith(b'{"tick"') and isinstance(read(line), Tick)


@dataclass(slots=True)
class Span:
    """A run of searches in the order of the files. Times are epoch seconds."""

    searches: int = 0
    first: float = float("inf")
    last: float = float("-inf")
    _front: float = float("-inf")

    def add(self, at: float) -> float:
        """Count one search; by how many seconds it comes after later ones.

        That is against the second latest, as the ticks are: one wrong clock displaces nobody.
        """
        self.searches += 1
        self.first = min(self.first, at)
        if at > self.last:
            self._front, self.last = self.last, at
        elif self._front < at < self.last:
            self._front = at
        return max(0.0, self._front - at)


@dataclass(slots=True)
class Survey:
    """What the files hold. `unreadable` lines have no source or no usable time; `displaced` searches
    come further out of order than ingest allows for, `displacement` seconds at most."""

    size: int = 0
    lines: int = 0
    unreadable: int = 0
    displaced: int = 0
    displacement: float = 0.0
    sources: dict[str, Span] = field(default_factory=dict)
    _whole: Span = field(default_factory=Span)

    def add(self, source_id: str, at: float) -> None:
        """Count one search of a source."""
        span = self.sources.get(source_id)
        if span is None:
            span = self.sources[source_id] = Span()
        behind, lag = span.add(at), self._whole.add(at)
        if behind > ALLOWED_DISORDER or lag > ALLOWED_LAG:
            self.displaced += 1
            self.displacement = max(self.displacement, behind, lag)

    @property
    def warning(self) -> str | None:
        """What to know before the files are read as they stand."""
        if not self.displaced:
            return None
        return (
            f"{self.displaced:,} searches come up to {self.displacement / 3600:,.0f} hours after later ones: "
            "they may come too late to be counted. Use --sort to take all files by event_time."
        )


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a file that are not blank, each with its number from 1, without line ends.

    Raises OSError when the file cannot be read. A UTF-8 byte order mark is taken away. Ticks are left
    out: when time passes is worked out from the searches.
    """
    with path.open("rb", buffering=1 << 20) as stream:
        for number, line in enumerate(stream, 1):
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            line = line.strip()
            if line and not is_tick(line):
                yield number, line


def survey(paths: Iterable[Path]) -> Survey:
    """Read the files once, quickly: no field is checked but source_id and event_time."""
    found = Survey()
    for path in paths:
        found.size += path.stat().st_size
        for _, line in lines(path):
            found.lines += 1
            first = head(line)
            if first is None:
                found.unreadable += 1
                continue
            found.add(first.source_id, first.event_time)
    return found


def sorted_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of one file by event_time, ties as they stand; numbers are those of the file.

    A line without a usable time stays behind its neighbour. Holds 32 bytes a line, not the lines.
    """
    if path.stat().st_size == 0:
        return
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        starts: list[int] = []
        times: list[float] = []
        at, last = 0, float("-inf")
        while line := content.readline():
            first = head(line.removeprefix(b"\xef\xbb\xbf").strip())
            last = first.event_time if first else last
            starts.append(at)
            times.append(last)
            at += len(line)
        order = np.argsort(np.array(times), kind="stable")
        for index in order.tolist():
            content.seek(starts[index])
            line = content.readline().removeprefix(b"\xef\xbb\xbf").strip()
            if line and not is_tick(line):
                yield index + 1, line
