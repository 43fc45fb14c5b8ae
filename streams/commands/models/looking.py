"""What was trained and what serves: lists, manifests, comparisons, and whether all is whole."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from models.wording import plural
from streams.commands.models.shelf import Digest, Shelf, console, opened, said
from streams.exits import FAILURE, Stop
from streams.options import Alerts, Config, Decisions, Files, Json, Labels, ModelsFolder, in_pairs

if TYPE_CHECKING:
    from analysis.training.labelled import Labelled


def list_(models: ModelsFolder = None, as_json: Json = False) -> None:
    """All models and their states."""
    shelf = opened(models)
    table = Table("model", "stanza", "state", "trained by", "asked for by")
    for one in shelf.models.by_digest.values():
        table.add_row(one.digest[:12], one.stanza, one.state, one.by, one.asked_by or "")
    Console().print(table if shelf.models.by_digest else f"no model in {shelf.folder} yet: `train` makes one")
    if as_json:
        print(msgspec.json.encode({"models": list(shelf.models.by_digest.values())}).decode())


def show(model: Digest, models: ModelsFolder = None) -> None:
    """The manifest of a model, and the ledger's entries about it, as JSON."""
    from streams.artefacts import read_manifest

    shelf = opened(models)

    def work() -> dict[str, Any]:
        digest = shelf.digest(model)
        manifest = msgspec.to_builtins(read_manifest(shelf.folder, digest))
        for long in ("calibration", "edges", "shares", "sample", "sample_scores"):
            manifest[long] = f"{len(manifest[long])} numbers or rows"
        entries = [
            msgspec.to_builtins(one) for one in shelf.registry.entries() if _is_about(one.body, digest)
        ]
        state = msgspec.to_builtins(shelf.models.by_digest[digest])
        return {**state, "manifest": manifest, "entries": entries}

    print(json.dumps(said(work), indent=2))


def _is_about(body: Any, digest: str) -> bool:
    return isinstance(body, dict) and body.get("model") == digest


def compare(
    model: Digest,
    files: Files,
    labels: Labels = None,
    alerts: Alerts = None,
    decisions: Decisions = None,
    config: Config = None,
    models: ModelsFolder = None,
    as_json: Json = False,
) -> None:
    """Let a model and the champion judge Sundays that neither has seen, and keep what comes of it.

    With labels, of a simulation or from dispositions (--alerts with --decisions), also: how many findings
    are right, and how many incidents are told.
    """
    in_pairs(alerts, decisions)
    from analysis.labels import gathered
    from analysis.loading import desk
    from analysis.registry.writing import write_comparison
    from analysis.training import comparing
    from analysis.training.features import data_digest, features
    from analysis.training.labelled import Truth
    from streams.artefacts import read_artefact

    shelf = opened(models)
    # Of a simulation every incident is known; what staff have closed is part of what there is.
    given = bool(labels or decisions)

    def work() -> tuple[str, comparing.Comparison]:
        digest = shelf.digest(model)
        stanza = shelf.models.by_digest[digest].stanza
        found = desk(config, models, stanza)
        truth = Truth(gathered(labels, alerts, decisions), complete=labels is not None) if given else None
        champion = shelf.models.champion(stanza)
        if champion == digest:
            raise Stop(f"{digest[:12]} is the champion itself")
        frame, _ = features(files, found.reference, found.stanza.minimum_searches)
        made = comparing.compare(
            frame,
            stanza,
            (digest, read_artefact(shelf.folder, digest)),
            (champion, read_artefact(shelf.folder, champion)) if champion else None,
            alpha=found.stanza.alpha,
            data_sha256=data_digest(files),
            truth=truth,
        )
        return write_comparison(shelf.folder, made), made

    digest, made = said(work)
    by_labels = ("right", "precision", "told", "recall") if given else ()
    table = Table("", "model", "alerts", "a week", "p <= 0.05", "p <= 0.01", "stability", *by_labels)
    for role, side in (("candidate", made.candidate), ("champion", made.champion)):
        if side is not None:
            table.add_row(
                role, f"{side.digest[:12]} {side.algorithm}", f"{side.alerts:,}",
                *(f"{figure:.2f}" for figure in (
                    side.alerts_a_week, side.calibration_ratio, side.tail_ratio, side.largest_stability_index
                )),
                *(_by_labels(side.labelled) if side.labelled else ()),
            )  # fmt: skip
    for column in table.columns:
        column.overflow = "fold"  # a figure that is cut off is none
    out = Console(width=None if sys.stdout.isatty() else 200)
    out.print(table)
    out.print(f"{made.rows:,} profiles of {made.begins} to {made.until}; {made.both} alerts in common")
    out.print(f"comparison {digest}", soft_wrap=True)
    if as_json:
        print(json.dumps({"comparison": digest, **msgspec.to_builtins(made)}))


def _by_labels(found: Labelled) -> list[str]:
    """Counts and shares, each with its 95% interval."""
    told = []
    for one in (found.precision, found.recall):
        said = "" if one.value is None else f"{one.value:.2f} ({one.low:.2f} to {one.high:.2f})"
        told += [f"{one.hits} of {one.number}", said]
    return told


def check(
    files: Annotated[
        list[Path] | None,
        typer.Option("--input", exists=True, dir_okay=False, help="Recent events, to look for drift."),
    ] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Write serving.json anew.")] = False,
    config: Config = None,
    models: ModelsFolder = None,
    as_json: Json = False,
) -> None:
    """Are the registry's chain, the pointer file and all models that may serve whole? Exit 1 if not.

    With --input also: do the features of the champions still fall where they fell in training, and are
    their p-values calibrated?
    """
    from analysis.registry.checking import faults

    shelf = opened(models)
    if repair:
        said(shelf.registry.repair)
    problems = faults(shelf.folder, shelf.models)
    if files and not any(map(shelf.models.champion, shelf.models.champions)):
        console.print("nothing serves, so there is nothing to look for drift of", style="yellow")
    for stanza in shelf.models.champions if files and not problems else ():
        problems += _drift(shelf, stanza, files or [], config, models)
    for problem in problems:
        console.print(problem, style="red")
    if not problems:
        console.print(
            f"{plural(len(shelf.models.by_digest), 'model')}: registry, pointer and artefacts are whole"
        )
    if as_json:
        print(json.dumps({"ok": not problems, "models": len(shelf.models.by_digest), "problems": problems}))
    if problems:
        raise typer.Exit(FAILURE)


def _drift(
    shelf: Shelf, stanza: str, files: list[Path], config: Path | None, models: Path | None
) -> list[str]:
    """Sentences about a champion that fits the events no longer."""
    from analysis.loading import desk
    from analysis.registry.checking import fit_of
    from analysis.training.features import features

    champion = shelf.models.champion(stanza)
    if champion is None:
        return []
    found = said(lambda: desk(config, models, stanza))
    frame, _ = features(files, found.reference, found.stanza.minimum_searches)
    if not len(frame):
        return [f"no profiles in the input to hold {champion[:12]} against"]
    side, problems = fit_of(shelf.folder, champion, frame, found.stanza.alpha)
    console.print(
        f"{stanza}, {champion[:12]} on {len(frame):,} profiles: largest stability index "
        f"{side.largest_stability_index:.2f}; small p-values: {side.calibration_ratio:.2f} of what is due"
    )
    return problems
