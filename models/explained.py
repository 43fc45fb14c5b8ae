"""What a detector's docstring says, part by part: it is the page that people read about it."""

from __future__ import annotations

import inspect
import re
import sys
from typing import NamedTuple

#: Parts of a detector's docstring that begin a line of it.
PARTS = ("Innocent explanations", "Blind spots", "Source")
_PART = re.compile(rf"^({'|'.join(PARTS)}):\s*", re.MULTILINE)


class Explained(NamedTuple):
    """The first line of its module, how it works, and those of `PARTS` that it has, by name."""

    headline: str
    method: str
    parts: dict[str, str]


def explained(detector: type) -> Explained:
    """What the docstrings of a detector's class and module say."""
    module = sys.modules[detector.__module__]
    method, *parts = _PART.split(inspect.cleandoc(detector.__doc__ or ""))
    said = dict(zip(parts[::2], map(_sentence, parts[1::2]), strict=True))
    first = (module.__doc__ or "").strip().partition("\n")[0]
    return Explained(first, method.strip(), {part: said[part] for part in PARTS if part in said})


def _sentence(text: str) -> str:
    text = text.strip()
    return text[:1].upper() + text[1:]
