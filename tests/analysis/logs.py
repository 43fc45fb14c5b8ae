"""Logs that back-tests are tried on: several agencies, one with two sources, one source for two agencies."""

from __future__ import annotations

from pathlib import Path
from random import Random

from models.search import Search, encode_search
from tests.live import BAD, DETECTORS
from tests.logs import Plan

#: Agencies by what ties them: `north` and `south` share a source.
AGENCIES = ("lapd", "east", "north", "south")
SOURCES = """
sources:
  - {source_id: east-feed, agency_id: east}
  - {source_id: quiet-feed, agency_id: quiet}
"""


def searches(days: int = 24) -> list[Search]:
    """Searches of all agencies, in the order of event_time."""
    found = []
    for salt, agency in enumerate(AGENCIES):
        plan = Plan(agency=agency, rate=5, burst_day=days - 6, quiet_from=days - 12, favourite=1,
                    missing=frozenset({17}), salt=salt, days=days)  # fmt: skip
        for one in plan.searches():
            one.source_id = "shared" if agency in ("north", "south") else f"{agency}-{one.source_id}"
            one.event_id = f"{agency}-{one.event_id}"
            found.append(one)
    return sorted(found, key=lambda one: one.event_time)


def lines(days: int = 24) -> list[bytes]:
    """The same as lines, with repeats, small disorder, and lines that are no searches."""
    chance = Random(5)
    found = [encode_search(one) for one in searches(days)]
    for place in range(0, len(found) - 30, 25):
        other = place + chance.randrange(1, 20)
        found[place], found[other] = found[other], found[place]
    for place, (bad, _) in enumerate(BAD):
        found.insert(40 + 37 * place, bad)
    for place in range(100, len(found), 150):
        found.insert(place, found[place - 1])
    found.insert(60, b"")
    return found


def write(folder: Path, detectors: str = DETECTORS) -> Path:
    """A folder of configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "detectors.yaml").write_text(detectors)
    (folder / "sources.yaml").write_text(SOURCES)
    return folder
