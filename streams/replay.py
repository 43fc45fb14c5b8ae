"""Reading files as the workers would read them from Kafka, in one process and without it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from models.alert import Alert
from models.ingest import DeadLetter
from models.pipeline import Pipeline, Standing
from models.stage import Message
from models.ticking import Ticker
from streams.child_host import LoneChild
from streams.produce import outgoing

#: Messages handed on at once; any number gives the same alerts.
AT_ONCE = 2000


@dataclass
class Replay:
    """What a replay gave so far."""

    standing: Standing = field(default_factory=Standing)
    stream: list[Alert] = field(default_factory=list)
    """Every version of every alert, in the order in which they were raised."""
    refused: list[Message] = field(default_factory=list)
    late: list[Message] = field(default_factory=list)
    lines: int = 0
    first_refused: str | None = None
    """The first line that was refused: its file, its number in there, and what is wrong."""


def replay(
    files: Iterable[Path],
    pipeline: Pipeline,
    ticker: Ticker,
    *,
    close: bool = True,
    in_order: bool = False,
    watch: LoneChild | None = None,
) -> Iterator[Replay]:
    """Feed files to a pipeline; yields the same growing result after each batch, and at the end.

    `ticker`, `close` and `in_order` mean what they mean for `produce`, whose messages these are. A
    `watch` stage that lives elsewhere stands in for the pipeline's own: it judges one batch while the
    next is read, and the result is the same.
    """
    result = Replay()
    batch: list[bytes] = []
    places: list[tuple[Path | None, int]] = []
    read = pipeline.position[0]
    pending: list[list[Message]] = []

    def note(said: list[Message]) -> None:
        result.stream += result.standing.take(said)
        result.refused += (message for message in said if message.topic == "searches.refused")
        result.late += (message for message in said if message.topic == "searches.late")

    def locate(said: list[Message]) -> None:
        letter = next((message for message in said if message.topic == "searches.refused"), None)
        if letter is not None and result.first_refused is None:
            told = msgspec.json.decode(letter.value, type=DeadLetter)
            file, line = places[told.source_offset - read]
            result.first_refused = f"{file}, line {line}: {told.detail}"

    def settle() -> None:
        if watch is not None and pending:
            note(pending.pop() + pipeline.noted(watch.output()))

    def flush() -> None:
        nonlocal read
        if watch is None:
            said = pipeline.feed(batch)
            note(said)
        else:
            packs, said = pipeline.take(batch)
            settle()
            watch.hand_over(packs)
            pending.append(said)
        locate(said)
        read += len(batch)
        batch.clear()
        places.clear()

    for item in outgoing(files, ticker, close=close, in_order=in_order):
        batch.append(item.value)
        places.append((item.file, item.line))
        result.lines += item.file is not None
        if len(batch) >= AT_ONCE:
            flush()
            yield result
    flush()
    settle()
    yield result
