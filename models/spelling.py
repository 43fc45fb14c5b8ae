"""The nearest known word, for errors that say what was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A clause to append to an error: the nearest known word, else all of them if they are few.

    >>> did_you_mean("bodyworn", ["cctv", "body_worn"])
    ', did you mean body_worn?'
    >>> did_you_mean("zzz", ["cctv", "body_worn"])
    '; known are body_worn, cctv'
    """
    words = sorted(known)
    near = difflib.get_close_matches(word[:200], words, n=1, cutoff=0.6)
    if near:
        return f", did you mean {near[0]}?"
    return f"; known are {', '.join(words)}" if 0 < len(words) <= 12 else ""
