"""Python's cycle collector, told what kind of program this is."""

from __future__ import annotations

import gc

#: New containers before a look at the young ones, then rounds before older ones are looked at.
#: Searches, alerts and state hold no cycles; by default a third of the time of a busy stage went into
#: walking millions of them again and again.
THRESHOLDS = (500_000, 50, 100)


def calm() -> None:
    """Leave what is loaded by now alone, and look for cycles seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
