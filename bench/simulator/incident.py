"""An incident or decoy before it is written: the rows it adds, or the rows it takes away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bench.simulator.searches import Table
from models.alert import Kind

#: Strength of an incident at each level, in standard deviations of honest behaviour.
LEVEL_SD = {1: 10.0, 2: 5.0, 3: 3.0}


@dataclass(frozen=True)
class Outage:
    """Rows of one feed that never reach the log, on days `first` to `last` (exclusive).

    `share` of the rows are lost. With `renumbered` the feed's counter does not know of them, as
    when the gateway itself is down; without, they leave gaps in the sequence, as when rows are
    taken out of a finished log.
    """

    feed: int
    first: int
    last: int
    share: float = 1.0
    renumbered: bool = True


@dataclass
class Incident:
    """What one scenario does to the log, and what its label will say.

    `rows` are added to the log. `where` picks rows that are there anyway (decoys). Without either,
    `days` (first, last exclusive) says when it happened.
    """

    scenario: str
    level: int
    kind: Kind
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
