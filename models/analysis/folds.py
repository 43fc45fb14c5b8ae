"""Spans of days in order of time: what is judged lies behind all that it was judged by."""

from __future__ import annotations

from typing import NamedTuple


class Fold(NamedTuple):
    """Ordinals of days, ends exclusive: a threshold is set on the days from `since` to `first`, and what
    it gives is read from `first` to `last`."""

    since: int
    first: int
    last: int


def folds(begin: int, first: int, last: int, number: int, history: int = 365) -> list[Fold]:
    """Cut the days from `first` to `last` into so many spans, each judged by the up to `history` days
    before it, but by none before `begin`.

    Raises ValueError when a span would be empty or have no day before it.

    >>> folds(0, 10, 30, 2, history=10)
    [Fold(since=0, first=10, last=20), Fold(since=10, first=20, last=30)]
    """
    if number < 1 or last - first < number or first <= begin:
        raise ValueError(f"days {first} to {last} after {begin} cannot be cut into {number} folds")
    edges = [first + (last - first) * place // number for place in range(number + 1)]
    return [Fold(max(begin, one - history), one, end) for one, end in zip(edges, edges[1:], strict=False)]
