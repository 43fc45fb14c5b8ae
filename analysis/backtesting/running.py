"""One part judged from its first message to its last, with states in between from which it can go on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec
from msgspec import Struct

from analysis.backtesting.feeding import Feed, Position
from analysis.backtesting.lanes import LaneState, Outcome, Refused, Subject, lanes
from streams.whole_file import whole_file

#: A state is written so seldom that this share of the time goes into it at most.
SHARE_OF_TIME = 0.05


class Done(Struct, array_like=True):
    """What a part gave: the outcome of each configuration, and the lines that are no searches."""

    outcomes: list[Outcome]
    refused: list[Refused]


class _Saved(Struct, array_like=True):
    position: Position
    lanes: list[LaneState]


def run_part(
    feed: Feed,
    subjects: Sequence[Subject],
    folder: Path,
    *,
    apart: bool,
    every: float,
    progress: Callable[[int], None],
) -> None:
    """Judge a part and leave what it gave in `folder`; goes on from a state that is there.

    States are written every so many seconds, or less often where one takes long. `progress` is told how
    many lines of this part have been read. Raises OSError when the folder cannot be written.
    """
    state, done = folder / f"part-{feed.part}.state", done_file(folder, feed.part)
    with ExitStack() as stack:
        running = lanes(subjects, feed.sources, stack, apart=apart)
        begin = Position()
        if state.exists():
            saved = msgspec.msgpack.decode(state.read_bytes(), type=_Saved)
            begin = saved.position
            for (_, lane), told in zip(running, saved.lanes, strict=True):
                lane.go_on(told)
        read = int((feed.of_line[: begin.line] == feed.part).sum())
        due = time.monotonic() + every
        for batch in feed.batches(begin):
            for _, lane in running:
                lane.feed(batch.values, batch.lines)
            read += sum(line >= 0 for line in batch.lines)
            progress(read)
            if batch.after is not None and time.monotonic() >= due:
                began = time.monotonic()
                for _, lane in running:
                    lane.settle()
                _write(state, _Saved(batch.after, [lane.state() for _, lane in running]))
                took = time.monotonic() - began
                due = time.monotonic() + max(every, took / SHARE_OF_TIME)
        outcomes: list[Outcome | None] = [None] * len(subjects)
        for places, lane in running:
            lane.settle()
            for place, outcome in zip(places, lane.outcomes(), strict=True):
                outcomes[place] = outcome
        _write(done, Done([one for one in outcomes if one is not None], running[0][1].refused))
    state.unlink(missing_ok=True)


def done_file(folder: Path, part: int) -> Path:
    """Where a part leaves what it gave."""
    return folder / f"part-{part}.done"


def read_done(folder: Path, part: int) -> Done:
    """What a part gave."""
    return msgspec.msgpack.decode(done_file(folder, part).read_bytes(), type=Done)


def _write(path: Path, content: Struct) -> None:
    with whole_file(path) as stream:
        stream.write(_encode(content))


_encode = msgspec.msgpack.Encoder().encode
