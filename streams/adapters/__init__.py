"""Adapters: one file for each kind of outside log, found by walking this folder."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

from streams.adapters.base import Adapter


def adapters() -> dict[str, type[Adapter]]:
    """All adapters by name.

    Raises TypeError when one lacks a name or a docstring, or when two share a name.
    """
    found: dict[str, type[Adapter]] = {}
    for module_info in pkgutil.iter_modules(__path__, f"{__name__}."):
        module = importlib.import_module(module_info.name)
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if (
                kind.__module__ != module.__name__
                or not issubclass(kind, Adapter)
                or inspect.isabstract(kind)
            ):
                continue
            name = getattr(kind, "name", None)
            if not name or not kind.__doc__:
                raise TypeError(
                    f"{module.__name__}.{kind.__name__} needs a name and a docstring of its format"
                )
            if name in found:
                raise TypeError(f"two adapters are called {name}: {found[name].__name__} and {kind.__name__}")
            found[name] = kind
    return dict(sorted(found.items()))
