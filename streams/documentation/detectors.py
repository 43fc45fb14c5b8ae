"""A chapter for every detector: its docstring, its settings, its stanzas."""

from __future__ import annotations

from collections.abc import Sequence

from models.detectors import AnyDetector, discover, settings_types
from models.detectors.base import SourceDetector
from models.explained import explained
from streams.commands.config import SHIPPED
from streams.configuration import Stanza, load
from streams.documentation.tables import attribute_docs, default, fields, table, type_words, yaml


def detector_chapters() -> str:
    """All chapters, by name of function."""
    stanzas = load(SHIPPED, SHIPPED, settings_types()).detectors
    return "\n".join(
        _chapter(function, detector, [one for one in stanzas if one.function == function])
        for function, detector in discover().items()
    )


def _chapter(function: str, detector: AnyDetector, stanzas: Sequence[Stanza]) -> str:
    headline, method, said = explained(detector)
    watches = "the log of one source" if issubclass(detector, SourceDetector) else "one agency"
    size = detector.bytes_per_key
    text = [
        f"## {function}\n",
        f"**{headline}**\n",
        f"{method}\n",
        *(f"**{part}.** {words}\n" for part, words in said.items()),
        f"Watches {watches}; kind `{detector.kind}`, version {detector.version}; "
        + (f"at most {size:,} bytes of state a key.\n" if size else "keeps no state between days.\n"),
        _settings(detector),
        _stanzas(stanzas),
    ]
    return "\n".join(text)


def _settings(detector: AnyDetector) -> str:
    meanings = attribute_docs(detector.settings_type)
    rows = []
    for field in fields(detector.settings_type):
        kind, limits = type_words(field.type)
        rows.append((f"`{field.name}`", kind, limits, f"`{default(field)}`", meanings.get(field.name, "")))
    return table(("setting", "type", "limits", "default", "meaning"), rows)


def _stanzas(stanzas: Sequence[Stanza]) -> str:
    if not stanzas:
        return "No stanza of `config/detectors.yaml` uses it.\n"
    lines = ["Stanzas in `config/detectors.yaml`, with what differs from the defaults:\n"]
    for stanza in stanzas:
        settings = ", ".join(f"`{name}: {yaml(value)}`" for name, value in stanza.settings.items())
        off = "" if stanza.enabled else " (switched off)"
        # Something to link to: an alert names the stanza.
        lines.append(f'- <a id="{stanza.name}"></a>`{stanza.name}`{off}: {settings or "nothing"}')
    return "\n".join(lines) + "\n"
