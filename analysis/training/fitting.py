"""Scikit-learn pipelines for the rows of `analysis.training.features`, and what is known of a fitted one."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np

from models.detectors.trained_profile import TrainedProfile
from models.statistics import profiles
from models.statistics.negative_binomial import Floats
from models.statistics.past_scores import MOST
from models.statistics.profiles import FEATURES
from models.statistics.stability import class_edges, classes, stability
from streams import VERSION
from streams.artefacts import Manifest, pipeline_scores

#: Of the Sundays, the share that is fitted to; the later ones calibrate.
FITTED = 0.7
#: Fewest rows of either kind: below, no tail can be told.
LEAST_ROWS = 200
#: Rows whose scores the manifest repeats.
SAMPLE = 20
LIBRARIES = ("scikit-learn", "skops", "numpy", "scipy", "pandas")


class TooFewRows(ValueError):
    """The log gives too few rows; the text says how many there are."""


class Trained(NamedTuple):
    """A fitted pipeline as skops writes it, and its manifest."""

    manifest: Manifest
    model: bytes


def isolation_forest() -> Any:
    """Combinations that random cuts set apart soon (Liu, Ting & Zhou 2008)."""
    from sklearn.ensemble import IsolationForest

    return _pipeline(IsolationForest(n_estimators=64, random_state=0))


def gaussian_mixture() -> Any:
    """Rows of little density under four normal laws; a ridge keeps rare features from ruling."""
    from sklearn.mixture import GaussianMixture

    return _pipeline(GaussianMixture(n_components=4, reg_covar=0.1, random_state=0))


def _pipeline(model: Any) -> Any:
    """Counts on a logarithmic scale, each feature by its median and quartiles, so that the odd rows do not
    say what is usual."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, RobustScaler

    return make_pipeline(FunctionTransformer(np.log1p), RobustScaler(), model)


ALGORITHMS: Mapping[str, Callable[[], Any]] = {
    "isolation_forest": isolation_forest,
    "gaussian_mixture": gaussian_mixture,
}


def fit(frame: Any, algorithm: str, *, data_sha256: str, searches: int, minimum_searches: int) -> Trained:
    """Fit a pipeline to the earlier Sundays of a frame and calibrate it on the later ones.

    Raises:
        TooFewRows: either part has fewer than LEAST_ROWS rows.
    """
    import skops.io

    sundays = sorted(set(frame["sunday"]))
    fitted, later = sundays[: int(len(sundays) * FITTED)], sundays[int(len(sundays) * FITTED) :]
    early, late = (frame[frame["sunday"].isin(part)][list(FEATURES)].to_numpy() for part in (fitted, later))
    if min(len(early), len(late)) < LEAST_ROWS:
        raise TooFewRows(
            f"{len(early):,} rows of {len(fitted)} Sundays to fit and {len(late):,} of {len(later)} to "
            f"calibrate: {LEAST_ROWS} of each are needed; give a longer log, or lower "
            "`minimum_searches` of the stanza in detectors.yaml"
        )
    pipeline = ALGORITHMS[algorithm]()
    pipeline.fit(_named(early))
    scores = np.sort(np.round(pipeline_scores(pipeline, late, tuple(FEATURES)), 9))
    edges = class_edges(early)
    shares = classes(early, edges)
    sample = late[np.linspace(0, len(late) - 1, SAMPLE).astype(int)]
    bound = float(np.quantile(pipeline_scores(pipeline, early, tuple(FEATURES)), 0.99))
    model: bytes = skops.io.dumps(pipeline, compresslevel=6)
    manifest = Manifest(
        function=TrainedProfile.function,
        algorithm=algorithm,
        features=tuple(FEATURES),
        model_sha256=hashlib.sha256(model).hexdigest(),
        data_sha256=data_sha256,
        searches=searches,
        trained=(fitted[0], fitted[-1]),
        calibrated=(later[0], later[-1]),
        rows=(len(early), len(late)),
        minimum_searches=minimum_searches,
        code={
            "probewatch": VERSION,
            "features_sha256": hashlib.sha256(inspect.getsource(profiles).encode()).hexdigest(),
        },
        libraries={name: version(name) for name in LIBRARIES},
        metrics={
            "beyond_the_best_hundredth": float(np.mean(scores > bound) / 0.01),
            "largest_stability_index": float(stability(classes(late, edges), shares).max()),
        },
        calibration=tuple(scores[-MOST:].tolist()),
        edges=_rows(edges),
        shares=_rows(shares.astype(np.float64)),
        sample=_rows(sample),
        sample_scores=tuple(pipeline_scores(pipeline, sample, tuple(FEATURES)).tolist()),
    )
    return Trained(manifest, model)


def _named(values: Floats) -> Any:
    import pandas as pd

    return pd.DataFrame(values, columns=list(FEATURES))


def _rows(values: Floats) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, values.tolist()))
