"""Whether the reason of a search says anything: judged by the text alone.

A reason is vague when it names no offence and nothing that happened: it is empty or too short, it
is only a case number, or it holds nothing but words that say "there is a reason" ("investigation",
"case", "see report"). The list is short on purpose: a text that is not understood is not vague.
"""

from __future__ import annotations

import re
from functools import lru_cache

#: Letters that a text must have at least to say anything.
LEAST_LETTERS = 3
#: Words that say nothing by themselves, in English audit logs of the United States.
STOP_WORDS = frozenset({
    "a", "active", "an", "and", "as", "assigned", "attached", "case", "cases", "check", "crim", "crime",
    "criminal", "current", "follow", "followup", "for", "fu", "general", "id", "identification", "identify",
    "in", "incident", "info", "information", "inquiry", "inv", "invest", "investigate", "investigation",
    "investigations", "investigative", "law", "lead", "misc", "n", "na", "none", "number", "of", "official",
    "on", "ongoing", "open", "other", "pd", "per", "person", "poi", "police", "purpose", "purposes",
    "query", "reason", "ref", "reference", "related", "report", "request", "research", "search", "see",
    "subj", "subject", "sus", "susp", "suspect", "test", "the", "this", "to", "unk", "unknown", "up",
    "work",
})  # fmt: skip
#: Statutes before or after the number of an offence.
_CODES = frozenset({"pc", "hs", "vc", "wi", "bp", "usc", "cfr", "rcw", "ors"})
_WORD = re.compile(r"[^\W\d_]+")


@lru_cache(maxsize=50_000)
def vague(text: str | None) -> bool:
    """Whether a reason text says nothing.

    >>> [text for text in ("robbery suspect", "PC 211", "inv", "21-004512", "see report", "") if vague(text)]
    ['inv', '21-004512', 'see report', '']

    A code with letters ("PC 211", "187 PC") names an offence.
    """
    if text is None:
        return True
    folded = text.casefold()
    words = _WORD.findall(folded)
    if not words:
        # An offence code may be a bare number, but then nobody can tell it from a case number.
        return True
    if any(word in _CODES for word in words) and any(letter.isdigit() for letter in folded):
        return False
    if sum(map(len, words)) < LEAST_LETTERS:
        return True
    return all(word in STOP_WORDS for word in words)


def normalised(text: str | None) -> str:
    """A reason text as it is compared with others.

    >>> normalised("  Robbery - Suspect. ")
    'robbery suspect'
    """
    return " ".join(re.findall(r"\w+", (text or "").casefold()))
