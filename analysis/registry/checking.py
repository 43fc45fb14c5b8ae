"""Is what serves whole, and does it still fit? Sentences about what is wrong; none where all is well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from analysis.registry.changes import Models
from analysis.training.comparing import Side, measured
from models.serving import ArtefactRefused
from streams.artefacts import read_artefact
from streams.serving import POINTER, REGISTRY, read_pointer

#: Where a champion should be trained anew: its largest stability index, and its share of small p-values.
DRIFTED, CALIBRATED = 0.25, (0.5, 2.0)


def faults(folder: Path, models: Models) -> list[str]:
    """What is wrong with the pointer file, and with the models that are in use or may come into it."""
    found = []
    try:
        if read_pointer(folder) != models.statements:
            found.append(
                f"{folder / POINTER} is not what {REGISTRY} says. Either it was changed: then --repair "
                f"writes it anew. Or entries are missing at the end of {REGISTRY}: then put back a copy of "
                "that first, since --repair would hide the loss. The console's ledger and a copy show which"
            )
    except ValueError as error:
        found.append(str(error))
    for one in models.by_digest.values():
        try:
            if one.state != "retired":
                read_artefact(folder, one.digest)
        except ArtefactRefused as refused:
            found.append(str(refused))
    return found


def fit_of(folder: Path, champion: str, frame: Any, alpha: float) -> tuple[Side, list[str]]:
    """How a champion does on rows of recent weeks, and what of that speaks against it.

    Raises:
        ArtefactRefused: it cannot be had.
    """
    side = measured(frame, champion, read_artefact(folder, champion), alpha)
    return side, misfits(side)


def misfits(side: Side) -> list[str]:
    """What of how a model did speaks against it."""
    found = []
    if side.largest_stability_index > DRIFTED:
        found.append(
            f"{side.digest[:12]}: features fall elsewhere than in training (above {DRIFTED}); train anew"
        )
    low, high = CALIBRATED
    if not low <= side.calibration_ratio <= high:
        found.append(f"{side.digest[:12]}: small p-values are not as many as due; train anew")
    return found


def doubts(side: Side) -> list[str]:
    """What a comparison says against its candidate, in sentences: `misfits`, and that it tells nothing."""
    name, labelled = side.digest[:12], side.labelled
    found = [] if side.alerts else [f"{name}: it tells nothing in the weeks compared"]
    if labelled is not None and labelled.precision.number and not labelled.precision.hits:
        found.append(f"{name}: {labelled.precision.hits} of {labelled.precision.number} findings are right")
    if labelled is not None and labelled.recall.number and not labelled.recall.hits:
        found.append(f"{name}: it tells {labelled.recall.hits} of {labelled.recall.number} incidents")
    return found + misfits(side)
