"""Somebody who searches unlike all colleagues."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated

import msgspec
import numpy as np
from msgspec import Meta, Struct

from models.alert import Finding
from models.detectors.base import Day, Detector, Settings
from models.statistics.negative_binomial import Floats, Ints
from models.statistics.past_scores import PastScores
from models.statistics.peers import parts
from models.statistics.profiles import FEATURES, WEEKS, Profiles
from models.wording import chance, day_text, figure, plural

if TYPE_CHECKING:
    from models.reference import Reference

#: Parts of a score that its sentence names.
NAMED = 3
#: The part that the forest adds, in the sentence.
TOGETHER = "the combination as a whole"


class PeerProfileSettings(Settings, kw_only=True, frozen=True):
    """Settings of `peer_profile`."""

    alpha: Annotated[float, Meta(gt=0, lt=1)] = 5e-4
    """Largest chance of a week's score that raises an alert."""
    minimum_history_days: Annotated[int, Meta(ge=1)] = 84
    """Days of the agency's log before the first alert."""
    minimum_searches: Annotated[int, Meta(ge=1)] = 5
    """Fewest searches in four weeks of whoever is compared."""
    episode_days: Annotated[int, Meta(ge=0, le=365)] = 35
    """Findings about one requester that are no further apart than this belong to one alert."""


class _State(Struct, array_like=True):
    first_day: int
    week: int
    past: bytes


class PeerProfile(Detector):
    """Chance of a profile as far from the peers' as this one, among all that were seen before.

    Each Sunday the last four weeks of every requester become a row of 16 features: searches, cases,
    persons, repeats, nights, weekends, workstations, tools, purposes, kinds of images and others
    (a share leans on five searches of the average colleague).
    ECOD gives for each feature -ln of the share of peers who reach the value, in the agency and,
    with weight n / (n + 20), in the unit of n. An isolation forest that is grown on the same rows
    adds a part for combinations. What a requester usually has of each part (half-life 26 weeks,
    leaning on eight weeks of the average) is taken off, what is left adds up to the score, and the
    sentence names the largest parts. The p-value is the rank of the score among the agency's last
    20,000, with a generalised Pareto tail; it is never below a tenth of one over their number, so
    a small agency hears nothing until it has enough of them. A requester who was told of is not
    told of again until four weeks have passed.

    Innocent explanations: a duty that no colleague shares, as of the only analyst; a task force; a
    night shift; somebody who types in for others.
    Blind spots: misuse by few searches, or by many people alike; whoever has always
    been odd.

    Source: ECOD (Li, Zhao, Hu, Botta, Ionescu & Chen 2022); isolation forest (Liu, Ting & Zhou 2008).
    """

    function = "peer_profile"
    settings_type = PeerProfileSettings
    judging = Detector.judging | {"alpha", "minimum_history_days", "minimum_searches"}
    #: Columns of four weeks, the name and the unit, 20 ids, and its share of the past scores.
    bytes_per_key = 1_200 + 20 * 131 + 8 * 20_000

    settings: PeerProfileSettings

    def __init__(self, name: str, settings: Settings, reference: Reference, agency_id: str) -> None:
        super().__init__(name, settings, reference, agency_id)
        self._reset()

    def _reset(self) -> None:
        self._profiles = Profiles()
        self._past = PastScores()
        self._first_day = 0

    def close(self, day: Day) -> Iterable[Finding]:
        """Take in the day; on Sundays compare everybody with everybody."""
        self._first_day = self._first_day or day.number
        self._profiles.add(day, self.reference.tools.canonical)
        if day.number % 7:
            return []
        findings = self._judge(day)
        self._profiles.turn()
        return findings

    def _judge(self, day: Day) -> list[Finding]:
        profiles = self._profiles
        rows, values, group = profiles.compared(self.settings.minimum_searches)
        if len(rows) < 2:
            return []
        shares = profiles.beyond_usual(rows, parts(np.log1p(values), group))
        scores = np.round(shares.sum(axis=1), 9)
        p = self._past.chances(scores)
        self._past.add(scores)
        if day.number - self._first_day < self.settings.minimum_history_days:
            return []
        quiet = day.number - profiles.told[rows] < 7 * WEEKS
        self.p_values.add(p[~quiet])
        raised = np.flatnonzero((p <= self.settings.alpha) & ~quiet)
        profiles.told[rows[raised]] = day.number
        usual = figure(float(np.median(scores)))
        how = "stands out more than before from"
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
                f"{figure(float(scores[at]))} in all where {usual} is usual",
            )
            for at in raised.tolist()
        ]

    def _finding(
        self,
        day: Day,
        row: int,
        values: Floats,
        at: int,
        shares: Floats,
        group: Ints,
        p: float,
        how: str,
        total: str,
    ) -> Finding:
        """What is told of one row. `shares` says how much each feature, and perhaps the forest, stands out,
        `how` and `total` are what the sentence says of the peers and of the score."""
        profiles = self._profiles
        names, said = list(FEATURES), []
        order = np.argsort(-shares, kind="stable")
        middle, low, high = (np.quantile(values, q, axis=0) for q in (0.5, 0.025, 0.975))
        for place in order[:NAMED].tolist():
            if place == len(names):
                said.append(f"{TOGETHER} ({figure(shares[place])})")
                continue
            said.append(
                f"{FEATURES[names[place]]}, {figure(values[at, place])} where {figure(middle[place])} "
                f"[{figure(low[place])}-{figure(high[place])}] is usual ({figure(shares[place])})"
            )
        if order[0] == len(names):
            said[:2] = said[1::-1]  # figures first
        told = int(next(place for place in order.tolist() if place < len(names)))
        peers, unit = len(values) - 1, int(np.count_nonzero(group == group[at])) - 1
        start = day.end - 7 * WEEKS * 86_400.0
        return Finding(
            entity_kind="requester",
            entity=profiles.names[row],
            unit_id=profiles.units[row],
            window_start=start,
            window_end=day.end,
            first_seen=start,
            severity="high" if p < self.settings.alpha / 10 else "medium",
            p_value=p,
            score=-math.log(p),
            observed=float(values[at, told]),
            expected=float(middle[told]),
            interval=(float(low[told]), float(high[told])),
            evidence=tuple(profiles.ids[row]),
            evidence_count=int(profiles.searches()[row]),
            explanation=(
                f"In the four weeks to {day_text(day.number)} this requester {how} "
                f"{plural(peers, 'peer')} in the agency, {unit} of them in the unit: {'; '.join(said)}; "
                f"{total}; {chance(p)}."
            ),
        )

    def snapshot(self) -> dict[str, bytes]:
        """`state`, the past scores in it, and the profiles in blocks of 500 requesters."""
        if not self._first_day:
            return {}
        state = _State(self._first_day, self._profiles.week, self._past.scores.tobytes())
        return {"state": msgspec.msgpack.encode(state), **self._profiles.snapshot()}

    def restore(self, blocks: Mapping[str, bytes]) -> None:
        """Take back what `snapshot` gave."""
        self._reset()
        with self.reading():
            state = msgspec.msgpack.decode(blocks["state"], type=_State)
            self._profiles.restore(blocks, state.week)
            self._past = PastScores(np.frombuffer(state.past, np.float64))
        self._first_day = state.first_day
