"""`./probewatch train`: a model of a log, as a candidate in the registry."""

from __future__ import annotations

import json
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from streams.exits import FAILURE, Stop
from streams.options import Account, Config, Files, Json, ModelsFolder
from streams.textfile import Textfile, write_textfile

console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("train")(train)


def train(
    files: Files,
    by: Account,
    until: Annotated[
        str | None,
        typer.Option(
            help="Last day that the model may see, YYYY-MM-DD; what follows is for `models compare`."
        ),
    ] = None,
    algorithm: Annotated[
        str, typer.Option(help="isolation_forest or gaussian_mixture.")
    ] = "isolation_forest",
    stanza: Annotated[
        str, typer.Option(help="The stanza of config/detectors.yaml that it is for.")
    ] = "trained_profile",
    config: Config = None,
    models: ModelsFolder = None,
    textfile: Textfile = None,
    as_json: Json = False,
) -> None:
    """Fit a pipeline to the profiles of a log, calibrate it on later weeks, and register it as candidate.

    The profiles are made by the code that makes them live. The earlier 70% of the Sundays are fitted to,
    the later ones calibrate the p-values. Nothing that is in service changes.
    """
    from analysis.loading import desk
    from analysis.registry.changes import Change, NotAllowed
    from analysis.registry.registry import Damaged, Registry
    from analysis.registry.writing import check_writable, write_artefact
    from analysis.training.features import data_digest, features
    from analysis.training.fitting import ALGORITHMS, TooFewRows, fit
    from streams.commands.models.shelf import unusable
    from streams.configuration import ConfigurationError

    began = time.monotonic()
    if algorithm not in ALGORITHMS:
        raise typer.BadParameter(f"there is no {algorithm}; there are {', '.join(ALGORITHMS)}")
    try:
        last = date.fromisoformat(until).isoformat() if until else "9999"
    except ValueError:
        raise typer.BadParameter(f"--until {until} is no day; write it as 2024-12-31") from None
    try:
        found = desk(config, models, stanza)
        check_writable(found.settings.models_dir)
        least = found.stanza.minimum_searches
        frame, searches = features(files, found.reference, least)
        trained = fit(
            frame[frame["sunday"] <= last], algorithm,
            data_sha256=data_digest(files), searches=searches, minimum_searches=least,
        )  # fmt: skip
        digest = write_artefact(found.settings.models_dir, trained)
        Registry(found.settings.models_dir).change(by, Change(action="trained", stanza=stanza, model=digest))
        manifest = trained.manifest
        if textfile is not None:
            profiles = dict(zip(("profiles_fitted", "profiles_calibrating"), manifest.rows, strict=True))
            write_textfile(
                textfile, "train", time.monotonic() - began, lines={"accepted": searches},
                stanza=(stanza, digest), figures={**profiles, **manifest.metrics},
            )  # fmt: skip
    except (Stop, ConfigurationError, TooFewRows, Damaged, NotAllowed, OSError) as error:
        said = unusable(error) if isinstance(error, OSError) else str(error)
        if isinstance(error, TooFewRows):
            said = _too_few(said, files, last if until else None)
        console.print(said, style="red")
        raise typer.Exit(FAILURE) from None
    console.print(
        f"{algorithm} on {manifest.rows[0]:,} profiles of {manifest.trained[0]} to {manifest.trained[1]}, "
        f"calibrated on {manifest.rows[1]:,} of {manifest.calibrated[0]} to {manifest.calibrated[1]}: "
        f"candidate {digest[:12]} for {stanza}"
    )
    for name, value in manifest.metrics.items():
        console.print(f"  {name.replace('_', ' ')}: {value:.3g}")
    if as_json:
        print(json.dumps({"model": digest, "stanza": stanza, "rows": manifest.rows, **manifest.metrics}))


def _too_few(said: str, files: list[Path], until: str | None) -> str:
    """Why there is too little to train on, by the days of the log."""
    from streams.survey import survey

    spans = survey(files).sources.values()
    if not spans:
        return "no line of the input is a search with a source and a time: docs/events.md has the fields"
    first, last = (
        datetime.fromtimestamp(moment, UTC).date().isoformat()
        for moment in (min(one.first for one in spans), max(one.last for one in spans))
    )
    log = f"the log has the days from {first} to {last}"
    if until is None:
        return f"{said}; {log}"
    meant = f"{log}, and --until is the last of them that the model may see"
    if until < first:
        return f"--until {until} comes before the log: {meant}; give a later day, or leave it out"
    return f"{said}, or a later --until than {until}: {meant}"
