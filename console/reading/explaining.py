"""What a detector is, for the reader of its alerts: how it works, what is innocent, what it cannot see."""

from __future__ import annotations

from models.detectors import discover
from models.explained import Explained, explained
from streams.configuration import Configuration

#: No habit is known so well that anybody could tell smaller chances apart.
RAREST = 1e-9


def about(configuration: Configuration, stanza: str) -> Explained | None:
    """What the detector behind a stanza says of itself; None when the configuration has no such stanza."""
    function = next((one.function for one in configuration.detectors if one.name == stanza), None)
    return None if function is None else explained(discover()[function])


def rarity(p_value: float | None, kind: str) -> str:
    """How sure the program is, in words.

    >>> rarity(1e-5, "anomaly").partition(":")[0]
    'Of 100,000 times in which everything is as always, about 1 would look this unusual by chance alone'
    >>> rarity(5e-19, "anomaly").partition(" would")[0]
    'Of 1,000,000,000 times in which everything is as always, less than 1'
    """
    if kind == "policy":
        return (
            "This is about a rule: either the search broke it or the log is wrong. Chance plays no part, so"
            " there is no figure for it."
        )
    if p_value is None:
        return (
            "There is no figure of chance for this kind of finding: what was counted is shown as it is, and"
            " you judge it."
        )
    if p_value > 0.5:
        return "This happens more often than not when everything is as always."
    chance = "among many officers and days some do. It is not the chance that somebody is innocent."
    if p_value < RAREST:
        return (
            f"Of {round(1 / RAREST):,} times in which everything is as always, less than 1 would look this"
            f" unusual by chance alone: {chance}"
        )
    often = 1 / p_value
    digits = 10 ** max(len(str(int(often))) - 1, 0)
    out_of = round(often / digits) * digits
    return (
        f"Of {out_of:,} times in which everything is as always, about 1 would look this unusual by chance"
        f" alone: {chance}"
    )
