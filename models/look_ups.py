"""Who looks up unusually many names: a robust outlier rule over accounts.

Few people have accounts and most weeks see few look-ups, so no model is fitted. A count n becomes
z = 2 sqrt(n + 3/8) (Anscombe 1948), which scatters by about 1 for any Poisson mean. A week is unusual when it
lies further above the median of the others than `LIMIT` times their scatter: the median absolute deviation
times 1.4826 (Rousseeuw & Croux 1993), and at least 1. Few outliers among the others move neither.

Blind spots: whoever looks up much every week is compared with colleagues, but where all do, none stands out;
and one look-up for a wrong reason is one look-up. Innocent explanations: a large case, cover for a colleague.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import median

#: Scatters above the median, and look-ups a week, below which nothing is said.
LIMIT, LEAST = 3.5, 5
_TO_DEVIATION = 1.4826


@dataclass(frozen=True, slots=True)
class Unusual:
    """An account whose latest week stands out: look-ups seen, the median of other weeks, and by how much."""

    account: str
    observed: int
    expected: float
    score: float
    """Scatters above the median."""


def unusual(weeks: Mapping[str, Sequence[int]]) -> list[Unusual]:
    """Accounts whose last week is unusual, the most unusual first.

    `weeks` gives the look-ups of each account week by week, the latest last; all have equally many weeks. A
    week is judged by the weeks of other accounts and by its own account's past.

    >>> [one.account for one in unusual({"a": [1, 0, 2, 14], "b": [0, 2, 1, 1], "c": [1, 1, 3, 2]})]
    ['a']
    """
    found = []
    for account, own in weeks.items():
        others = [count for other, counts in weeks.items() if other != account for count in counts]
        known = [*others, *own[:-1]]
        if not own or not known or own[-1] < LEAST:
            continue
        middle, scatter = _robust([_steady(count) for count in known])
        score = (_steady(own[-1]) - middle) / scatter
        if score > LIMIT:
            found.append(Unusual(account, own[-1], float(median(known)), score))
    return sorted(found, key=lambda one: (-one.score, one.account))


def _steady(count: int) -> float:
    return 2 * sqrt(count + 3 / 8)


def _robust(values: Sequence[float]) -> tuple[float, float]:
    """Median and scatter."""
    middle = median(values)
    return middle, max(1.0, _TO_DEVIATION * median(abs(value - middle) for value in values))
