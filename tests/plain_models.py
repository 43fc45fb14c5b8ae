"""Models that are a formula, for tests that need one to serve and not to be trained."""

from __future__ import annotations

import numpy as np

from models.serving import ArtefactRefused, Floats, Scorer, Statement
from models.statistics.profiles import FEATURES
from models.statistics.stability import CLASSES

#: Digests under which they are found. NIGHTS finds searches at night odd, DESKS many workstations.
NIGHTS, DESKS, MISSING = ("a" * 64, "b" * 64, "c" * 64)
#: NIGHTS judges and DESKS runs in shadow, under the stanza `trained_profile`, from ever.
SERVING = (Statement(1, 0.0, "trained_profile", champion=NIGHTS, shadow=DESKS),)


class PlainModel:
    """Scores between 0 and 1: half by the number of searches, half by one feature."""

    def __init__(self, feature: str, whole: float) -> None:
        self.calibration: Floats = np.linspace(0, 0.5, 2000)
        self.edges: Floats = np.tile(np.linspace(0, 10, CLASSES - 1), (len(FEATURES), 1))
        self.shares: Floats = np.ones((len(FEATURES), CLASSES))
        self.seen: list[Floats] = []
        """Rows that it was given, in order."""
        self._column, self._whole = list(FEATURES).index(feature), whole

    def scores(self, values: Floats) -> Floats:
        """As `models.serving.Scorer`."""
        self.seen.append(values)
        made = values[:, 0]
        return np.asarray(made / (made + 20) / 2 + np.minimum(values[:, self._column] / self._whole, 1) / 2)


class PlainModels:
    """The two of them, made anew for each reference; one more is named and cannot be had."""

    def __init__(self) -> None:
        self.models = {NIGHTS: PlainModel("night", 1.0), DESKS: PlainModel("workstations", 3.0)}

    def load(self, digest: str) -> Scorer:
        """As `models.serving.Artefacts`."""
        if digest not in self.models:
            raise ArtefactRefused("missing", f"there is no {digest}")
        return self.models[digest]
