"""Checks plain data against a msgspec Struct, noting every problem at its own line.

`msgspec.convert` stops at the first error and does not know lines; it still has the last word on
single values, so ranges and patterns are declared once, in the types.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterable
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Struct

from models.spelling import did_you_mean
from streams.configuration.document import Document, Place

T = TypeVar("T")
#: A number that YAML 1.1 takes for text.
_POWER = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+")


def convert(document: Document, kind: type[T], place: Place = ()) -> T | None:
    """The data at `place` as a `kind`; None after noting what is wrong."""
    value = document.data
    for part in place:
        value = value[part]
    if not check(document, value, kind, place):
        return None
    return msgspec.convert(value, kind)


def check(document: Document, value: Any, kind: Any, place: Place, *, beside: Iterable[str] = ()) -> bool:
    """Whether a value fits a type; problems are noted in the document.

    `beside` are keys that stand in the same mapping but were taken out of it before.
    """
    bare = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    origin, arguments = get_origin(bare), get_args(bare)
    if isinstance(bare, type) and issubclass(bare, Struct):
        return _check_struct(document, value, bare, place, beside)
    if origin in (Union, types.UnionType):
        others = [one for one in arguments if one is not type(None)]
        if value is None and len(others) < len(arguments):
            return True
        if len(others) == 1:
            return check(document, value, others[0], place)
    elif origin in (tuple, list, set, frozenset) and isinstance(value, list):
        if origin is not tuple or arguments[1:] == (...,):
            fits = [check(document, one, arguments[0], (*place, i)) for i, one in enumerate(value)]
            return all(fits) and _check_leaf(document, value, kind, place)
    elif origin is dict and isinstance(value, dict):
        fits = [check(document, one, arguments[1], (*place, key)) for key, one in value.items()]
        return all(fits) and _check_leaf(document, value, kind, place)
    elif origin is Literal and value not in arguments:
        document.report(place, f"{value!r} is not allowed{did_you_mean(str(value), map(str, arguments))}")
        return False
    return _check_leaf(document, value, kind, place)


def _check_struct(
    document: Document, value: Any, kind: type[Struct], place: Place, beside: Iterable[str]
) -> bool:
    if not isinstance(value, dict):
        document.report(place, "expected a mapping of `key: value` lines")
        return False
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    fits = True
    for key, one in value.items():
        if key not in fields:
            document.report((*place, key), f"unknown key{did_you_mean(key, (*fields, *beside))}", key=True)
            fits = False
        elif not check(document, one, fields[key].type, (*place, key)):
            fits = False
    for name, field in fields.items():
        if field.required and name not in value:
            document.report(place, f"the key {name} is missing")
            fits = False
    return fits and _check_leaf(document, value, kind, place)


def _check_leaf(document: Document, value: Any, kind: Any, place: Place) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        document.report(place, f"{error}{_cure(str(error), value)}")
        return False
    return True


def _cure(said: str, value: Any) -> str:
    if "Expected `str`" in said and value is not None:
        return "; put it in quotes"
    if "Expected `float`" in said and isinstance(value, str) and _POWER.fullmatch(value):
        return "; YAML wants a point in it, as in 1.0e-3"
    return ""
