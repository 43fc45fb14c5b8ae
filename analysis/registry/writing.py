"""Artefacts and comparisons as files, which appear whole or not at all and are named by their digest."""

from __future__ import annotations

import hashlib
import os
import shutil
from errno import EACCES, ENOTDIR
from pathlib import Path

import msgspec

from analysis.training.comparing import Comparison
from analysis.training.fitting import Trained
from streams.artefacts import MANIFEST, MODEL
from streams.serving import REGISTRY
from streams.whole_file import whole_file


def check_writable(folder: Path) -> None:
    """Whether a model could be written and registered in a folder that need not be there yet.

    Raises:
        OSError: something is in the way, which it names.
    """
    for file in (folder / "artefacts", folder / REGISTRY, folder / ".lock"):
        wanted = file.absolute()
        place = next(one for one in (wanted, *wanted.parents) if os.path.exists(one))
        if place != wanted and not place.is_dir():
            raise NotADirectoryError(ENOTDIR, "it is no folder", str(place))
        if not os.access(place, os.W_OK | os.X_OK if place.is_dir() else os.W_OK):
            raise PermissionError(EACCES, "it cannot be written", str(place))


class Unknown(ValueError):
    """Nothing, or more than one thing, is named so; the text says what there is."""


def write_artefact(folder: Path, trained: Trained) -> str:
    """Write an artefact and return its digest. Raises OSError."""
    manifest = msgspec.json.encode(trained.manifest)
    digest = hashlib.sha256(manifest).hexdigest()
    place = folder / "artefacts" / digest
    if place.exists():
        return digest
    partial = place.with_name(f".{digest}.{os.getpid()}.partial")
    partial.mkdir(parents=True)
    try:
        for name, raw in ((MANIFEST, manifest), (MODEL, trained.model)):
            with (partial / name).open("wb") as stream:
                stream.write(raw)
                stream.flush()
                os.fsync(stream.fileno())
        partial.rename(place)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return digest


def write_comparison(folder: Path, comparison: Comparison) -> str:
    """Write a comparison and return its digest. Raises OSError."""
    raw = msgspec.json.encode(comparison)
    digest = hashlib.sha256(raw).hexdigest()
    (folder / "comparisons").mkdir(parents=True, exist_ok=True)
    with whole_file(folder / "comparisons" / f"{digest}.json") as stream:
        stream.write(raw)
    return digest


def read_comparison(folder: Path, digest: str) -> Comparison:
    """A comparison, its bytes held against its digest. Raises Unknown."""
    try:
        raw = (folder / "comparisons" / f"{digest}.json").read_bytes()
        if hashlib.sha256(raw).hexdigest() != digest:
            raise Unknown(f"the comparison {digest} was changed; compare again")
        return msgspec.json.decode(raw, type=Comparison)
    except (OSError, msgspec.MsgspecError) as error:
        raise Unknown(f"the comparison {digest} cannot be read ({error}); compare again") from None


def last_comparison(folder: Path, candidate: str, champion: str | None) -> str | None:
    """Digest of the comparison of these two that was written last, if there is one. Raises Unknown."""
    files = sorted((folder / "comparisons").glob("*.json"), key=lambda one: one.stat().st_mtime_ns)
    of_both = (one.stem for one in reversed(files)
               if read_comparison(folder, one.stem).sides == (candidate, champion))  # fmt: skip
    return next(of_both, None)


def full_digest(known: list[str], given: str) -> str:
    """The one digest that begins so. Raises Unknown."""
    found = [one for one in known if one.startswith(given)]
    if len(found) != 1 or len(given) < 4:
        which = f"{len(found)} models begin" if found else "no model begins"
        some = ", ".join(one[:12] for one in (found or known)[:5]) or "none"
        raise Unknown(f"{which} with {given!r} (four digits at least); there are: {some}")
    return found[0]
