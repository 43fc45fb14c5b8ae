"""What the product is for: misuse that really happened raises an alert, and honest life beside it none.

Every case runs through all detectors together, as `config/` ships them; its log stands in `tests/cases/`.
"""

from __future__ import annotations

import pytest

from tests.casebook import Case, files, read
from tests.playing import play_shipped

#: Misuse by name: the case file, the case, and the stanza and entity that must be told.
REAL = {
    "Long Beach 2020: a unit after demonstrations, naming no crime": (
        "demonstration_spike", "a unit after the demonstrations of May 2020",
        "demonstration_spike", "intelligence",
    ),
    "Evansville 2024: nine private searches under one valid case number": (
        "case_reuse", "nine people from April to December under one valid number", "case_reuse", "patrol-5",
    ),
    "Los Angeles: a tool that nobody approved, from the day of the ban on": (
        "policy_clause", "an unapproved tool after the ban, and the same tool the day before it",
        "policy_clause", "gang-2",
    ),
    "Milwaukee, Louisville: one person again and again": (
        "repeat_subject", "one person, 180 look-ups in two months", "repeat_subject", "patrol-5",
    ),
    "A shared password: one account at two workstations": (
        "two_places", "a shared password, 24 searches in two days", "two_places", "robbery-2",
    ),
    "Austin, San Francisco: searches for an agency that is banned from them": (
        "share", "searches for a neighbour that is banned from them", "on_behalf", "robbery-3",
    ),
    "Waukesha: a hundred searches of one complainant": (
        "many_requesters", "a hundred searches of one complainant", "many_requesters", "complainant",
    ),
    "Akron: a man who films the police": (
        "many_requesters", "an activist who films the police, each time under another number",
        "many_requesters", "activist",
    ),
    "New York: a look-alike and drawings as probes": (
        "share", "a look-alike and drawings as probes", "candidate_fishing", "robbery-5",
    ),
    "Wrongful arrests: a match and no other evidence": (
        "share", "arrests on a match alone", "outcome_without_corroboration", "gang-2",
    ),
    "A source that goes silent": ("silence", "four days without a record", "silence", "county"),
    "Rows that vanish": ("sequence_gap", "three records taken out", "sequence_gap", "county"),
    "Rows that vanish from a log without numbers": (
        "partial_loss", "half of the records gone for ten days", "partial_loss", "county",
    ),
    "A burst of private research": (
        "high_count", "one officer's private research with one valid case number",
        "requester_volume", "robbery-3",
    ),
}  # fmt: skip
#: Honest life by name: the case file and the case.
TRAPS = {
    "a busy unit in a crime wave, with demonstrations in its midst": (
        "demonstration_spike", "a crime wave in one area, with demonstrations in the midst of it",
    ),
    "a new officer's first weeks": ("high_count", "the first weeks of a new officer"),
    "a new officer's first days at a workstation": ("two_places", "the first days of a new officer"),
    "a shift change": ("high_count", "a shift change"),
    "a shift change of a unit to another room": ("rare", "a shift change of a unit, to another room"),
    "the interface's default text, 182 times in a season": ("share", "the interface's default text"),
    "a change of the vocabulary of reasons": ("share", "a new vocabulary of reasons"),
    "a hot-list job with 964 look-ups in 19 days": ("high_count", "a hot-list job of 964 look-ups"),
    "nights on which the clocks change": ("high_count", "nights on which the clocks change"),
    "a source on days on which the clocks change": ("silence", "a day on which the clocks change"),
    "a large demonstration and no more searches": (
        "demonstration_spike", "a large demonstration and no more searches than usual",
    ),
    "leave in turn": ("low_count", "leave in turn"),
}  # fmt: skip


def case(function: str, name: str) -> Case:
    """A case of the casebook."""
    return next(one for one in read(files()[function]).cases if one.name == name)


@pytest.mark.parametrize("name", REAL)
def test_misuse_that_happened_is_told(name: str) -> None:
    function, known, stanza, entity = REAL[name]
    told = play_shipped(case(function, known))
    assert (stanza, entity) in {(alert.detector, alert.entity) for alert in told}
    # Nobody else is named: an alert holds searches of the misuse, or speaks of the log.
    for alert in told:
        about_the_log = alert.entity_kind == "source"
        assert about_the_log or any(event.startswith("event-") for event in alert.evidence), alert.explanation


@pytest.mark.parametrize("name", TRAPS)
def test_honest_life_stays_silent(name: str) -> None:
    assert [alert.explanation for alert in play_shipped(case(*TRAPS[name]))] == []
