"""Somebody whose profile a trained model finds odd."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated

import msgspec
import numpy as np
from msgspec import Meta, Struct

from models.alert import Finding
from models.detectors.base import Day, Settings
from models.detectors.peer_profile import PeerProfile, PeerProfileSettings
from models.serving import ArtefactRefused, Scorer, in_force
from models.statistics.negative_binomial import Floats, Ints
from models.statistics.past_scores import PastScores
from models.statistics.peers import surprises
from models.statistics.profiles import FEATURES, WEEKS
from models.statistics.stability import CLASSES, HALF_LIFE_WEEKS, classes, stability
from models.wording import figure

if TYPE_CHECKING:
    from models.reference import Reference

#: Digits of a digest that a sentence shows.
SHOWN = 12
#: The calibration gauge compares the share of p-values up to this with it.
LEVEL = 0.05


class TrainedProfileSettings(PeerProfileSettings, kw_only=True, frozen=True):
    """Settings of `trained_profile`."""

    alpha: Annotated[float, Meta(gt=0, lt=1)] = 1e-3
    """Largest chance of a week's score, among those of the weeks that calibrated the model."""


class _Watched(Struct, array_like=True):
    """What operations are shown of the champion, and what the shadow has said."""

    number: int = 0
    """Of the statement that the figures are about; they begin anew with the next."""
    seen: bytes = b""
    low: float = 0.0
    judged: float = 0.0
    shadow_told: dict[str, int] = {}
    """Requester -> day of the shadow's last finding."""


