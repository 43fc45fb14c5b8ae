"""The detectors, one a file. A new file here is found by itself; nothing lists them."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from models.detectors.base import Detector, Settings, SourceDetector

AnyDetector = type[Detector] | type[SourceDetector]


@cache
def discover() -> dict[str, AnyDetector]:
    """Every detector class by the name of its function, which is also its file's name.

    Raises TypeError, naming the file, for a file that does not hold exactly one detector of its
    own name.
    """
    found: dict[str, AnyDetector] = {}
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda entry: entry.name):
        if module.name == "base":
            continue
        loaded = importlib.import_module(f"{__name__}.{module.name}")
        classes = [
            value
            for value in vars(loaded).values()
            if isinstance(value, type)
            and issubclass(value, (Detector, SourceDetector))
            and value.__module__ == loaded.__name__
        ]
        if len(classes) != 1 or getattr(classes[0], "function", None) != module.name:
            raise TypeError(
                f"models/detectors/{module.name}.py must hold exactly one detector class "
                f"whose `function` is {module.name!r}; it has {[c.__name__ for c in classes]}"
            )
        found[module.name] = classes[0]
    return found


def settings_types() -> dict[str, type[Settings]]:
    """The settings that each function takes in `config/detectors.yaml`."""
    return {function: detector.settings_type for function, detector in discover().items()}
