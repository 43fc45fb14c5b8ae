"""Rows of features from a log, by the code that makes them live.

The log goes through the stages of a worker. Where `trained_profile` would judge a Sunday, what it would
judge is kept instead: the same rows, from the same object, on the same day.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from models.alert import Finding
from models.detectors.base import Day
from models.detectors.trained_profile import TrainedProfile, TrainedProfileSettings
from models.pipeline import Pipeline
from models.reference import Reference
from models.statistics.negative_binomial import Floats
from models.statistics.profiles import FEATURES, WEEKS
from models.ticking import Ticker
from models.watch import WatchStage
from streams.replay import replay
from streams.survey import survey

#: Columns that say whose row it is and of which four weeks; the features follow.
KEYS = ("agency", "sunday", "requester", "unit")


@dataclass
class _Sunday:
    agency: str
    day: int
    requesters: list[str]
    units: list[str]
    values: Floats


class _Collector(TrainedProfile):
    """Keeps what would be judged. Not among the detectors, since it stands in no file of theirs."""

    kept: list[_Sunday]

    def _judge(self, day: Day) -> list[Finding]:
        rows, values, _ = self._profiles.compared(self.settings.minimum_searches)
        # The first weeks of a log are no whole four.
        if len(rows) and day.number - self._first_day >= 7 * WEEKS:
            names = [self._profiles.names[row] for row in rows.tolist()]
            units = [self._profiles.units[row] for row in rows.tolist()]
            self.kept.append(_Sunday(self.agency_id, day.number, names, units, values))
        return []


def collecting(reference: Reference, minimum_searches: int) -> tuple[Pipeline, list[_Sunday]]:
    """A pipeline that finds nothing and keeps the rows, and where it keeps them."""
    kept: list[_Sunday] = []
    settings = TrainedProfileSettings(minimum_searches=minimum_searches)

    def detectors(agency_id: str) -> Sequence[TrainedProfile]:
        one = _Collector("collector", settings, reference, agency_id)
        one.kept = kept
        return [one]

    pipeline = Pipeline(reference, [], "")
    pipeline.watch = WatchStage(reference, detectors, "")
    return pipeline, kept


def frame(kept: Iterable[_Sunday]) -> Any:
    """What was kept as a pandas DataFrame, by Sunday and then as it was judged."""
    import pandas as pd

    parts = []
    for one in sorted(kept, key=lambda one: (one.day, one.agency)):
        part = pd.DataFrame(one.values, columns=list(FEATURES))
        keys = (one.agency, date.fromordinal(one.day).isoformat(), one.requesters, one.units)
        for place, (name, values) in enumerate(zip(KEYS, keys, strict=True)):
            part.insert(place, name, values)
        parts.append(part)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*KEYS, *FEATURES])


def features(files: Sequence[Path], reference: Reference, minimum_searches: int) -> tuple[Any, int]:
    """The rows of files of events as a pandas DataFrame, and how many searches were taken.

    One row for each requester and Sunday: KEYS, then FEATURES.
    """
    pipeline, kept = collecting(reference, minimum_searches)
    for _ in replay(files, pipeline, Ticker(sources=survey(files).sources), in_order=True):
        pass
    return frame(kept), pipeline.counts.get(("accepted", ""), 0)


def data_digest(files: Sequence[Path]) -> str:
    """SHA-256 of the bytes of files, one after the other."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
