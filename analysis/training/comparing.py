"""Candidate against champion on Sundays that neither of them has seen, by the rule that holds live."""

from __future__ import annotations

from datetime import date
from typing import Any, NamedTuple

import numpy as np
from msgspec import Struct

from analysis.training.labelled import Labelled, Row, Truth, held_against
from models.detectors.trained_profile import LEVEL
from models.statistics.negative_binomial import Floats
from models.statistics.past_scores import PastScores
from models.statistics.profiles import FEATURES, WEEKS
from models.statistics.stability import classes, stability
from streams.artefacts import TrainedModel

#: Requester and Sunday that a comparison names as examples.
EXAMPLES = 10
#: Fewest Sundays that say anything.
LEAST_SUNDAYS = 4


class NothingHeldOut(ValueError):
    """No time is left that the models have not seen; the text says which is needed."""


class Side(Struct, frozen=True, kw_only=True):
    """How one model did."""

    digest: str
    algorithm: str
    alerts: int
    """Findings that it would have told."""
    alerts_a_week: float
    calibration_ratio: float
    """Share of p-values up to 0.05, over 0.05: near 1 when it is calibrated."""
    tail_ratio: float
    """The same of p-values up to 0.01."""
    largest_stability_index: float
    """Of its features against its training; above 0.25 they fall elsewhere."""
    labelled: Labelled | None = None
    """Against labels, where there are any."""


class Comparison(Struct, frozen=True, kw_only=True):
    """Both models on held-out time."""

    stanza: str
    candidate: Side
    champion: Side | None
    """None where nothing serves yet."""
    alpha: float
    begins: str
    until: str
    """First and last Sunday."""
    rows: int
    data_sha256: str
    both: int
    """Findings of the candidate that the champion has, too."""
    rank_correlation: float | None
    """Spearman's, of their scores."""
    new: tuple[Row, ...]
    gone: tuple[Row, ...]
    """Some findings of the candidate alone, and of the champion alone: agency, Sunday, requester."""

    @property
    def sides(self) -> tuple[str, str | None]:
        """Digests of the candidate and of the champion."""
        return self.candidate.digest, self.champion.digest if self.champion else None


class _Judged(NamedTuple):
    side: Side
    scores: Floats
    told: set[Row]


def held_out(frame: Any, models: list[TrainedModel]) -> Any:
    """The rows of Sundays after all that the models were fitted to or calibrated on.

    Raises:
        NothingHeldOut: too few are left.
    """
    last = max(model.manifest.calibrated[1] for model in models)
    left = frame[frame["sunday"] > last]
    number = len(set(left["sunday"]))
    if number < LEAST_SUNDAYS:
        raise NothingHeldOut(
            f"{number} Sundays of the log come after {last}, the last that a model has seen; {LEAST_SUNDAYS} "
            "are needed: give a later log, or train with an earlier --until"
        )
    return left


def compare(
    frame: Any,
    stanza: str,
    candidate: tuple[str, TrainedModel],
    champion: tuple[str, TrainedModel] | None,
    *,
    alpha: float,
    data_sha256: str,
    truth: Truth | None = None,
) -> Comparison:
    """Judge the held-out rows of a frame by both models, and by labels too. Raises NothingHeldOut."""
    rows = held_out(frame, [candidate[1]] + ([champion[1]] if champion else []))
    one = _judge(rows, *candidate, alpha, truth)
    other = _judge(rows, *champion, alpha, truth) if champion else None
    sundays = sorted(set(rows["sunday"]))
    told = other.told if other else set()
    return Comparison(
        stanza=stanza,
        candidate=one.side,
        champion=other.side if other else None,
        alpha=alpha,
        begins=sundays[0],
        until=sundays[-1],
        rows=len(rows),
        data_sha256=data_sha256,
        both=len(one.told & told),
        rank_correlation=_rank_correlation(one.scores, other.scores) if other else None,
        new=tuple(sorted(one.told - told)[:EXAMPLES]),
        gone=tuple(sorted(told - one.told)[:EXAMPLES]),
    )


def measured(rows: Any, digest: str, model: TrainedModel, alpha: float) -> Side:
    """How a model does on some rows."""
    return _judge(rows, digest, model, alpha).side


def _judge(rows: Any, digest: str, model: TrainedModel, alpha: float, truth: Truth | None = None) -> _Judged:
    values = rows[list(FEATURES)].to_numpy()
    scores = np.round(model.scores(values), 9)
    p = PastScores(model.calibration).chances(scores)
    told: set[Row] = set()
    last: dict[tuple[str, str], int] = {}
    # Rows stand by Sunday. Who was told of is not told of again until four weeks have passed.
    for at in np.flatnonzero(p <= alpha).tolist():
        agency, sunday, who = (rows[name].iat[at] for name in ("agency", "sunday", "requester"))
        day = date.fromisoformat(sunday).toordinal()
        if day - last.get((agency, who), -7 * WEEKS) >= 7 * WEEKS:
            last[agency, who] = day
            told.add((agency, sunday, who))
    drift = stability(classes(values, model.edges), model.shares)
    ends = rows["sunday"].min(), rows["sunday"].max()
    return _Judged(
        Side(
            digest=digest,
            algorithm=model.manifest.algorithm,
            alerts=len(told),
            alerts_a_week=len(told) / len(set(rows["sunday"])),
            calibration_ratio=float(np.mean(p <= LEVEL) / LEVEL),
            tail_ratio=float(np.mean(p <= 0.01) / 0.01),
            largest_stability_index=float(drift.max()),
            labelled=held_against(truth, told, *ends) if truth else None,
        ),
        scores,
        told,
    )


def _rank_correlation(one: Floats, other: Floats) -> float:
    from scipy.stats import spearmanr

    found = spearmanr(one, other).statistic
    return 0.0 if np.isnan(found) else round(float(found), 6)
