"""The fields of an alert."""

from __future__ import annotations

from models.alert import Alert
from streams.documentation.tables import attribute_docs, fields, table, type_words


def alert_table() -> str:
    """Every field of an alert."""
    meanings = attribute_docs(Alert)
    rows = []
    for field in fields(Alert):
        kind, limits = type_words(field.type)
        words = f"{kind} {limits}" if kind == "one of" else kind
        rows.append((f"`{field.name}`", words, meanings[field.name]))
    return table(("field", "type", "meaning"), rows)
