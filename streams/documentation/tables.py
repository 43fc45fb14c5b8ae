"""Tables in Markdown, and the fields of a Struct in words."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from msgspec import inspect as types

#: Ways in which bounds are said, by the name msgspec has for them.
BOUNDS = {"ge": "at least {}", "gt": "above {}", "le": "at most {}", "lt": "below {}"}


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; line breaks and bars in cells are made harmless."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def attribute_docs(kind: type) -> dict[str, str]:
    """The string under each annotated attribute of a class and its bases, by attribute."""
    found: dict[str, str] = {}
    for one in reversed(kind.__mro__):
        if one.__module__.startswith(("models.", "streams.")):
            found |= _own_docs(one)
    return found


def _own_docs(kind: type) -> dict[str, str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for before, after in zip(tree.body, tree.body[1:], strict=False):
        if (
            isinstance(before, ast.AnnAssign)
            and isinstance(before.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
            and isinstance(after.value.value, str)
        ):
            found[before.target.id] = inspect.cleandoc(after.value.value)
    return found


def type_words(kind: types.Type) -> tuple[str, str]:
    """A type and its limits, in words: ("whole number", "at least 0, at most 30")."""
    match kind:
        case types.UnionType():
            return type_words(next(one for one in kind.types if not isinstance(one, types.NoneType)))
        case types.LiteralType():
            return "one of", ", ".join(f"`{value}`" for value in kind.values)
        case types.BoolType():
            return "true or false", ""
        case types.IntType():
            return "whole number", _bounds(kind)
        case types.FloatType():
            return "number", _bounds(kind)
        case types.DateTimeType():
            return "time with zone", ""
        case types.StrType():
            limits = [
                f"{kind.min_length} to {kind.max_length} characters"
                if kind.min_length
                else f"at most {kind.max_length:,} characters"
                if kind.max_length
                else ""
            ]
            limits += [f"pattern `{kind.pattern}`"] if kind.pattern else []
            return "text", ", ".join(filter(None, limits))
        case types.VarTupleType() | types.ListType():
            inner, bounds = type_words(kind.item_type)
            length = f"{kind.min_length or 0} to {kind.max_length} of them" if kind.max_length else ""
            return "list", ", ".join(filter(None, (f"each {inner} {bounds}".strip(), length)))
        case types.TupleType():
            return f"{len(kind.item_types)} {type_words(kind.item_types[0])[0]}s", ""
    raise TypeError(f"the documentation has no words for {kind}")


def _bounds(kind: types.IntType | types.FloatType) -> str:
    values = ((words, getattr(kind, name)) for name, words in BOUNDS.items())
    return ", ".join(words.format(_number(value)) for words, value in values if value is not None)


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def fields(kind: type[Struct]) -> tuple[types.Field, ...]:
    """The fields of a Struct in the order in which they are declared."""
    described = types.type_info(kind)
    assert isinstance(described, types.StructType)
    return described.fields


def default(field: types.Field) -> str:
    """The default as it is written in YAML; empty when a value must be given."""
    value: Any = field.default
    if field.default_factory is not msgspec.NODEFAULT:
        value = field.default_factory()
    return "" if value is msgspec.NODEFAULT else yaml(value)


def yaml(value: object) -> str:
    """A plain value in YAML."""
    match value:
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case list() | tuple():
            return f"[{', '.join(map(yaml, value))}]"
        case float():
            return f"{value:g}"
    return str(value)
