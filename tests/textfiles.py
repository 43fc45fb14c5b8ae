"""Reading what commands leave for node_exporter."""

from __future__ import annotations

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from streams.metrics import COMMANDS

PREFIX = "probewatch_command_"
#: A series without its prefix, and the values of its labels, by the names of these and without the command.
Figures = dict[tuple[str, ...], float]


def left(path: Path, command: str) -> Figures:
    """The series of a file: all of this command, and all declared."""
    declared = {family.name for family in COMMANDS.collect()}
    found: Figures = {}
    for family in text_string_to_metric_families(path.read_text()):
        assert family.name in declared
        for sample in family.samples:
            labels = dict(sample.labels)
            assert labels.pop("command") == command
            values = (labels[name] for name in sorted(labels))
            found[(sample.name.removeprefix(PREFIX), *values)] = sample.value
    return found


def total(found: Figures, name: str) -> float:
    """The sum of a series over all its labels."""
    return sum(value for (series, *_), value in found.items() if series == name)
