"""One ingest, and the watch stage of every configuration that can share it.

What ingest does hangs on agencies, sources, roster and pseudonyms, and what it says of sources on the
detectors of sources. Configurations that agree in these differ in nothing before the watch stage but the
digest that their alerts name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Struct

from analysis.backtesting.watching import Watch, watching
from models.alert import decode_alert, encode_alert
from models.detectors import discover
from models.detectors.base import SourceDetector
from models.ingest import DeadLetter
from models.pipeline import Standing
from models.stage import Message
from streams.configuration import Configuration
from streams.settings import Settings
from streams.stages import chosen, pipeline, stage_kinds

#: Refused lines that are kept with their reasons; the others are counted.
MOST_REFUSED = 10_000


@dataclass(frozen=True)
class Subject:
    """A configuration to be tried, as it was loaded."""

    settings: Settings
    configuration: Configuration

    @property
    def digest(self) -> str:
        """The configuration's digest."""
        return self.configuration.digest

    @property
    def ingest_digest(self) -> tuple[object, ...]:
        """Equal for configurations that can share an ingest."""
        functions = discover()
        sources = [
            (one.name, one.function, msgspec.json.encode(one.settings, order="deterministic"))
            for one in chosen(self.configuration)
            if issubclass(functions[one.function], SourceDetector)
        ]
        return self.configuration.reference.digest, tuple(sorted(sources))


class Refused(Struct, frozen=True, array_like=True):
    """A line that is no search: its number through all logs, and why."""

    line: int
    reason: str
    field: str | None
    detail: str


class Outcome(Struct):
    """What one configuration gave so far: the last record of each alert, and counts."""

    alerts: list[bytes]
    counts: dict[tuple[str, str], int]


class LaneState(Struct, array_like=True):
    """A lane between two batches."""

    offset: int
    packs: int
    ingest: dict[str, bytes]
    watches: list[dict[str, bytes]]
    outcomes: list[Outcome]
    counts: dict[tuple[str, str], int]
    refused: list[Refused]


class Lane:
    """Configurations that share an ingest, for some sources. To be closed by the stack."""

    def __init__(
        self, subjects: Sequence[Subject], sources: Sequence[str], stack: ExitStack, *, apart: bool
    ) -> None:
        first = subjects[0]
        self._subjects = subjects
        self._pipeline = pipeline(first.settings, first.configuration, frozenset(sources).__contains__)
        self._watches: list[Watch] = []
        for one in subjects:
            kinds = {kind.name: kind for kind in stage_kinds(one.settings, one.configuration)}
            self._watches.append(watching(kinds["watch"], stack, apart=apart))
        self._standing = [Standing() for _ in subjects]
        self._counts: list[Counter[tuple[str, str]]] = [Counter() for _ in subjects]
        self._pending: list[Message] | None = None
        self.refused: list[Refused] = []

    def feed(self, values: Sequence[bytes], lines: Sequence[int]) -> None:
        """Take raw messages; `lines` says which line of the logs each is."""
        begin = self._pipeline.position[0]
        packs, said = self._pipeline.take(values)
        self.settle()
        for watch in self._watches:
            watch.hand_over(packs)
        self._pending = said
        for message in said:
            if message.topic == "searches.refused" and len(self.refused) < MOST_REFUSED:
                letter = msgspec.json.decode(message.value, type=DeadLetter)
                line = lines[letter.source_offset - begin]
                self.refused.append(Refused(line, letter.reason, letter.field, letter.detail))

    def settle(self) -> None:
        """Take what became of the messages that were fed last."""
        if self._pending is None:
            return
        about_sources = [message for message in self._pending if message.topic == "alerts"]
        self._pending = None
        for subject, watch, standing, counts in zip(
            self._subjects, self._watches, self._standing, self._counts, strict=True
        ):
            output = watch.output()
            standing.put(
                msgspec.structs.replace(decode_alert(one.value), config_digest=subject.digest)
                for one in about_sources
            )
            standing.take(output.messages)
            counts.update(output.counts)

    def outcomes(self) -> list[Outcome]:
        """What each configuration gave so far, the counts of the shared ingest in it."""
        return self._said(Counter(self._pipeline.counts))

    def _said(self, shared: Counter[tuple[str, str]]) -> list[Outcome]:
        return [
            Outcome([encode_alert(one) for one in standing.alerts(withdrawn=True)], dict(counts + shared))
            for standing, counts in zip(self._standing, self._counts, strict=True)
        ]

    def state(self) -> LaneState:
        """All of it, to go on from. `settle` must have been called."""
        return LaneState(
            *self._pipeline.position,
            self._pipeline.ingest.snapshot(full=True),
            [watch.whole() for watch in self._watches],
            self._said(Counter()),
            self._pipeline.counts,
            self.refused,
        )

    def go_on(self, state: LaneState) -> None:
        """Take back what `state` gave. Raises ValueError when it cannot be read."""
        self._pipeline.ingest.restore(state.ingest)
        self._pipeline.resume(state.offset, state.packs)
        self._pipeline.counts = state.counts
        self.refused = state.refused
        for watch, blocks in zip(self._watches, state.watches, strict=True):
            watch.restore(blocks)
        for standing, counts, outcome in zip(self._standing, self._counts, state.outcomes, strict=True):
            standing.put(map(decode_alert, outcome.alerts))
            counts.update(outcome.counts)


def lanes(
    subjects: Sequence[Subject], sources: Sequence[str], stack: ExitStack, *, apart: bool
) -> list[tuple[list[int], Lane]]:
    """The lanes that some configurations need, each with the places of its configurations."""
    shared: dict[Any, list[int]] = {}
    for place, one in enumerate(subjects):
        shared.setdefault(one.ingest_digest, []).append(place)
    return [
        (places, Lane([subjects[place] for place in places], sources, stack, apart=apart))
        for places in shared.values()
    ]
