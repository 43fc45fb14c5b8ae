"""How rare is a score among those that were given before?

The chance of a score is its rank among the last ones. Beyond the best 2% of them a generalised
Pareto tail is laid through their excesses (probability-weighted moments, Hosking & Wallis 1987),
never lighter than an exponential one and never ten times rarer than what was ever seen.
"""

from __future__ import annotations

import numpy as np

from models.statistics.negative_binomial import Floats

#: Scores that are remembered.
MOST = 20_000
#: The tail begins at this share of the scores, and needs so many of them.
TAIL, LEAST_TAIL = 0.02, 20
#: No chance is smaller than this over the number of scores.
HONEST = 0.1
#: The heaviest tail that is believed: its variance is still finite.
HEAVIEST = 0.5


class PastScores:
    """The last scores, oldest first."""

    def __init__(self, scores: Floats | None = None) -> None:
        self.scores: Floats = np.zeros(0) if scores is None else scores

    def __len__(self) -> int:
        """How many there are."""
        return len(self.scores)

    def add(self, scores: Floats) -> None:
        """Remember some more."""
        self.scores = np.concatenate([self.scores, scores])[-MOST:]

    def chances(self, scores: Floats) -> Floats:
        """Of each score, the chance of one as high or higher; in (0, 1], shape as `scores`."""
        past, number = np.sort(self.scores), len(self.scores)
        reached = number - np.searchsorted(past, scores)
        p = np.asarray((1.0 + reached) / (1.0 + number), np.float64)
        best = int(TAIL * number)
        if best < LEAST_TAIL:
            return p
        bound = past[-best - 1]
        shape, scale = _tail(past[-best:] - bound)
        beyond = np.maximum(scores - bound, 0.0)
        # An exponential tail is the limit of shape 0.
        log = np.log1p(shape * beyond / scale) / shape if shape > 1e-6 else beyond / scale
        smooth = np.maximum(np.exp(-log) * (best + 1) / (number + 1), HONEST / (1 + number))
        return np.where(scores > bound, smooth, p)


def _tail(excesses: Floats) -> tuple[float, float]:
    """Shape and scale of the generalised Pareto law of some excesses, ascending and above 0."""
    number = len(excesses)
    mean = float(excesses.mean())
    if mean <= 0:
        return 0.0, 1e-9
    weights = 1 - (np.arange(1, number + 1) - 0.35) / number
    first = float((weights * excesses).mean())
    shape = float(np.clip(2 - mean / (mean - 2 * first), 0.0, HEAVIEST)) if mean > 2 * first else HEAVIEST
    # The scale that keeps the mean, whatever became of the shape.
    return shape, mean * (1 - shape)
