"""The logs that benchmarks read: one big city, made by the simulator, or a national log."""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice
from pathlib import Path

import yaml

from bench.national import National
from bench.simulator.generate import build, simulate
from streams.demo.worker import ROOT
from streams.exits import Stop

#: Searches a year of the largest simulated city, about.
A_YEAR = 990_000


def city(folder: Path, searches: int, seed: int) -> Path:
    """The first searches of one big city; the folder becomes its configuration. The file of events."""
    simulate(build("1M", seed, max(1, -(-searches // A_YEAR))), folder, ROOT / "config")
    file = folder / "part.jsonl"
    with (folder / "events.jsonl").open("rb") as lines, file.open("wb") as part:
        part.writelines(islice(lines, searches))
    (folder / "events.jsonl").unlink()
    return file


def national(folder: Path, log: National) -> Path:
    """A national log; the folder becomes its configuration. The file of events."""
    log.configure(folder)
    file = folder / "events.jsonl"
    log.write(file)
    return file


def switch_off_all_but(names: Collection[str], folder: Path) -> None:
    """Give a configuration the detectors as they are shipped, with only some stanzas switched on. Raises
    Stop when one of them is not there."""
    file = folder / "detectors.yaml"
    content = yaml.safe_load((ROOT / "config" / file.name).read_text())
    stanzas = content["detectors"]
    if unknown := sorted(set(names) - stanzas.keys()):
        raise Stop(f"no stanza {', '.join(unknown)} in {file.name}; there are {', '.join(sorted(stanzas))}")
    for name, stanza in stanzas.items():
        stanza["enabled"] = name in names
    file.write_text(yaml.safe_dump(content, sort_keys=False))
