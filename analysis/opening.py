"""A configuration folder as an analyst's command opens it."""

from __future__ import annotations

from pathlib import Path

from analysis.backtesting.lanes import Subject
from models.detectors import settings_types
from streams.commands.config import SHIPPED
from streams.configuration import load
from streams.settings import load_settings
from streams.stages import pseudonyms


def open_subject(folder: Path | None) -> Subject:
    """Load a folder, or the one that the environment names.

    Raises:
        Stop: it has problems; the text lists all of them with file and line.
    """
    settings = load_settings(config_dir=folder)
    return Subject(settings, load(settings.config_dir, SHIPPED, settings_types(), pseudonyms(settings)))
