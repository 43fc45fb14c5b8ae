"""A configuration folder as an analyst's command opens it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from analysis.backtesting.lanes import Subject
from models.detectors import settings_types
from models.serving import ArtefactRefused
from streams.artefacts import read_artefact
from streams.commands.config import SHIPPED
from streams.configuration import load
from streams.paths import must_be_one
from streams.serving import Pointer
from streams.settings import load_settings
from streams.stages import chosen, pseudonyms


def models_refused(subjects: Sequence[Subject]) -> list[str]:
    """Why models that should judge under some stanza do not; empty when all is well."""
    found: dict[str, None] = {}
    for one in subjects:
        folder = one.settings.models_dir
        stanzas = {stanza.name for stanza in chosen(one.configuration)}
        serving = {said.stanza: said for said in Pointer(folder).look()}
        for digest in (said.champion for name, said in serving.items() if name in stanzas):
            try:
                if digest is not None:
                    read_artefact(folder, digest)
            except ArtefactRefused as refused:
                found[str(refused)] = None
    return list(found)


def open_subject(folder: Path | None) -> Subject:
    """Load a folder, or the one that the environment names.

    Raises:
        Stop: it has problems; the text lists all of them with file and line.
    """
    settings = load_settings(config_dir=folder)
    must_be_one(settings.config_dir)
    return Subject(settings, load(settings.config_dir, SHIPPED, settings_types(), pseudonyms(settings)))
