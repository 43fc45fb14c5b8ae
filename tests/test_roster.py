"""The roster: look-ups equal a scan of all postings, and contradictions are refused."""

from __future__ import annotations

from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.roster import Posting, Roster


def posting(who: str, unit: str, begin: int, end: int | None, agency: str = "lapd") -> Posting:
    return Posting(requester_id=who, agency_id=agency, unit_id=unit, valid_from=begin, valid_to=end)


@st.composite
def careers(draw: st.DrawFn) -> list[Posting]:
    """Postings of a few people, each in order, with and without gaps, the last one perhaps open."""
    found = []
    for who in draw(st.lists(st.sampled_from(["a", "b", "c"]), unique=True)):
        begin = draw(st.integers(1, 10))
        for _ in range(draw(st.integers(1, 4))):
            end = begin + draw(st.integers(1, 8))
            unit, agency = draw(st.sampled_from(["u1", "u2"])), draw(st.sampled_from(["lapd", "x-pd"]))
            found.append(posting(who, unit, begin, end, agency))
            begin = end + draw(st.sampled_from([0, 0, 2]))
        if draw(st.booleans()):
            found.append(posting(who, "u1", begin, None))
    return draw(st.permutations(found))


@given(careers())
def test_look_ups_equal_a_scan(postings: list[Posting]) -> None:
    roster = Roster(postings)

    def serving(day: int) -> list[Posting]:
        return [p for p in postings if p.valid_from <= day and (p.valid_to is None or day < p.valid_to)]

    for day in range(50):
        now = serving(day)
        for who in "abcd":
            assert roster.at(who, day) == next((p for p in now if p.requester_id == who), None)
            start = roster.posting_since(who, day)
            assert (start is None) == (roster.at(who, day) is None)
            if start is not None:
                home = roster.at(who, day)
                assert home is not None
                before = [roster.at(who, earlier) for earlier in range(start - 1, day)]
                units = [(p.agency_id, p.unit_id) if p else None for p in before]
                here = (home.agency_id, home.unit_id)
                assert units[0] != here and all(unit == here for unit in units[1:])
        for agency in ("lapd", "x-pd", "none"):
            for unit in ("u1", "u2", None):
                expected = [p for p in now if p.agency_id == agency and unit in (p.unit_id, None)]
                members = roster.members(agency, unit, day)
                assert sorted(members, key=id) == sorted(expected, key=id)
                assert [p.requester_id for p in members] == sorted(p.requester_id for p in members)
    for who in "abcd":
        own = [p.valid_from for p in postings if p.requester_id == who]
        assert roster.joined(who) == (min(own) if own else None)


def test_a_new_role_is_no_transfer_but_a_new_unit_and_a_return_are() -> None:
    career = [
        posting("a", "central", 10, 20),
        posting("a", "central", 20, 30),
        posting("a", "harbor", 30, 40),
        posting("a", "central", 45, None),
    ]
    roster = Roster(career)
    assert [roster.posting_since("a", day) for day in (9, 25, 30, 42, 45)] == [None, 10, 30, None, 45]
    assert roster.joined("a") == 10


def test_contradictions_are_refused() -> None:
    with pytest.raises(ValueError, match="postings of a in central and harbor overlap"):
        Roster([posting("a", "harbor", 19, None), posting("a", "central", 10, 20)])
    with pytest.raises(ValueError, match="overlap"):
        Roster([posting("a", "central", 1, None), posting("a", "harbor", 900, 901)])
    with pytest.raises(ValueError, match="ends on or before"):
        Roster([posting("a", "central", 10, 10)])
    touching = Roster([posting("a", "central", 10, 20), posting("a", "harbor", 20, None)])
    assert len(touching) == 1


def test_a_hundred_thousand_people_are_found_at_once() -> None:
    roster = Roster(posting(f"r{i}", f"u{i % 2000}", 1 + i % 50, None) for i in range(100_000))
    began = perf_counter()
    assert all(roster.at(f"r{i}", 100) is not None for i in range(0, 100_000, 10))
    assert len(roster.members("lapd", None, 100)) == 100_000
    assert len(roster.members("lapd", "u7", 100)) == 50
    assert perf_counter() - began < 2.0
