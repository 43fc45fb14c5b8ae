"""The composition root: the configuration made into the stages that workers run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import msgspec

from models.detectors import discover
from models.ingest import IngestStage
from models.panel import Chosen, Panel
from models.pipeline import Pipeline
from models.pseudonym import Pseudonyms
from models.reference import Reference
from models.watch import WatchStage
from streams.artefacts import ArtefactFolder
from streams.configuration import Configuration
from streams.partition import StageKind
from streams.settings import Settings
from streams.topics import partition_of

#: Where processors are short, what has been read in is judged before more is read in: a backlog stands
#: in Kafka and not between the stages, and the alerts that are nearest come first.
INGEST_GIVES_WAY = 10


def pseudonyms(settings: Settings) -> Pseudonyms:
    """What replaces staff identities at ingest, and in the roster alike."""
    key = settings.pseudonym_key
    return Pseudonyms(key.get_secret_value().encode() if key else b"")


def chosen(configuration: Configuration) -> list[Chosen]:
    """The detectors that are switched on, with their settings."""
    functions = discover()
    return [
        Chosen(
            name=stanza.name,
            function=stanza.function,
            settings=msgspec.convert(stanza.settings, functions[stanza.function].settings_type),
        )
        for stanza in configuration.detectors
        if stanza.enabled
    ]


def with_artefacts(settings: Settings, configuration: Configuration) -> Reference:
    """The reference data, and where the trained models are."""
    return replace(configuration.reference, artefacts=ArtefactFolder(settings.models_dir))


def pipeline(
    settings: Settings, configuration: Configuration, owns: Callable[[str], bool] = lambda source_id: True
) -> Pipeline:
    """Both stages in memory, for replay: the same code and settings as the workers'. `owns` tells of which
    declared sources the log is."""
    return Pipeline(
        with_artefacts(settings, configuration),
        chosen(configuration),
        configuration.digest,
        pseudonyms=pseudonyms(settings),
        budget=configuration.budget,
        owns=owns,
    )


def stage_kinds(settings: Settings, configuration: Configuration) -> tuple[StageKind, ...]:
    """Ingest and watch, each made anew for every partition."""
    reference, digest = with_artefacts(settings, configuration), configuration.digest
    panel = Panel(chosen(configuration), reference)
    names = pseudonyms(settings)

    def ingest(partition: int) -> IngestStage:
        def owns(source_id: str) -> bool:
            return partition_of(source_id.encode(), settings.partitions) == partition

        return IngestStage(reference, panel.source, digest, pseudonyms=names, partition=partition, owns=owns)

    def watch(partition: int) -> WatchStage:
        return WatchStage(reference, panel.agency, digest, configuration.budget)

    return (
        StageKind("ingest", IngestStage.version, "searches.raw", ingest, niceness=INGEST_GIVES_WAY),
        StageKind("watch", WatchStage.version, "searches", watch),
    )
