"""Three-valued tests of a search: the closures that conditions are built from.

A test answers True, False or None for unknown, and joins by Kleene's rules.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from models.fields import is_missing
from models.reasons import vague
from models.search import Search

#: True, False or None for unknown.
Test = Callable[[Search], bool | None]
Compare = Callable[[Any, Any], bool]


def join(tests: list[Test], decisive: bool) -> Test:
    """Kleene's or (decisive True) and and (decisive False)."""
    if len(tests) == 1:
        return tests[0]

    def test(search: Search) -> bool | None:
        result: bool | None = not decisive
        for part in tests:
            value = part(search)
            if value is decisive:
                return decisive
            if value is None:
                result = None
        return result

    return test


def negate(inner: Test) -> Test:
    """Kleene's not."""

    def test(search: Search) -> bool | None:
        value = inner(search)
        return None if value is None else not value

    return test


def absent(name: str) -> Test:
    """Whether a field is missing; never unknown."""
    return lambda search: is_missing(getattr(search, name))


def against(name: str, compare: Callable[[object, object], bool], value: object) -> Test:
    """A field compared with a value."""

    def test(search: Search) -> bool | None:
        found = getattr(search, name)
        return None if found is None else compare(found, value)

    return test


def between(one: str, two: str, compare: Compare) -> Test:
    """Two fields compared."""

    def test(search: Search) -> bool | None:
        left, right = getattr(search, one), getattr(search, two)
        return None if left is None or right is None else compare(left, right)

    return test


def among(name: str, values: frozenset[object], inside: bool) -> Test:
    """A field in, or not in, a set of values."""

    def test(search: Search) -> bool | None:
        found = getattr(search, name)
        return None if found is None else (found in values) is inside

    return test


def containing(name: str, texts: tuple[str, ...]) -> Test:
    """Any of the case-folded texts inside a text field."""

    def test(search: Search) -> bool | None:
        found = getattr(search, name)
        return None if found is None else any(text in found.casefold() for text in texts)

    return test


def equal_to_any(name: str, texts: tuple[str, ...]) -> Test:
    """A text field equal to any of the case-folded texts, outer blanks aside."""

    def test(search: Search) -> bool | None:
        found = getattr(search, name)
        return None if found is None else found.casefold().strip() in texts

    return test


def saying_nothing(name: str) -> Test:
    """Whether a text says nothing; never unknown, a missing one says nothing either."""
    return lambda search: vague(getattr(search, name))


def constant(value: object) -> Callable[[Search], object]:
    """An argument that is the same for every search."""
    return lambda search: value


def applied(call: Callable[..., bool | None], getters: tuple[Callable[[Search], object], ...]) -> Test:
    """A declared function on the values of its arguments."""
    if not getters:
        return call
    return lambda search: call(search, *(getter(search) for getter in getters))
