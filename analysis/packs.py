"""A log taken in once, to be watched again and again with other settings.

What ingest makes of a log hangs on no setting of a detector that watches an agency. Its packs are kept in
memory, about 200 bytes a search, and each trial reads them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from analysis.backtesting.feeding import Feed, Position
from analysis.backtesting.lanes import Subject
from analysis.backtesting.logs import prepare
from analysis.backtesting.parts import partition
from analysis.backtesting.survey import survey
from models.alert import Alert
from models.detectors import settings_types
from models.detectors.base import Detector
from models.packing import decode_pack
from models.panel import Chosen, Panel
from models.pipeline import Standing
from models.stage import Record
from models.watch import WatchStage
from streams.exits import Stop
from streams.serving import Pointer
from streams.stages import chosen, pipeline

#: Packs that are watched together: any number gives the same.
AT_ONCE = 50


@dataclass(frozen=True)
class TakenIn:
    """A log after ingest. `about_sources` are the alerts that ingest raised, `first` is the
    time of the earliest search, epoch seconds."""

    subject: Subject
    packs: tuple[Record, ...]
    about_sources: list[Alert]
    searches: int
    first: float

    @property
    def stanzas(self) -> list[Chosen]:
        """The stanzas that are switched on."""
        return chosen(self.subject.configuration)

    def stanza(self, name: str) -> Chosen:
        """One of them, on or off. Raises Stop when there is none of the name."""
        return find_stanza(self.subject, name)

    def watch(self, detectors: Callable[[str], Sequence[Detector]], *, budget: bool) -> list[Alert]:
        """The alerts that stand in the end when these detectors watch each agency."""
        configuration = self.subject.configuration
        stage = WatchStage(
            configuration.reference, detectors, configuration.digest, configuration.budget if budget else None
        )
        standing = Standing()
        for first in range(0, len(self.packs), AT_ONCE):
            standing.take(stage.absorb(self.packs[first : first + AT_ONCE]).messages)
        return standing.alerts()

    def panel(self, stanzas: Sequence[Chosen]) -> Panel:
        """Detectors of some stanzas."""
        return Panel(stanzas, self.subject.configuration.reference)


def find_stanza(subject: Subject, name: str) -> Chosen:
    """A stanza of a configuration, on or off. Raises Stop, naming those that there are."""
    stanzas = {one.name: one for one in subject.configuration.detectors}
    if name not in stanzas:
        raise Stop(f"there is no stanza {name} in detectors.yaml; there are {', '.join(sorted(stanzas))}")
    found = stanzas[name]
    settings = msgspec.convert(found.settings, settings_types()[found.function])
    return Chosen(name=found.name, function=found.function, settings=settings)


def take_in(subject: Subject, files: Sequence[Path]) -> TakenIn:
    """Read files of events as a back-test does. Raises Stop when one cannot be read."""
    reference = subject.configuration.reference
    with tempfile.TemporaryDirectory(prefix="probewatch-analysis-") as name:
        logs = prepare(files, Path(name), in_order=False)
        found = survey([log.path for log in logs], {one for one in reference.sources if one != "*"}, 1)
        dealt = partition(found, [reference], 1)
        feed = Feed(
            [log.path for log in logs], found.sizes, dealt.of_line, 0, dealt.sources[0], found.ticks,
            Pointer(subject.settings.models_dir).look(),
        )  # fmt: skip
        machine = pipeline(subject.settings, subject.configuration)
        standing, packs = Standing(), list[Record]()
        for batch in feed.batches(Position()):
            new, said = machine.take(batch.values)
            packs += new
            standing.take(said)
    times = [decode_pack(one.value).searches.times for one in packs]
    if not any(map(len, times)):
        raise Stop(f"there is no search in {', '.join(map(str, files))}")
    return TakenIn(
        subject,
        tuple(packs),
        standing.alerts(),
        machine.counts.get(("accepted", ""), 0),
        min(float(own.min()) for own in times if len(own)),
    )
