"""Trained models as files: read only after every byte was held against the digest that names them.

An artefact is a folder `artefacts/DIGEST/` with `manifest.json` and `model.skops`. DIGEST is the SHA-256 of
the manifest, which holds that of the model. The model is read by skops, which makes objects of a fixed list
of types and runs nothing; no pickle is ever loaded. A worker only reads; `analysis.registry` writes.
"""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from models.serving import ArtefactRefused, Floats
from streams.exits import log

#: Types beyond those that skops trusts by itself. Scikit-learn's own trees, and nothing else.
TRUSTED = ("sklearn.tree._tree.Tree",)
MANIFEST, MODEL = "manifest.json", "model.skops"
#: Largest manifest and model that are read, and the largest model when unpacked, bytes.
MOST_MANIFEST, MOST_MODEL, MOST_UNPACKED = 16 * 2**20, 64 * 2**20, 512 * 2**20
#: By how much a score of the manifest's sample may differ, relative.
TOLERANCE = 1e-9


class Manifest(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What is known about an artefact. Days are local days of the agencies, `YYYY-MM-DD`."""

    function: str
    """The detector that it is for."""
    algorithm: str
    """Name of the pipeline, as `train --algorithm` takes it."""
    features: tuple[str, ...]
    """Names of the columns, in order."""
    model_sha256: str
    data_sha256: str
    """Of the events that it was made of, in order."""
    searches: int
    """How many events that were."""
    trained: tuple[str, str]
    """First and last Sunday of the rows that it was fitted to."""
    calibrated: tuple[str, str]
    """First and last Sunday of the later rows that calibrated it."""
    rows: tuple[int, int]
    """How many rows of each kind."""
    minimum_searches: int
    code: dict[str, str]
    """Version of the program, and SHA-256 of the code that makes the features."""
    libraries: dict[str, str]
    """Versions of what it was made with."""
    metrics: dict[str, float]
    """What `train` measured, on the rows of calibration."""
    calibration: tuple[float, ...]
    """Scores of the rows of calibration, ascending."""
    edges: tuple[tuple[float, ...], ...]
    shares: tuple[tuple[float, ...], ...]
    """Bounds of the classes of each feature, and rows of training in them (`models.statistics.stability`)."""
    sample: tuple[tuple[float, ...], ...]
    sample_scores: tuple[float, ...]
    """Some rows and their scores: a model that gives others here is not the one that was calibrated."""


class TrainedModel:
    """A pipeline in memory; a `models.serving.Scorer`."""

    def __init__(self, manifest: Manifest, pipeline: Any) -> None:
        self.manifest = manifest
        self._pipeline = pipeline
        self.calibration: Floats = np.array(manifest.calibration)
        self.edges: Floats = np.array(manifest.edges)
        self.shares: Floats = np.array(manifest.shares)

    def scores(self, values: Floats) -> Floats:
        """How odd each row is; more is odder."""
        return pipeline_scores(self._pipeline, values, self.manifest.features)


def pipeline_scores(pipeline: Any, values: Floats, features: tuple[str, ...]) -> Floats:
    """Scores of rows under a scikit-learn pipeline, the odder the higher."""
    import pandas as pd  # takes half a second, and most workers have no model

    return np.asarray(-pipeline.score_samples(pd.DataFrame(values, columns=list(features))), np.float64)


class ArtefactFolder:
    """The artefacts of a folder of models; a `models.serving.Artefacts`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._loaded: dict[str, TrainedModel] = {}
        self._refused: dict[str, str] = {}
        """Sentences that were logged, so that each is logged once."""

    def load(self, digest: str) -> TrainedModel:
        """A model, read and checked once. Raises ArtefactRefused, and logs it."""
        found = self._loaded.get(digest)
        if found is None:
            try:
                found = read_artefact(self.folder, digest)
            except ArtefactRefused as refused:
                if self._refused.get(digest) != str(refused):
                    self._refused[digest] = str(refused)
                    log.error("model refused", artefact=digest, reason=refused.reason, why=str(refused))
                raise
            self._loaded[digest] = found
            log.info("model loaded", artefact=digest, algorithm=found.manifest.algorithm)
        return found


def read_manifest(folder: Path, digest: str) -> Manifest:
    """The manifest of an artefact. Raises ArtefactRefused."""
    raw = _bytes(folder / "artefacts" / digest / MANIFEST, digest, MOST_MANIFEST)
    if hashlib.sha256(raw).hexdigest() != digest:
        raise ArtefactRefused("tampered", f"the manifest of {digest} was changed; put back the original")
    try:
        return msgspec.json.decode(raw, type=Manifest)
    except msgspec.MsgspecError as error:
        raise ArtefactRefused("unfit", f"the manifest of {digest} cannot be read: {error}") from None


def read_artefact(folder: Path, digest: str) -> TrainedModel:
    """An artefact, every byte checked before anything is made of it. Raises ArtefactRefused."""
    # Loads statistics, which are wanted only where there are models.
    from models.detectors.trained_profile import TrainedProfile

    manifest = read_manifest(folder, digest)
    raw = _bytes(folder / "artefacts" / digest / MODEL, digest, MOST_MODEL)
    if hashlib.sha256(raw).hexdigest() != manifest.model_sha256:
        raise ArtefactRefused("tampered", f"the model of {digest} was changed; put back the original")
    if manifest.features != TrainedProfile.features:
        raise ArtefactRefused("unfit", f"{digest} was trained on other features; train a model anew")
    model = TrainedModel(manifest, _unpacked(raw, digest))
    try:
        scores = model.scores(np.array(manifest.sample))
    except Exception as error:  # whatever a pipeline of another version may raise
        raise ArtefactRefused("unfit", f"{digest} cannot score: {error!r}; train a model anew") from error
    if not np.allclose(scores, manifest.sample_scores, rtol=TOLERANCE, atol=0):
        raise ArtefactRefused(
            "unfit", f"{digest} gives other scores here than where it was made; train a model anew"
        )
    return model


def _unpacked(raw: bytes, digest: str) -> Any:
    import io

    import skops.io

    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > MOST_UNPACKED:
            raise ArtefactRefused("untrusted", f"{digest} unpacks to {size:,} bytes")
        foreign = sorted(set(skops.io.get_untrusted_types(data=raw)) - set(TRUSTED))
        if foreign:
            raise ArtefactRefused(
                "untrusted", f"{digest} holds {', '.join(foreign)}, which no model of ours has; do not use it"
            )
        return skops.io.loads(raw, trusted=list(TRUSTED))
    except ArtefactRefused:
        raise
    except Exception as error:  # skops raises what it meets: broken archives, schemas, types
        raise ArtefactRefused("untrusted", f"{digest} holds no model that skops reads: {error!r}") from error


def _bytes(file: Path, digest: str, most: int) -> bytes:
    try:
        with file.open("rb") as stream:
            raw = stream.read(most + 1)
    except OSError as error:
        raise ArtefactRefused(
            "missing", f"{file.name} of {digest} cannot be read ({error.strerror}) in {file.parent}"
        ) from None
    if len(raw) > most:
        raise ArtefactRefused("unfit", f"{file.name} of {digest} has more than {most:,} bytes")
    return raw
