"""The fields of a search as a condition sees them: their kind and the values they can take.

Read off `models.search.Search` itself, so a field added there can be used in conditions at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from msgspec import inspect

from models.search import Search

#: Text fields with few different values in practice; all other free text is `wide`.
_NARROW = frozenset({
    "source_id", "agency_id", "unit_id", "tool", "tool_version", "gallery", "purpose", "role",
    "access_channel", "incident_area",
})  # fmt: skip


class Field(NamedTuple):
    """What is known of a field of a search. `values` is empty when any value of the kind may occur.

    `wide` fields take ever new values (case numbers, free text, times): bad keys for a memo.
    """

    name: str
    kind: Literal["text", "number", "truth", "time"]
    values: frozenset[str]
    wide: bool
    required: bool = False


def is_missing(value: object) -> bool:
    """Whether a field was not filled in: None, or text with nothing but white space in it."""
    return value is None or (isinstance(value, str) and not value.strip())


def _describe_fields() -> dict[str, Field]:
    known: dict[str, Field] = {}
    described = inspect.type_info(Search)
    assert isinstance(described, inspect.StructType)
    for field in described.fields:
        union = field.type.types if isinstance(field.type, inspect.UnionType) else (field.type,)
        kind = next(t for t in union if not isinstance(t, inspect.NoneType))
        name, needed = field.encode_name, field.required
        match kind:
            case inspect.LiteralType(values=values):
                known[name] = Field(name, "text", frozenset(str(value) for value in values), False, needed)
            case inspect.StrType():
                known[name] = Field(name, "text", frozenset(), name not in _NARROW, needed)
            case inspect.BoolType():
                known[name] = Field(name, "truth", frozenset(), False, needed)
            case inspect.DateTimeType():
                known[name] = Field(name, "time", frozenset(), True, needed)
            case _:
                known[name] = Field(name, "number", frozenset(), True, needed)
    return known


#: Every field of a search, by name.
FIELDS: Mapping[str, Field] = _describe_fields()
