"""Simulations that were written, read back as an outsider would."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from bench.labels import Label, read_labels
from bench.simulator.generate import build, simulate
from bench.simulator.world import World
from models.search import Search

SHIPPED = Path(__file__).parents[2] / "config"

LOS_ANGELES = ZoneInfo("America/Los_Angeles")


@dataclass(frozen=True)
class Simulation:
    """A written simulation, read back as an outsider would."""

    world: World
    directory: Path
    searches: list[Search]
    labels: list[Label]
    decoys: list[Label]

    def labelled(self, scenario: str) -> Label:
        (found,) = [label for label in self.labels if label.scenario == scenario]
        return found

    def of(self, label: Label) -> list[Search]:
        return sorted((self.known[one] for one in label.event_ids), key=lambda one: one.event_time)

    @cached_property
    def known(self) -> dict[str, Search]:
        return {one.event_id: one for one in self.searches}


def configuration(directory: Path, out: Path) -> Path:
    """The reference data of a simulation without its log, and with no detectors."""
    for file in directory.rglob("*"):
        if file.suffix in (".yaml", ".csv"):
            copy = out / file.relative_to(directory)
            copy.parent.mkdir(exist_ok=True)
            copy.write_bytes(file.read_bytes())
    (out / "detectors.yaml").write_text("detectors: {}\n")
    return out


@cache
def made(scale: str, seed: int) -> World:
    """A world that several tests look at."""
    return build(scale, seed, 2)


def write(scale: str, seed: int, out: Path) -> Simulation:
    simulate(made(scale, seed), out, SHIPPED)
    decoder = msgspec.json.Decoder(Search)
    lines = (out / "events.jsonl").read_bytes().splitlines()
    searches = [decoder.decode(line) for line in lines]
    labels, decoys = read_labels(out / "labels.jsonl"), read_labels(out / "decoys.jsonl")
    return Simulation(made(scale, seed), out, searches, labels, decoys)
