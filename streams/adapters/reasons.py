"""What the free reason text of a plate-reader search says: a purpose, perhaps a case number.

The purposes, decided by the first rule that fits:

| purpose | the text |
|---|---|
| `unstated` | blank, or nothing but punctuation or a redaction |
| `case_number` | a case number and nothing else |
| `test` | an administrative, camera or system test, training |
| `crime` | names a kind of crime, a warrant or a wanted person, in its usual short forms too |
| `welfare` | a missing person, a welfare check |
| `vague` | only says that there is an investigation ("investigation", "inv", "criminal inv") |
| `other` | anything else, default texts of the user interface among them |

Number plates are replaced by `[plate]`: tokens of 5-8 letters and digits mixed, and whatever
stands where the automatic texts put a plate. A plate of letters alone, or a person's name, in
hand-written text is not recognised.
"""

from __future__ import annotations

import difflib
import re
from functools import lru_cache
from typing import Literal, NamedTuple

Purpose = Literal["unstated", "case_number", "test", "crime", "welfare", "vague", "other"]

PLATE = "[plate]"

_CRIME = re.compile(
    r"\b(fel\w*|misdo\w*|crimes?|person|property|uuv|uumv|stolen|steal\w*|theft\w*|larceny|burg\w*|robb\w*|assault"
    r"\w*|homicide|murder|shoot\w*|shots|stab\w*|rape|sex\w*|kidnap\w*|arson|fraud|forger\w*|intimidation|"
    r"hit (and|&) run|hit ?n ?run|dui\w*|dwi|reckless|eluding?|pursuit|narcotics?|drugs?|traffick\w*|icac|"
    r"vandal\w*|crim mis\w*|menac\w*|harass\w*|stalk\w*|weapons?|gun|firearms?|warr(ant)?s?|wanted|fugitive|"
    r"suspicious|suspect|vro|hijack\w*|carjack\w*|trespass\w*)\b"
)
_WELFARE = re.compile(r"\b(missing|misper|welfare|amber|silver alert|endangered|suicid\w*|runaway|at risk)\b")
_TEST = re.compile(r"\b(tests?|testing|training|demo|demonstration of)\b")
_FILLERS = frozenset({
    "a", "an", "and", "case", "criminal", "crim", "for", "fu", "follow", "followup", "further", "general",
    "incident", "info", "is", "of", "ongoing", "open", "police", "related", "research", "up", "work",
})  # fmt: skip
_CASE = re.compile(
    r"(?<![\w-])(?:(?:case|cs|dr|ir|inc(?:ident)?)\s*(?:#|no\.?|number)?\s*:?\s*)?"
    r"(?P<number>(?:[A-Z]{1,3}-?)?(?P<year>(?:19|20)?\d\d)(?P<dash>-?)(?P<count>\d{4,8}))(?![\w-])",
    re.IGNORECASE,
)
_AUTOMATIC = re.compile(
    r"(?P<before>associated with alert: .*?)(?P<plate>\S+)(?P<after> - \d{4}-\d\d-\d\dT\S+)", re.IGNORECASE
)
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z?")
_PLATE = re.compile(r"(?<![\w-])(?=\w*\d)(?=\w*[A-Za-z])[A-Za-z0-9]{5,8}(?![\w-])")


class Reason(NamedTuple):
    """`text` is free of recognised plates; `plates` says how many were replaced."""

    text: str
    purpose: Purpose
    case_number: str | None
    plates: int


def read_reason(text: str, year: int) -> Reason:
    """Read a reason text. `year` is the year of the search: a case number begins with it, or with
    one of the nine before, in two or four digits; other numbers are not taken for one.

    >>> read_reason("Investigation, 2512345", 2025)
    Reason(text='Investigation, 2512345', purpose='vague', case_number='2512345', plates=0)
    >>> read_reason("stolen vehicle 12AB345", 2025)
    Reason(text='stolen vehicle [plate]', purpose='crime', case_number=None, plates=1)
    """
    text, plates = _without_plates(text.strip())
    number, rest = find_case_number(text, year)
    return Reason(text, purpose_of(rest, number is not None), number, plates)


def find_case_number(text: str, year: int) -> tuple[str | None, str]:
    """The first case number of a text, and the text without it."""
    for match in _CASE.finditer(text.replace("+", " ")):
        age = year % 100 - int(match["year"][-2:])
        if 0 <= age % 100 < 10 and (match["dash"] or 6 <= len(match["year"] + match["count"]) <= 9):
            return match["number"].upper(), text[: match.start()] + " " + text[match.end() :]
    return None, text


@lru_cache(maxsize=50_000)
def purpose_of(text: str, numbered: bool = False) -> Purpose:
    """The purpose of a text from which a case number, if any (`numbered`), has been taken out."""
    words = " ".join(re.sub(r"[^a-z0-9&]+", " ", text.replace(PLATE, " ").casefold()).split())
    if not words:
        return "case_number" if numbered else "unstated"
    if _TEST.search(words):
        return "test"
    spoken = [word for word in words.split() if not word.isdigit()]
    if spoken and all(word in _FILLERS or _says_investigation(word) for word in spoken):
        return "vague"
    if _WELFARE.search(words):
        return "welfare"
    return "crime" if _CRIME.search(words) else "other"


def _says_investigation(word: str) -> bool:
    """`inv`, `invest...` and misspellings: at least 0.8 alike (Ratcliff and Obershelp)."""
    return word.startswith("inv") or difflib.SequenceMatcher(None, word, "investigation").ratio() >= 0.8


def _without_plates(text: str) -> tuple[str, int]:
    text, automatic = _AUTOMATIC.subn(rf"\g<before>{PLATE}\g<after>", text)
    parts: list[str] = []
    at = replaced = 0
    for stamp in [*_TIMESTAMP.finditer(text), None]:
        part, count = _PLATE.subn(PLATE, text[at : stamp.start() if stamp else len(text)])
        parts += [part, stamp[0] if stamp else ""]
        replaced += count
        at = stamp.end() if stamp else at
    return "".join(parts), automatic + replaced
