"""The detectors that are switched on, made anew for each agency and each source."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from models.detectors import discover
from models.detectors.base import Detector, Settings, SourceDetector
from models.reference import Reference


class Chosen(Struct, frozen=True, kw_only=True):
    """One stanza of `config/detectors.yaml`, checked: its name, its function and its settings."""

    name: str
    function: str
    settings: Settings


class Panel:
    """Makes detectors. Raises KeyError for a function that no file in `models/detectors/` has."""

    def __init__(self, chosen: Sequence[Chosen], reference: Reference) -> None:
        found = discover()
        self._reference = reference
        self._for_agency: list[tuple[Chosen, type[Detector]]] = []
        self._for_source: list[tuple[Chosen, type[SourceDetector]]] = []
        for stanza in sorted(chosen, key=lambda stanza: stanza.name):
            detector = found[stanza.function]
            if issubclass(detector, SourceDetector):
                self._for_source.append((stanza, detector))
            else:
                self._for_agency.append((stanza, detector))

    def agency(self, agency_id: str) -> tuple[Detector, ...]:
        """Fresh detectors for one agency."""
        return tuple(
            detector(stanza.name, stanza.settings, self._reference, agency_id)
            for stanza, detector in self._for_agency
        )

    def source(self, source_id: str) -> tuple[SourceDetector, ...]:
        """Fresh detectors for one source."""
        return tuple(
            detector(stanza.name, stanza.settings, source_id) for stanza, detector in self._for_source
        )
