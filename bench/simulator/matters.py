"""What searches are for: matters (offence, purpose) and the words officers give as the reason."""

from __future__ import annotations

from typing import NamedTuple


class Matter(NamedTuple):
    """One kind of case. `code` is the California statute, empty where no offence is named."""

    code: str
    words: str
    purpose: str
    weight: float


CRIME = "criminal_investigation"
THREAT = "imminent_threat_to_life"
IDENTIFY = "identify_incapacitated_or_deceased"

MATTERS = (
    Matter("PC 211", "robbery", CRIME, 17),
    Matter("PC 459", "burglary", CRIME, 14),
    Matter("PC 245", "assault with a deadly weapon", CRIME, 11),
    Matter("PC 530.5", "identity theft", CRIME, 12),
    Matter("PC 487", "grand theft", CRIME, 10),
    Matter("VC 10851", "vehicle theft", CRIME, 8),
    Matter("PC 187", "homicide", CRIME, 5),
    Matter("PC 261", "sexual assault", CRIME, 3),
    Matter("PC 207", "kidnapping", CRIME, 1.5),
    Matter("PC 451", "arson", CRIME, 1.5),
    Matter("PC 422", "criminal threats", CRIME, 3),
    Matter("PC 273.5", "domestic violence", CRIME, 4),
    Matter("PC 594", "vandalism", CRIME, 2),
    Matter("PC 496", "stolen property", CRIME, 3),
    Matter("PC 664", "credible threat of violence", THREAT, 1.5),
    Matter("", "unidentified hospital patient", IDENTIFY, 2),
    Matter("", "unidentified deceased person", IDENTIFY, 1.5),
)
#: A matter that names no crime; no honest case has it.
UNSTATED = len(MATTERS)
ALL_MATTERS = (*MATTERS, Matter("", "", CRIME, 0.0))

PHRASES = (
    "{words} suspect", "{words} susp from video", "{words} investigation", "ID susp {words}",
    "{words} - store camera still", "{code} suspect ID", "{words}, suspect photo from victim",
    "possible suspect in {words}", "{words} follow up", "{words} series, second suspect",
    "wanted for {words}", "{words} report, unknown male", "{words} report, unknown female",
)  # fmt: skip
IDENTIFY_PHRASES = (
    "{words}", "{words}, no ID on person", "notify next of kin, {words}", "{words}, coroner request",
)  # fmt: skip
VAGUE = ("investigation", "inv", "case", "follow up", "ID", "suspect", "crime report", "see report")
#: What a form's field held before anybody typed in it.
FORM_DEFAULT = "Enter reason for search"


class Reasons:
    """All reason texts, by index: first the phrases of each matter, then the vague, then others."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        for matter in MATTERS:
            phrases = PHRASES if matter.code else IDENTIFY_PHRASES
            self.texts += [
                phrases[number % len(phrases)].format(words=matter.words, code=matter.code)
                for number in range(len(PHRASES))
            ]
        self.vague = len(self.texts)
        self.texts += VAGUE
        self._index: dict[str, int] = {}

    def index(self, text: str) -> int:
        """The index of a text, added when it is new; "" is a reason left empty."""
        if text not in self._index:
            self._index[text] = len(self.texts)
            self.texts.append(text)
        return self._index[text]
