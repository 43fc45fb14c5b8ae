"""Logs read once, quickly: who feeds whom, when time passes, and to which part each line belongs.

No field is checked but those that say who a line is from and when it was. What a line is worth is for
ingest to judge, later, in its part.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.ticking import CLOSE_AFTER_SECONDS, EVERY_SECONDS, Ticker, head
from streams.survey import is_tick

#: Bytes that are looked at together.
PIECE = 32 * 1024 * 1024
BOM = b"\xef\xbb\xbf"
#: Instead of a pair of source and agency: an empty line or a tick, and a line that cannot be read.
NO_LINE, UNREADABLE = -1, -2

Pair = tuple[str, str | None]


class Looked(NamedTuple):
    """A piece of a log: for each of its lines the place of its (source, agency) in `pairs`, and its time
    in epoch seconds."""

    pairs: list[Pair]
    codes: NDArray[np.int32]
    times: NDArray[np.float64]


class Passing(NamedTuple):
    """Time has reached `at` (epoch seconds) before the line of this number, counted through all logs from
    0. `end` is true of the last one."""

    line: int
    at: float
    end: bool


class Surveyed(NamedTuple):
    """All logs: `codes` as of `Looked` for all lines of all logs, `sizes` how many lines each has."""

    pairs: list[Pair]
    codes: NDArray[np.int32]
    sizes: list[int]
    ticks: list[Passing]

    @property
    def lines(self) -> int:
        """Lines that are neither empty nor ticks."""
        return int((self.codes != NO_LINE).sum())


def survey(
    paths: Sequence[Path],
    declared: Iterable[str],
    jobs: int,
    *,
    every: float = EVERY_SECONDS,
    close: bool = True,
) -> Surveyed:
    """Look through logs in so many processes. `declared` are sources that are known without a line.

    Raises OSError when one cannot be read.
    """
    pieces = [
        (place, begin) for place, path in enumerate(paths) for begin in range(0, path.stat().st_size, PIECE)
    ]
    of = [paths[place] for place, _ in pieces]
    begins = [begin for _, begin in pieces]
    pool = ProcessPoolExecutor(jobs, mp_context=get_context("fork")) if jobs > 1 < len(pieces) else None
    pairs: dict[Pair, int] = {}
    codes: list[NDArray[np.int32]] = []
    times: list[NDArray[np.float64]] = []
    sizes = [0] * len(paths)
    with pool or nullcontext():
        looked: Iterator[Looked] = (pool.map if pool else map)(_look, of, begins, repeat(PIECE))
        for (place, _), found in zip(pieces, looked, strict=True):
            known = [pairs.setdefault(pair, len(pairs)) for pair in found.pairs]
            # The last two stand for the codes below nought.
            codes.append(np.array([*known, UNREADABLE, NO_LINE], np.int32)[found.codes])
            times.append(found.times)
            sizes[place] += len(found.codes)
    every_code = np.concatenate([np.empty(0, np.int32), *codes])
    sources = {*declared, *(source for source, _ in pairs)}
    ticks = list(_ticks(list(pairs), every_code, times, sources, every, close))
    return Surveyed(list(pairs), every_code, sizes, ticks)


def whole_lines(path: Path, begin: int, end: int | None = None) -> Iterator[tuple[int, list[bytes]]]:
    """The lines that begin from byte `begin` up to `end`, as they stand but without the line feed, some at
    a time, each time with the byte at which they end. `begin` must be the begin of a line."""
    with path.open("rb") as stream:
        stream.seek(begin)
        at, rest = begin, b""
        while end is None or at < end:
            block = stream.read(BLOCK)
            if not block:
                if rest:
                    yield at + len(rest), [rest]
                return
            rest += block
            cut = rest.rfind(b"\n") + 1
            if end is not None and at + cut > end:
                cut = rest.find(b"\n", max(0, end - at - 1)) + 1 or cut
            if cut:
                yield at + cut, rest[: cut - 1].split(b"\n")
                at, rest = at + cut, rest[cut:]


#: Bytes that are read at once.
BLOCK = 4 * 1024 * 1024


def plain(line: bytes, *, first: bool) -> bytes:
    """A line without blanks at its ends, and without the byte order mark that may begin a file."""
    return (line.removeprefix(BOM) if first else line).strip()


def _look(path: Path, begin: int, size: int) -> Looked:
    """Look at the lines that begin in a piece of a file."""
    pairs: dict[Pair, int] = {}
    codes, times = array("i"), array("d")
    start = _begin_of_line(path, begin)
    for _, lines in whole_lines(path, start, begin + size) if start < begin + size else ():
        for line in lines:
            line = plain(line, first=not codes and begin == 0)
            found = head(line) if line else None
            if found is not None:
                pair = (found.source_id, found.agency_id)
                code = pairs.get(pair)
                codes.append(pairs.setdefault(pair, len(pairs)) if code is None else code)
                times.append(found.event_time)
            else:
                codes.append(NO_LINE if not line or is_tick(line) else UNREADABLE)
                times.append(0.0)
    return Looked(list(pairs), np.frombuffer(codes, np.int32), np.frombuffer(times, np.float64))


def _begin_of_line(path: Path, at: int) -> int:
    """The first line that begins at a byte or behind it."""
    if at == 0:
        return 0
    with path.open("rb") as stream:
        stream.seek(at - 1)
        return at - 1 + len(stream.readline())


def _ticks(
    pairs: Sequence[Pair],
    codes: NDArray[np.int32],
    times: Sequence[NDArray[np.float64]],
    sources: set[str],
    every: float,
    close: bool,
) -> Iterator[Passing]:
    """Where `streams.produce.outgoing` would put ticks."""
    ticker = Ticker(every, sources=sources, close_after_seconds=CLOSE_AFTER_SECONDS)
    names = [source for source, _ in pairs]
    line = 0
    for piece in times:
        own = codes[line : line + len(piece)]
        for code, at in zip(own.tolist(), piece.tolist(), strict=True):
            if code >= 0 and (due := ticker.before(names[code], at)):
                yield Passing(line, due[0].tick.timestamp(), False)
            line += 1
    if close and (due := ticker.close()):
        yield Passing(line, due[0].tick.timestamp(), True)
