"""The messages of one part, as `searches.raw` would carry them: its lines, and the ticks of its sources."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.backtesting.survey import Passing, plain, whole_lines
from models.days import instant
from models.search import Tick
from models.serving import Statement
from models.ticking import encode_tick
from streams.replay import AT_ONCE


class Position(NamedTuple):
    """How far a part has been read: the log, its byte, and the line counted through all logs."""

    log: int = 0
    byte: int = 0
    line: int = 0


class Batch(NamedTuple):
    """Messages in order. `lines` has the number of each line counted through all logs, -1 for a tick;
    `after` is where to go on, None in the midst of what was read at once."""

    values: list[bytes]
    lines: list[int]
    after: Position | None


@dataclass(frozen=True)
class Feed:
    """All that one part needs to read its messages."""

    paths: Sequence[Path]
    sizes: Sequence[int]
    """Lines of each log."""
    of_line: NDArray[np.uint16]
    part: int
    sources: Sequence[str]
    ticks: Sequence[Passing]
    models: tuple[Statement, ...] = ()
    """What the ticks say of trained models."""

    def batches(self, begin: Position) -> Iterator[Batch]:
        """The messages from a position on; the last batch is behind all logs."""
        tick = sum(one.line < begin.line for one in self.ticks)
        for log in range(begin.log, len(self.paths)):
            byte, line = (begin.byte, begin.line) if log == begin.log else (0, sum(self.sizes[:log]))
            for end, content in whole_lines(self.paths[log], byte):
                until = line + len(content)
                values, lines, tick = self._messages(content, line, until, tick, first=byte == 0)
                yield from _in_turn(values, lines, Position(log, end, until))
                byte, line = end, until
        last = [value for one in self.ticks[tick:] for value in self._tick(one)]
        end_of_all = Position(len(self.paths), 0, sum(self.sizes) + 1)
        yield Batch(last, [-1] * len(last), end_of_all)

    def _messages(
        self, content: Sequence[bytes], line: int, until: int, tick: int, *, first: bool
    ) -> tuple[list[bytes], list[int], int]:
        """Those of a stretch of lines; `tick` is the next one due, and the one due afterwards is returned."""
        mine = np.flatnonzero(self.of_line[line:until] == self.part)
        values: list[bytes] = []
        lines: list[int] = []

        def lay(places: NDArray[np.intp]) -> None:
            for place in places.tolist():
                values.append(plain(content[place], first=first and place == 0))
                lines.append(line + place)

        begin = 0
        while tick < len(self.ticks) and self.ticks[tick].line < until:
            cut = int(np.searchsorted(mine, self.ticks[tick].line - line))
            lay(mine[begin:cut])
            begin = cut
            said = self._tick(self.ticks[tick])
            values += said
            lines += [-1] * len(said)
            tick += 1
        lay(mine[begin:])
        return values, lines, tick

    def _tick(self, passing: Passing) -> list[bytes]:
        at = instant(passing.at)
        return [
            encode_tick(Tick(tick=at, source_id=one, end=passing.end, models=self.models))
            for one in self.sources
        ]


def _in_turn(values: list[bytes], lines: list[int], end: Position) -> Iterator[Batch]:
    """Messages in batches, of which the last leads to `end`."""
    for first in range(0, max(1, len(values)), AT_ONCE):
        last = first + AT_ONCE
        yield Batch(values[first:last], lines[first:last], end if last >= len(values) else None)
