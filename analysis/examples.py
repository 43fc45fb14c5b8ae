"""A simulated log for whoever has none of their own: with it the notebooks begin."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import msgspec

from bench.simulator.generate import build, simulate
from streams.commands.config import SHIPPED

#: Sentence that stands above everything that is shown of such a log.
SAID = (
    "This is a **simulated** log: officers, searches and misuse are made up, and what is found here says "
    "nothing about any department."
)


def simulated_log(folder: Path, days: int = 365, seed: int = 0) -> Path:
    """A city's first `days` (365 at most), misuse and honest traps among them; returns the events.

    The folder also gets labels.jsonl and decoys.jsonl of the whole year, and is a configuration.
    """
    simulate(build("5k", seed, years=1), folder, SHIPPED)
    events = folder / "events.jsonl"
    lines = events.read_bytes().splitlines(keepends=True)
    last = _time(lines[0]) + timedelta(days=days)
    events.write_bytes(b"".join(line for line in lines if _time(line) < last))
    return events


class City(NamedTuple):
    """A folder that `simulate` made."""

    folder: Path
    """Events, labels and decoys; it is a configuration too."""
    said: str
    """Whose log it is, to stand above what is shown of it."""
    kept: TemporaryDirectory[str] | None = None
    """What the folder lies in when it was made here: it is gone when nobody holds this any more."""


def city_of(folder: Path | None) -> City:
    """The city in a folder; None: one is simulated."""
    if folder is not None:
        return City(folder, f"The log is that of {folder}.")
    kept = TemporaryDirectory(prefix="probewatch-notebook-")
    simulated_log(Path(kept.name))
    return City(Path(kept.name), SAID, kept)


class _Timed(msgspec.Struct):
    event_time: datetime


def _time(line: bytes) -> datetime:
    return _decode(line).event_time


_decode = msgspec.json.Decoder(_Timed).decode
