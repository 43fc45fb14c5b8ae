"""What is scored together: scenarios that misuse in one way, and the detectors that should tell them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.labels import Label

#: False alerts a day and 1,000 officers, and a month of 30 days over all series.
OFFICER_BUDGETS = (0.02, 0.1, 1.0)
SERIES_BUDGETS = (1.0, 4.0)
#: Scenarios that are scored together under one name, and the kinds of entity that they are told by.
#: Every other scenario that is found is a task of its own, told by the kinds that its labels name.
GROUPS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "volume": (("S1", "S2", "S3", "S4", "S5", "S16"), ("requester",)),
    "demonstration": (("S6", "S7"), ("unit", "area", "agency")),
    "stalking": (("S9",), ("requester", "subject", "case")),
}


@dataclass(frozen=True)
class Task:
    """`detectors` are the stanzas or functions that its labels say should tell them; `kinds` what they may
    be about."""

    name: str
    scenarios: tuple[str, ...]
    detectors: frozenset[str]
    kinds: frozenset[str]

    @property
    def series(self) -> bool:
        """Whether it is about a few series, whose false alerts are counted by the month."""
        return "requester" not in self.kinds

    @property
    def budgets(self) -> tuple[float, ...]:
        """The budgets that thresholds are set for."""
        return SERIES_BUDGETS if self.series else OFFICER_BUDGETS

    @property
    def middle(self) -> float:
        """The budget at which delays and decoys are told."""
        return self.budgets[0 if self.series else 1]


def tasks(labels: Iterable[Label]) -> list[Task]:
    """The tasks that some labels hold and thresholds can be set for.

    Breaches of policy and what befalls sources are left out: rules have no threshold, and four sources
    no rate of false alerts by officer. They are judged as shipped.
    """
    by_scenario: dict[str, list[Label]] = {}
    for label in labels:
        if label.kind == "anomaly" and "source" not in label.keys:
            by_scenario.setdefault(label.scenario, []).append(label)
    grouped = {scenario for scenarios, _ in GROUPS.values() for scenario in scenarios}
    found = []
    for name, (scenarios, kinds) in GROUPS.items():
        own = [label for scenario in scenarios for label in by_scenario.get(scenario, ())]
        if own:
            found.append(_task(name, own, kinds))
    for scenario in sorted(by_scenario.keys() - grouped, key=lambda one: (len(one), one)):
        own = by_scenario[scenario]
        kinds = tuple({kind for label in own for kind in label.keys})
        found.append(_task(scenario, own, kinds))
    return found


def _task(name: str, labels: Sequence[Label], kinds: Iterable[str]) -> Task:
    scenarios = tuple(dict.fromkeys(label.scenario for label in labels))
    detectors = frozenset(detector for label in labels for detector in label.detectors)
    return Task(name, scenarios, detectors, frozenset(kinds))
