"""A log of a small agency, models trained on its first weeks, and a registry of them."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from analysis.loading import desk
from analysis.registry.changes import Change
from analysis.registry.registry import Registry
from analysis.registry.writing import write_artefact, write_comparison
from analysis.training.comparing import compare
from analysis.training.features import features
from analysis.training.fitting import Trained, fit
from models.search import encode_search
from streams.artefacts import read_artefact
from tests.logs import DAY, START, search

STANZA = "trained_profile"
DETECTORS = f"""
detectors:
  {STANZA}: {{function: trained_profile, alpha: 0.05, minimum_history_days: 28, episode_days: 0}}
"""
SOURCES = "sources: [{source_id: feed, agency_id: lapd}]\n"
OFFICERS, WEEKS, LEARNED = 24, 56, 34


def week(number: int) -> float:
    """Begin of a week of the log, epoch seconds; the log begins on a Monday."""
    return START + number * 7 * DAY


def log_of_weeks(first: int = 0, last: int = WEEKS) -> list[bytes]:
    """The lines of some weeks: 24 officers with habits of their own, made up from a fixed seed."""
    found = []
    for number in range(OFFICERS):
        chance = Random(number)
        for day in range(WEEKS * 7):
            for index in range(chance.choice([0, 1, 1, 2, 4])):
                at = day * DAY + chance.uniform(7, 24 if number % 4 else 30) * 3600
                found.append(
                    search(
                        at, f"{number}-{day}-{index}", agency_id="lapd",
                        requester_id=f"officer-{number}", unit_id=f"unit-{number % 3}",
                        case_number=f"c{chance.randrange(9000)}" if chance.random() < 0.8 else None,
                        subject_ref=f"s{chance.randrange(9000)}",
                        workstation_id=f"w{chance.randrange(1 + number % 5)}",
                        purpose=chance.choice(["criminal_investigation", "imminent_threat"]),
                    )
                )  # fmt: skip
    begin, end = week(first), week(last)
    mine = [one for one in found if begin <= one.event_time.timestamp() < end]
    return [encode_search(one) for one in sorted(mine, key=lambda one: (one.event_time, one.event_id))]


class Shop(NamedTuple):
    """Folders of a configuration and of models, and the two candidates in the registry."""

    config: Path
    models: Path
    forest: str
    mixture: str

    @property
    def registry(self) -> Registry:
        return Registry(self.models)

    def log(self) -> Path:
        """The whole log."""
        return self.config.parent / "events.jsonl"


@cache
def rows(config: Path, file: Path) -> tuple[Any, int]:
    """The features of a file and the number of its searches, made once."""
    found = desk(config, None, STANZA)
    return features([file], found.reference, found.stanza.minimum_searches)


def trained(config: Path, models: Path, file: Path, algorithm: str) -> Trained:
    """A pipeline of the first weeks of a file."""
    found = desk(config, models, STANZA)
    frame, searches = rows(config, file)
    last = datetime.fromtimestamp(week(LEARNED), UTC).date().isoformat()
    return fit(
        frame[frame["sunday"] <= last], algorithm, data_sha256="0" * 64, searches=searches,
        minimum_searches=found.stanza.minimum_searches,
    )  # fmt: skip


def open_shop(folder: Path) -> Shop:
    """Train both kinds of models and register them as candidates."""
    config, models = folder / "config", folder / "models"
    config.mkdir(parents=True, exist_ok=True)
    (config / "detectors.yaml").write_text(DETECTORS)
    (config / "sources.yaml").write_text(SOURCES)
    file = folder / "events.jsonl"
    file.write_bytes(b"\n".join(log_of_weeks()) + b"\n")
    digests = []
    for algorithm in ("isolation_forest", "gaussian_mixture"):
        digest = write_artefact(models, trained(config, models, file, algorithm))
        Registry(models).change("analyst-1", Change(action="trained", stanza=STANZA, model=digest))
        digests.append(digest)
    return Shop(config, models, *digests)


def crown(shop: Shop, digest: str, since: float, *, only_shadow: bool = False) -> int:
    """Put a model into shadow and, with a comparison and two people, into service for days that end after
    `since`; the number of the last entry."""
    registry = shop.registry
    say: dict[str, Any] = {"stanza": STANZA, "model": digest}
    entry, models = registry.change("analyst-1", Change(action="shadowed", since=since, **say))
    if only_shadow:
        return entry.seq
    found = desk(shop.config, shop.models, STANZA)
    frame, _ = rows(shop.config, shop.log())
    champion = models.champion(STANZA)
    made = compare(
        frame, STANZA, (digest, read_artefact(shop.models, digest)),
        (champion, read_artefact(shop.models, champion)) if champion else None,
        alpha=found.stanza.alpha, data_sha256="0" * 64,
    )  # fmt: skip
    comparison = write_comparison(shop.models, made)
    registry.change("analyst-1", Change(action="asked", comparison=comparison, **say))
    entry, _ = registry.change(
        "reviewer-1", Change(action="approved", comparison=comparison, since=since, **say)
    )
    return entry.seq
