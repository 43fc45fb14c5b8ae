"""Replay with thresholds opened wide beside the shipped ones, and hear what every detector finds.

Each anomaly stanza runs twice: as it is shipped, and once more under another name with the largest alpha
it permits. What the second one finds when a day closes is noted with its score and goes no further, so
that one replay gives the shipped alerts and the scores of all others. How its p-values fell is noted too, day
by day.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from types import MappingProxyType

import msgspec

from models.alert import Alert, Finding
from models.detectors import settings_types
from models.detectors.base import Day, Detector, Settings
from models.detectors.demonstration_spike import DemonstrationSpikeSettings
from models.p_values import BOUNDS
from models.panel import Chosen, Panel
from models.ticking import Ticker
from models.watch import WatchStage
from streams.configuration import load
from streams.documentation.tables import fields
from streams.replay import Replay, replay
from streams.settings import load_settings
from streams.stages import chosen, pipeline
from streams.survey import survey

#: No stanza is opened wider, also where more is permitted: a hundred times what the largest budget spends.
WIDEST = 0.1
#: But for those that judge so few series on so few days that only all of it spends the largest budget.
SELDOM = (DemonstrationSpikeSettings,)
#: An episode that does not end within the log: a window is then judged on every day, also when it
#: reaches back to an alert, and `bench.detection.findings` puts alerts together for each threshold.
ENDLESS = 365
OPENED = "opened:"


@dataclass
class Heard:
    """`alerts` are those of the shipped stanzas in the order written; `findings` of each opened stanza
    have the ordinal of the day that was closed."""

    alerts: list[Alert]
    functions: dict[str, str]
    """Stanza to function."""
    findings: dict[str, list[tuple[int, Finding]]] = field(default_factory=dict)
    fallen: dict[str, dict[int, Counter[int]]] = field(default_factory=dict)
    """By opened stanza and day (ordinal): how many p-values fell into each class of `models.p_values`."""

    def below(self, stanza: str, first: int, last: int) -> list[int]:
        """How many p-values of the days `first` to `last` (exclusive) lie at or below each of `BOUNDS`."""
        total = Counter[int]()
        for day, fell in self.fallen.get(stanza, {}).items():
            if first <= day < last:
                total.update(fell)
        return list(accumulate(total[place] for place in range(len(BOUNDS))))


def permitted(kind: type[Settings]) -> float | None:
    """The largest alpha that a detector's settings permit, as a rule at most `WIDEST`; None without any."""
    widest = 1.0 if kind in SELDOM else WIDEST
    for one in fields(kind):
        if one.name == "alpha":
            limit = getattr(one.type, "le", None)
            return widest if limit is None else min(widest, float(limit))
    return None


def opened(stanzas: Iterable[Chosen], changes: Mapping[str, object] = MappingProxyType({})) -> list[Chosen]:
    """The stanzas that have an alpha, opened and renamed. `changes` go to all that have such a setting.

    Raises `msgspec.ValidationError` for a value that is not permitted.
    """
    found = []
    for stanza in stanzas:
        kind = type(stanza.settings)
        alpha = permitted(kind)
        if alpha is not None:
            known = msgspec.to_builtins(stanza.settings)
            wide = {"alpha": alpha, "episode_days": ENDLESS, **changes}
            changed = known | {name: value for name, value in wide.items() if name in known}
            settings = msgspec.convert(changed, kind)
            found.append(Chosen(name=OPENED + stanza.name, function=stanza.function, settings=settings))
    return found


class Overheard(Detector):
    """A detector whose findings are noted instead of told. It has no fast lane and no state to keep."""

    function = "overheard"
    bytes_per_key = 0

    def __init__(
        self,
        inner: Detector,
        into: list[tuple[int, Finding]],
        fallen: dict[int, Counter[int]] | None = None,
    ) -> None:
        # Without an alpha: the budget of the shipped stanzas is not theirs.
        super().__init__(inner.name, Settings(), inner.reference, inner.agency_id)
        self._inner = inner
        self._into = into
        self._fallen = {} if fallen is None else fallen

    def close(self, day: Day) -> Iterator[Finding]:
        """Note what the inner detector finds."""
        self._into += ((day.number, finding) for finding in self._inner.close(day))
        if self._inner.p_values.some or self._inner.p_values.ever:
            fell = self._inner.p_values.take(self._inner.tested(day))
            self._fallen.setdefault(day.number, Counter()).update(fell)
        return iter(())

    def snapshot(self) -> dict[str, bytes]:
        """Nothing: a replay is not resumed."""
        return {}

    def restore(self, blocks: object) -> None:
        """Nothing."""


def hear(folder: Path, shipped: Path, changes: Mapping[str, object] = MappingProxyType({})) -> Heard:
    """Replay the events of a simulated folder, which is a configuration too."""
    configuration = load(folder, shipped, settings_types())
    machine = pipeline(load_settings(config_dir=folder), configuration)
    stanzas = chosen(configuration)
    own, wide = (
        Panel(stanzas, configuration.reference),
        Panel(opened(stanzas, changes), configuration.reference),
    )
    heard = Heard([], {stanza.name: stanza.function for stanza in stanzas})

    def detectors(agency_id: str) -> Sequence[Detector]:
        listening = [
            Overheard(one, heard.findings.setdefault(stanza, []), heard.fallen.setdefault(stanza, {}))
            for one in wide.agency(agency_id)
            for stanza in (one.name.removeprefix(OPENED),)
        ]
        return (*own.agency(agency_id), *listening)

    machine.watch = WatchStage(configuration.reference, detectors, configuration.digest, configuration.budget)
    file = folder / "events.jsonl"
    result = Replay()
    for growing in replay([file], machine, Ticker(sources=survey([file]).sources)):
        result = growing
    heard.alerts = result.stream
    return heard
