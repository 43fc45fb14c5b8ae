"""Which trained model judges what, and since when: facts in event time, like clauses of a policy.

A `Statement` says which artefact is champion under a stanza of `config/detectors.yaml`, and which runs in
shadow, for all local days that end after `since`. Workers put the statements that they know into their
ticks, so they stand in the log, in its order; the agencies keep them in their state. What judged a day
is therefore the same live, in replay and after a restart (docs/decisions/models-in-ticks.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Protocol

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
Floats = NDArray[np.float64]
#: Statements that are remembered; older ones concern days long closed.
MOST_STATEMENTS = 20


class Statement(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What serves under one stanza, for days that end after `since`. Of two that hold for a day the one
    with the higher number counts."""

    number: Annotated[int, Meta(ge=1)]
    """Number of the entry in the registry that it follows from."""
    since: float
    """Event time, epoch seconds."""
    stanza: Annotated[str, Meta(min_length=1, max_length=128)]
    """Name in `config/detectors.yaml`."""
    champion: Digest | None = None
    """The artefact that judges; none: nothing is judged."""
    shadow: Digest | None = None
    """The artefact whose findings are counted and not told."""


def known(statements: Iterable[Statement]) -> tuple[Statement, ...]:
    """Statements in the order of their numbers, without those that no day needs any more.

    >>> [one.number for one in known([Statement(3, 9, "a"), Statement(1, 5, "a"), Statement(2, 9, "a")])]
    [1, 3]
    """
    kept: list[Statement] = []
    for one in sorted(statements, key=lambda one: one.number):
        kept = [
            other
            for other in kept
            if (other.stanza != one.stanza or other.since < one.since) and other.number != one.number
        ]
        kept.append(one)
    return tuple(kept[-MOST_STATEMENTS:])


def in_force(statements: Sequence[Statement], stanza: str, day_end: float) -> list[Statement]:
    """What serves under a stanza on a day that ends at `day_end` (epoch seconds), and what did before
    it, the latest first."""
    return [one for one in reversed(statements) if one.stanza == stanza and one.since < day_end]


class ArtefactRefused(Exception):
    """An artefact is missing, or is not what its name says. `reason` is a label: missing, tampered,
    untrusted, unfit; the text says what to do."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


class Scorer(Protocol):
    """A trained model, ready to score. Equal rows give equal scores."""

    @property
    def calibration(self) -> Floats:
        """Scores of weeks that it was not trained on, in which nobody was known to misuse anything."""

    @property
    def edges(self) -> Floats:
        """Bounds of the classes of each feature, as `models.statistics.stability` has them."""

    @property
    def shares(self) -> Floats:
        """Rows of training in each class of each feature."""

    def scores(self, values: Floats) -> Floats:
        """How odd each row is, shape (n,); a row has the columns of `models.statistics.profiles.FEATURES`."""


class Artefacts(Protocol):
    """Where the models are."""

    def load(self, digest: str) -> Scorer:
        """The model of an artefact. Raises ArtefactRefused."""


class NoArtefacts:
    """There are none."""

    def load(self, digest: str) -> Scorer:
        """Raises ArtefactRefused."""
        raise ArtefactRefused("missing", f"there are no models here, and so not {digest}")
