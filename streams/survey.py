"""Files of events before anything is sent: their lines, their sources, and how well they are ordered."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from models.ticking import head

#: Disorder within one source that ingest allows for by default, seconds.
ALLOWED_DISORDER = 48 * 3600.0


@dataclass(slots=True)
class SourceSpan:
    """One source's part of the files. Times are epoch seconds.

    `displaced` counts searches that come more than the allowed disorder after a later one of the
    same source; `displacement` is the largest such distance, seconds, 0 when all is in order.
    """

    searches: int = 0
    first: float = float("inf")
    last: float = float("-inf")
    displaced: int = 0
    displacement: float = 0.0
    _front: float = float("-inf")

    def add(self, at: float) -> None:
        """Count one search."""
        self.searches += 1
        self.first = min(self.first, at)
        # Against the second latest time, as the ticks are: one wrong clock displaces nobody.
        if at > self.last:
            self._front, self.last = self.last, at
        elif self._front < at < self.last:
            self._front = at
        behind = self._front - at
        if behind > ALLOWED_DISORDER:
            self.displaced += 1
            self.displacement = max(self.displacement, behind)


@dataclass(slots=True)
class Survey:
    """What the files hold. `unreadable` lines have no source or no usable time."""

    size: int = 0
    lines: int = 0
    unreadable: int = 0
    sources: dict[str, SourceSpan] = field(default_factory=dict)

    @property
    def displaced(self) -> int:
        """Searches further out of order than ingest allows for: they will count as late."""
        return sum(span.displaced for span in self.sources.values())

    @property
    def displacement(self) -> float:
        """The largest displacement, seconds."""
        return max((span.displacement for span in self.sources.values()), default=0.0)


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a file that are not blank, each with its number from 1, without line ends.

    Raises OSError when the file cannot be read. A UTF-8 byte order mark is taken away.
    """
    with path.open("rb", buffering=1 << 20) as stream:
        for number, line in enumerate(stream, 1):
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            line = line.strip()
            if line:
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
            span = found.sources.get(first.source_id)
            if span is None:
                span = found.sources[first.source_id] = SourceSpan()
            span.add(first.event_time)
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
            if line:
                yield index + 1, line
