"""A configuration folder, or a log without one, as an analyst opens it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from analysis.backtesting.lanes import Subject
from models.detectors import settings_types
from models.serving import ArtefactRefused
from streams.artefacts import read_artefact
from streams.commands.config import SHIPPED
from streams.configuration import load
from streams.exits import Stop
from streams.paths import must_be_one
from streams.serving import read_pointer
from streams.settings import load_settings
from streams.stages import chosen, pseudonyms
from streams.survey import lines


def models_refused(subjects: Sequence[Subject]) -> list[str]:
    """Why models that should judge under some stanza do not; empty when all is well."""
    found: dict[str, None] = {}
    for one in subjects:
        folder = one.settings.models_dir
        stanzas = {
            stanza.name for stanza in chosen(one.configuration) if stanza.function == "trained_profile"
        }
        if not stanzas:
            continue
        # Not `Pointer.look`, which leaves out what cannot be had.
        try:
            serving = {said.stanza: said.champion for said in read_pointer(folder)}
        except ValueError as error:
            serving = {}
            found[str(error)] = None
        for digest in (champion for name, champion in serving.items() if name in stanzas):
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


class _Told(msgspec.Struct):
    agency_id: str


def agency_of(log: Path) -> str:
    """The agency of the first search in a file of events.

    Raises:
        Stop: the file cannot be read, is empty, or is none of events.
    """
    cure = "docs/events.md says what is in a file of events, and `./probewatch import` makes one"
    try:
        line = next((line for _, line in lines(log)), None)
        if line is None:
            raise Stop(f"there is no search in {log}; {cure}")
        return msgspec.json.decode(line, type=_Told).agency_id
    except OSError as error:
        raise Stop(f"cannot read {log}: {error.strerror}; name a file that is there") from None
    except ValueError as error:
        raise Stop(f"{log}, its first line: {error}; {cure}") from None
