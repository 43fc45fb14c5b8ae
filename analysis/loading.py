"""What the analysts' commands begin with: settings, configuration, and one stanza of it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec

from models.detectors import settings_types
from models.detectors.trained_profile import TrainedProfile, TrainedProfileSettings
from models.reference import Reference
from models.spelling import did_you_mean
from streams.commands.config import SHIPPED
from streams.configuration import load
from streams.exits import Stop
from streams.settings import Settings, load_settings
from streams.stages import pseudonyms, with_artefacts


class Desk(NamedTuple):
    """Settings, reference data, and the settings of a stanza that trained models serve."""

    settings: Settings
    reference: Reference
    stanza: TrainedProfileSettings


def desk(config: Path | None, models: Path | None, stanza: str) -> Desk:
    """Read them. Raises Stop, and ConfigurationError for a faulty configuration."""
    settings = load_settings(config_dir=config, models_dir=models)
    configuration = load(settings.config_dir, SHIPPED, settings_types(), pseudonyms(settings))
    trained = {one.name: one for one in configuration.detectors if one.function == TrainedProfile.function}
    if stanza not in trained:
        raise Stop(
            f"{settings.config_dir}/detectors.yaml has no stanza {stanza} of the function "
            f"{TrainedProfile.function}{did_you_mean(stanza, trained)}"
        )
    chosen = msgspec.convert(trained[stanza].settings, TrainedProfileSettings)
    return Desk(settings, with_artefacts(settings, configuration), chosen)
