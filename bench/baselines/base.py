"""What a plain detector is: it scores every day of every key at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Skipped(Exception):
    """A baseline cannot be run here; the text says what is missing."""


@dataclass(frozen=True)
class Scores:
    """`value` (keys x days): the higher, the more suspicious; `window`: how many days that end with a
    day its score speaks of, of the same shape or one number for all."""

    value: Floats
    window: Ints


class Baseline(ABC):
    """A method that knows the counts and nothing of what the detectors know besides.

    `scores` may use all days of the matrices up to the one that it scores, none after it.
    """

    name: ClassVar[str]

    @abstractmethod
    def scores(self, cases: Ints, searches: Ints, weekday: Ints, expected: Floats) -> Scores:
        """Score daily counts (keys x days). `weekday` is 0 to 6 by day; `expected` has the true means of
        `cases`, which the oracle alone may read. Raises Skipped when something is missing."""


def one_day() -> Ints:
    """The window of a score that speaks of its own day."""
    return np.ones((1, 1), np.int64)


def sums(values: NDArray[np.generic], days: int) -> Floats:
    """Sums over the `days` that end with each day; over fewer at the beginning. Shape as `values`.

    >>> sums(np.array([[1, 2, 3]]), 2).tolist()
    [[1.0, 3.0, 5.0]]
    """
    total = np.cumsum(values, axis=1, dtype=np.float64)
    total[:, days:] = total[:, days:] - total[:, :-days]
    return total


def before(values: NDArray[np.generic], days: int) -> Floats:
    """What stood `days` earlier; 0 where nothing did. Shape as `values`."""
    found = np.zeros(values.shape)
    found[:, days:] = values[:, :-days]
    return found


def strongest(parts: dict[int, Floats]) -> Scores:
    """The largest score over several lengths of window, and the length that gave it."""
    lengths = np.array(list(parts), np.int64)
    stacked = np.stack(list(parts.values()))
    best = stacked.argmax(axis=0)
    return Scores(np.take_along_axis(stacked, best[None], 0)[0], lengths[best])
