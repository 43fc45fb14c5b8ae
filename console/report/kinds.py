"""What the figures tell apart, and in which words.

A list is fixed before anything is counted: it comes from the configuration or stands here, with a place for
all else. So neither a word that somebody typed nor the presence of a row tells anything. Units alone come
from the log; see `large`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import get_args

from models.alert import SEVERITIES
from models.reference import Reference
from models.search import ImageSource

#: The category of what no list names, and of small units.
OTHER = "*"


@dataclass(frozen=True)
class Dimension:
    """One thing by which is counted: its categories in order, each with its words."""

    name: str
    title: str
    words: Mapping[str, str]

    def place(self, category: str) -> str:
        """The category, or the one for all others."""
        return category if category in self.words else OTHER


def large(members: Mapping[str, set[str]], least: int) -> frozenset[str]:
    """The units that are told by name: those in which at least so many requesters searched.

    All others are counted together; where they have too few requesters even then, the next smallest
    units join them.

    >>> sorted(large({"a": {"1"}, "b": {"2", "3"}, "c": {"4", "5", "6"}}, 2))
    ['c']
    """
    ordered = sorted(members, key=lambda unit: (len(members[unit]), unit))
    pool: set[str] = set()
    for place, unit in enumerate(ordered):
        if len(members[unit]) >= least and (not pool or len(pool) >= least):
            return frozenset(ordered[place:])
        pool |= members[unit]
    return frozenset()


def of_searches(reference: Reference, units: Iterable[str]) -> list[Dimension]:
    """The dimensions of searches. `units` are told by name; others have too few requesters."""
    purposes = sorted({name for pack in reference.policy.packs.values() for name in pack.purposes})
    named = {unit: unit for unit in sorted(units)}
    named[OTHER] = "other units, together" if named else "all units together"
    recorded = {"yes": "yes", "no": "no", "unknown": "not recorded"}
    return [
        Dimension("purpose", "Purpose", {**_plain(purposes), OTHER: "a purpose that no policy names"}),
        Dimension(
            "tool",
            "Tool",
            {
                **{tool.tool: tool.name or tool.tool for tool in reference.tools.tools},
                OTHER: "a tool that the register does not know",
            },
        ),
        Dimension("unit", "Unit", named),
        Dimension("image_source", "Source of the image", _plain(get_args(ImageSource))),
        Dimension("lead", "Lead issued", recorded),
        Dimension("corroborated", "Other evidence recorded", recorded),
        Dimension("arrest", "Arrest made", recorded),
    ]


def of_alerts(detectors: Iterable[str]) -> list[Dimension]:
    """The dimensions of alerts."""
    return [
        Dimension(
            "detector",
            "Detector",
            {**{name: name for name in sorted(detectors)}, OTHER: "a detector that is no longer configured"},
        ),
        Dimension("severity", "Severity", {name: name for name in reversed(SEVERITIES)}),
        Dimension(
            "outcome",
            "What came of it",
            {
                "confirmed": "confirmed",
                "explained": "explained",
                "false_alarm": "false alarm",
                "needs_policy_change": "needs a change of policy",
                "open": "not decided yet",
                "withdrawn": "taken back by the program",
            },
        ),
        Dimension(
            "acknowledged",
            "Time to acknowledge",
            {"day": "within a day", "week": "within 7 days", "later": "later", "never": "not acknowledged"},
        ),
    ]


def _plain(names: Iterable[str]) -> dict[str, str]:
    return {name: name.replace("_", " ") for name in names}
