"""A requester's risk, put together from the alerts that were told; see `models.detectors.risk`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from console.storage.tables import AlertRow
from models.alert import SEVERITIES
from models.detectors.risk import BREACHES, FORGOTTEN, RiskSettings
from streams.configuration import Configuration
from streams.stages import chosen


@dataclass(frozen=True)
class Part:
    """One contribution: who found it (detector and clause), when, and how much of it still counts."""

    detector: str
    day: date
    amount: float
    worth: float


def risk_settings(configuration: Configuration) -> tuple[frozenset[str], RiskSettings]:
    """The names of the stanzas that add up risks, and the settings of the first; else the defaults."""
    found = [one for one in chosen(configuration) if isinstance(one.settings, RiskSettings)]
    settings = [one.settings for one in found if isinstance(one.settings, RiskSettings)]
    return frozenset(one.name for one in found), settings[0] if settings else RiskSettings()


def contributions(
    alerts: Iterable[AlertRow], day: date, zone: str, sums: frozenset[str], settings: RiskSettings
) -> list[Part]:
    """What each alert that stood on a local day adds to the risk on it, by the rules of the detector.

    `sums` are the stanzas that add up themselves. The detector also counts findings that the budget held
    back, and an alert that went on for weeks more than once, so its own sum may be larger.
    """
    found = []
    for row in alerts:
        decided = row.decided_at.astimezone(ZoneInfo(zone)).date()
        if row.status == "withdrawn" or decided > day or row.detector in sums:
            continue
        told = BREACHES[SEVERITIES[row.severity_rank]] if row.p_value is None else row.score
        amount = min(told, settings.cap)
        worth = amount * 0.5 ** ((day - decided).days / settings.half_life_days)
        if amount > 0 and worth >= FORGOTTEN * amount:
            name = f"{row.detector} {row.clause}" if row.clause else row.detector
            found.append(Part(name, decided, amount, float(worth)))
    return found
