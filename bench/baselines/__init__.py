"""Plain and well-known methods, to be scored beside our own on the same counts. One file a family."""

from __future__ import annotations

from bench.baselines.base import Baseline, Scores, Skipped
from bench.baselines.farrington import Farrington
from bench.baselines.features import Ecod, Forest, HalfSpaceTrees
from bench.baselines.moving import EarsC2, FixedCount, MovingMedian, ZScore
from bench.baselines.oracle import Oracle

__all__ = ["OFFICERS", "SERIES", "Baseline", "Scores", "Skipped"]

#: Beside the detectors of officers, and beside those of units and the agency.
OFFICERS: tuple[Baseline, ...] = (
    FixedCount(), ZScore(90), MovingMedian(), HalfSpaceTrees(), Forest(), Ecod(), Oracle(),
)  # fmt: skip
SERIES: tuple[Baseline, ...] = (
    FixedCount(), EarsC2(), ZScore(28), Forest(), Ecod(), Farrington(), Oracle(),
)  # fmt: skip
