"""The folder of work: what has been surveyed and judged already, so that a run that was cut off goes on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct

from analysis.backtesting.lanes import Subject
from analysis.backtesting.logs import Log
from analysis.backtesting.parts import Partition
from analysis.backtesting.running import done_file
from analysis.backtesting.survey import Pair, Passing
from models.detectors import discover
from models.ingest import IngestStage
from models.serving import Statement
from models.watch import WatchStage
from streams.exits import Stop
from streams.whole_file import whole_file


class Request(Struct, frozen=True):
    """What was asked for; work is gone on with only for the very same."""

    inputs: list[tuple[str, int, int]]
    """Each file with its size and the time of its last change; or a topic with its span."""
    digests: list[str]
    keyed: str
    in_order: bool
    close: bool
    tick_seconds: float
    versions: dict[str, int]
    """Of the stages and detectors: state of others cannot be gone on from."""


class Plan(Struct, frozen=True):
    """What is to be done, written once all logs have been surveyed."""

    request: Request
    logs: list[tuple[str, tuple[str, ...], str | None]]
    sizes: list[int]
    pairs: list[Pair]
    ticks: list[Passing]
    sources: list[tuple[str, ...]]
    lines: list[int]
    models: tuple[Statement, ...] = ()
    """What is said of trained models, as it was when the work began."""

    def the_logs(self) -> list[Log]:
        """The logs."""
        return [Log(Path(path), names, beside and Path(beside)) for path, names, beside in self.logs]  # type: ignore[arg-type]


class Work:
    """One folder. Made empty, unless its work is to be gone on with."""

    def __init__(self, folder: Path, request: Request, *, resume: bool) -> None:
        """Raises Stop when the work to go on with is of another run, OSError when nothing can be written."""
        self.folder = folder
        self._request = request
        self.plan = self._read() if resume else None
        if self.plan is None:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        elif (why := _difference(self.plan.request, request)) is not None:
            raise Stop(
                f"the work in {folder} cannot be gone on with: {why}; leave --resume out to begin anew"
            )

    def write(self, logs: Sequence[Log], sizes: list[int], pairs: list[Pair], ticks: list[Passing],
              dealt: Partition, models: tuple[Statement, ...]) -> Plan:  # fmt: skip
        """Write down what is to be done."""
        np.save(self.folder / "lines.npy", dealt.of_line)
        told = [(str(one.path.resolve()), one.names, one.places and str(one.places)) for one in logs]
        plan = Plan(self._request, told, sizes, pairs, ticks, list(dealt.sources), list(dealt.lines), models)  # type: ignore[arg-type]
        with whole_file(self.folder / "plan.msgpack") as stream:
            stream.write(msgspec.msgpack.encode(plan))
        self.plan = plan
        return plan

    def dealt(self) -> Partition:
        """Which part each line belongs to."""
        assert self.plan is not None
        of_line = np.load(self.folder / "lines.npy", mmap_mode="r")
        return Partition(of_line, tuple(self.plan.sources), tuple(self.plan.lines))

    def undone(self) -> list[int]:
        """The parts that have not been judged to their end, the largest first."""
        assert self.plan is not None
        left = [part for part in range(len(self.plan.sources)) if not done_file(self.folder, part).exists()]
        return sorted(left, key=lambda part: -self.plan.lines[part])  # type: ignore[union-attr]

    def remove(self) -> None:
        """All is done."""
        shutil.rmtree(self.folder)

    def _read(self) -> Plan | None:
        path = self.folder / "plan.msgpack"
        try:
            return msgspec.msgpack.decode(path.read_bytes(), type=Plan)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            raise Stop(f"{path} cannot be read ({error}); leave --resume out to begin anew") from error


def request(
    subjects: Sequence[Subject],
    inputs: Sequence[Path],
    span: str,
    *,
    in_order: bool,
    close: bool,
    tick_seconds: float,
    keyed: str,
) -> Request:
    """What is asked for. `span` stands for a topic and a range of time, empty without; `keyed` is a digest
    that differs with the key of the pseudonyms. Raises Stop when a file is not there."""
    versions = {name: kind.version for name, kind in discover().items()}
    versions |= {"ingest": IngestStage.version, "watch": WatchStage.version}
    told = []
    for path in inputs:
        try:
            about = os.stat(path)
        except OSError as error:
            raise Stop(f"cannot read {path}: {error.strerror}") from error
        told.append((str(path.resolve()), about.st_size, about.st_mtime_ns))
    if span:
        told.append((span, 0, 0))
    return Request(told, [one.digest for one in subjects], keyed, in_order, close, tick_seconds, versions)


def _difference(before: Request, now: Request) -> str | None:
    """What is not as it was, in words."""
    for name, words in (
        ("inputs", "the input has changed"),
        ("digests", "a configuration has changed"),
        ("keyed", "the key of the pseudonyms is another one"),
        ("versions", "a detector has been rewritten since"),
    ):
        if getattr(before, name) != getattr(now, name):
            return words
    return None if before == now else "other options were given"