class TrainedProfile(PeerProfile):
    """Chance of a score as high as this one under the model that serves, from its calibration.

    Each Sunday the last four weeks of every requester become the row of features that `peer_profile` makes,
    and the champion scores it: a scikit-learn pipeline that `./probewatch train` made of such rows of
    the past. The p-value is the rank of the score among those of later weeks, held out from training,
    with a generalised Pareto tail. The sentence names the model by its digest and the features that
    most exceed those of the peers; the model may weigh them otherwise. Without a champion nothing is
    judged. A model in shadow judges the same rows; what it would tell is counted, and not told. A
    model whose artefact is missing or was changed is refused, and the one before it goes on.

    Innocent explanations: those of `peer_profile`; a way of working that began after the training.
    Blind spots: those of `peer_profile`; what was usual in the weeks of training, misuse among it.

    Source: isolation forest (Liu, Ting & Zhou 2008) and Gaussian mixtures in scikit-learn; stability index
    (Siddiqi 2006).
    """

    function = "trained_profile"
    settings_type = TrainedProfileSettings
    #: What a model is given, in this order.
    features = tuple(FEATURES)
    #: As `peer_profile` without its past scores; classes of features, and a name for the shadow.
    bytes_per_key = PeerProfile.bytes_per_key + 160

    settings: TrainedProfileSettings

    def __init__(self, name: str, settings: Settings, reference: Reference, agency_id: str) -> None:
        super().__init__(name, settings, reference, agency_id)
        self._figures: dict[tuple[str, str], float] = {}
        self._counts: dict[tuple[str, str], int] = {}

    def _reset(self) -> None:
        super()._reset()
        self._watched = _Watched()

    def close(self, day: Day) -> Iterable[Finding]:
        """Take in the day; on Sundays let the models judge everybody."""
        self._counts = {}
        return super().close(day)

    def _judge(self, day: Day) -> list[Finding]:
        profiles = self._profiles
        rows, values, group = profiles.compared(self.settings.minimum_searches)
        early = day.number - self._first_day < self.settings.minimum_history_days
        if early or not len(rows):
            return []
        self._shadow(day, rows, values)
        number, digest, model = self._champion(day)
        if model is None:
            return []
        scores, p = self._scored(model, values)
        self._watch(number, model, values, p)
        quiet = day.number - profiles.told[rows] < 7 * WEEKS
        self.p_values.add(p[~quiet])
        raised = np.flatnonzero((p <= self.settings.alpha) & ~quiet)
        profiles.told[rows[raised]] = day.number
        shares = surprises(np.log1p(values), group)
        usual = figure(float(np.median(model.calibration)))
        how = f"is unlike others to model {digest[:SHOWN]}; compared with"
        return [
            self._finding(
                day,
                int(rows[at]),
                values,
                at,
                shares[at],
                group,
                float(p[at]),
                how,
                f"its score is {figure(float(scores[at]))} where {usual} is usual",
            )
            for at in raised.tolist()
        ]

    def _champion(self, day: Day) -> tuple[int, str, Scorer | None]:
        """The latest model that is in force and can be had, by number of its statement and digest."""
        for statement in in_force(self.statements, self.name, day.end):
            if statement.champion is None:
                break
            model = self._load(statement.champion)
            if model is not None:
                return statement.number, statement.champion, model
        return 0, "", None

    def _load(self, digest: str) -> Scorer | None:
        try:
            return self.reference.artefacts.load(digest)
        except ArtefactRefused as refused:
            key = ("models_refused", refused.reason)
            self._counts[key] = self._counts.get(key, 0) + 1
            return None

    @staticmethod
    def _scored(model: Scorer, values: Floats) -> tuple[Floats, Floats]:
        """Scores, rounded so that what differs by less is a tie, and their p-values."""
        scores = np.round(model.scores(values), 9)
        return scores, PastScores(model.calibration).chances(scores)

    def _shadow(self, day: Day, rows: Ints, values: Floats) -> None:
        """Count what the shadow would tell, by the rule that holds for the champion."""
        told, names = self._watched.shadow_told, self._profiles.names
        latest = in_force(self.statements, self.name, day.end)[:1]
        digest = latest[0].shadow if latest else None
        model = self._load(digest) if digest is not None else None
        if model is None:
            self._watched.shadow_told = {}
            return
        _, p = self._scored(model, values)
        told = {name: last for name, last in told.items() if day.number - last < 7 * WEEKS}
        raised = [names[row] for row in rows[p <= self.settings.alpha].tolist() if names[row] not in told]
        self._watched.shadow_told = told | dict.fromkeys(raised, day.number)
        self._counts["shadow_alerts", ""] = len(raised)

    def _watch(self, number: int, model: Scorer, values: Floats, p: Floats) -> None:
        """Bring the figures of drift and calibration up to date."""
        if self._watched.number != number:
            self._watched = _Watched(number, shadow_told=self._watched.shadow_told)
        watched, fade = self._watched, 0.5 ** (1 / HALF_LIFE_WEEKS)
        before = np.frombuffer(watched.seen) if watched.seen else np.zeros(len(FEATURES) * CLASSES)
        seen = before.reshape(-1, CLASSES) * fade + classes(values, model.edges)
        watched.seen = seen.tobytes()
        watched.low = watched.low * fade + float(np.count_nonzero(p <= LEVEL))
        watched.judged = watched.judged * fade + len(p)
        drift = stability(seen, model.shares)
        self._figures = {("model_stability", name): float(drift[at]) for at, name in enumerate(FEATURES)}
        self._figures["model_calibration", ""] = watched.low / (watched.judged * LEVEL)
        self._figures["model_serving", ""] = float(number)

    def figures(self) -> Mapping[tuple[str, str], float]:
        """Of the last Sunday: the stability index of each feature, the share of p-values up to 0.05 over
        0.05, and the number of the statement by which the champion serves."""
        return self._figures

    def counts(self) -> Mapping[tuple[str, str], int]:
        """Findings of the shadow, and artefacts that were refused, by reason."""
        return self._counts

    def snapshot(self) -> dict[str, bytes]:
        """As `peer_profile`, and `watched`."""
        blocks = super().snapshot()
        return {**blocks, "watched": _pack(self._watched)} if blocks else {}

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take back what `snapshot` gave."""
        super().restore(blocks)
        with self.reading():
            self._watched = msgspec.msgpack.decode(blocks["watched"], type=_Watched)


_pack = msgspec.msgpack.Encoder(order="deterministic").encode
