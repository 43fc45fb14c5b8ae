"""An incident or decoy before it is written: the rows it adds, or the rows it takes away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bench.simulator.searches import Table
from models.alert import Kind

#: Strength of an incident at each level, in standard deviations of honest behaviour. Level 4 is as
#: strong as 3, and evades: what that means is the scenario's own.
LEVEL_SD = {1: 10.0, 2: 5.0, 3: 3.0, 4: 3.0}
EVADING = 4


@dataclass(frozen=True)
class Outage:
    """Rows that never reach the log, on days `first` to `last` (exclusive): those of a feed, an
    officer or a tool, or of all when neither is given.

    `share` of the rows are lost. With `renumbered` the feed's counter does not know of them, as
    when the gateway itself is down; without, they leave gaps in the sequence, as when rows are
    taken out of a finished log.
    """

    feed: int | None
    first: int
    last: int
    share: float = 1.0
    renumbered: bool = True
    officer: int | None = None
    tool: int | None = None

    def takes(self, table: Table) -> NDArray[np.bool_]:
        """The rows that it may take."""
        taken = np.asarray((table["day"] >= self.first) & (table["day"] < self.last))
        for name in ("feed", "officer", "tool"):
            only = getattr(self, name)
            if only is not None:
                taken &= table[name] == only
        return taken

    def meets(self, other: Outage, apart: int) -> bool:
        """Whether two outages could be taken for one: the same rows, less than `apart` days between."""
        shared = self.feed is None or other.feed is None or self.feed == other.feed
        narrow = any(one is not None for one in (self.officer, self.tool, other.officer, other.tool))
        return shared and not narrow and self.first < other.last + apart and other.first < self.last + apart


@dataclass
class Incident:
    """What one scenario does to the log, and what its label will say.

    `rows` are added to the log. `where` picks rows that are there anyway (decoys). Without either,
    `days` (first, last exclusive) says when it happened.
    """

    scenario: str
    level: int
    kind: Kind | Literal["report"]
    title: str
    keys: dict[str, tuple[str, ...]]
    detectors: tuple[str, ...] = ()
    clauses: tuple[str, ...] = ()
    rows: Table | None = None
    where: Callable[[Table], NDArray[np.bool_]] | None = None
    days: tuple[int, int] | None = None
    outage: Outage | None = None
    subjects: tuple[int, ...] = field(default=())
    """Subjects that belong to the keys, by number."""
    cases: tuple[int, ...] = field(default=())
    """Cases that belong to the keys, by number."""
