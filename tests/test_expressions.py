"""Conditions: what they mean, what they refuse, and that nothing hostile gets through."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.expressions import ConditionError, Function, compile_condition
from models.fields import FIELDS
from models.search import Search


def a_search(**fields: Any) -> Search:
    given: dict[str, Any] = {
        "event_id": "e1",
        "event_time": datetime(2020, 6, 1, 12, tzinfo=UTC),
        "source_id": "s1",
        "requester_id": "r1",
        "agency_id": "lapd",
        "unit_id": "u1",
        "tool": "LACRIS",
        "gallery": "mugshots",
        "purpose": "criminal_investigation",
        "image_source": "cctv",
    }
    return Search(**(given | fields))


@dataclass(frozen=True)
class Written:
    """A condition as text, and an oracle that works its truth out from the definition."""

    text: str
    truth: Any


OPERATORS = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt,
    "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
NUMBERS = st.integers(0, 4)
PURPOSES = st.sampled_from(["criminal_investigation", "immigration", "personal"])


def _compare(field: str, sign: str, value: Any) -> Written:
    def truth(search: Search) -> bool | None:
        found = getattr(search, field)
        return None if found is None else OPERATORS[sign](found, value)

    return Written(f"{field} {sign} {value!r}", truth)


def _member(field: str, values: list[Any], inside: bool) -> Written:
    def truth(search: Search) -> bool | None:
        found = getattr(search, field)
        return None if found is None else (found in values) == inside

    return Written(f"{field} {'in' if inside else 'not in'} {values!r}", truth)


def _missing(field: str) -> Written:
    return Written(f"missing({field})", lambda search: not str(getattr(search, field) or "").strip())


def _bare(field: str) -> Written:
    return Written(field, lambda search: getattr(search, field))


def _not(inner: Written) -> Written:
    def truth(search: Search) -> bool | None:
        value = inner.truth(search)
        return None if value is None else not value

    return Written(f"not ({inner.text})", truth)


def _both(word: str, parts: list[Written]) -> Written:
    # Kleene: false < unknown < true; and is the least, or the greatest.
    rank = {False: 0, None: 1, True: 2}
    back = {number: value for value, number in rank.items()}
    choose = min if word == "and" else max

    def truth(search: Search) -> bool | None:
        return back[choose(rank[part.truth(search)] for part in parts)]

    return Written(f" {word} ".join(f"({part.text})" for part in parts), truth)


LEAVES = st.one_of(
    st.builds(_compare, st.just("candidates_returned"), st.sampled_from(sorted(OPERATORS)), NUMBERS),
    st.builds(_compare, st.just("purpose"), st.sampled_from(["==", "!="]), PURPOSES),
    st.builds(_member, st.just("purpose"), st.lists(PURPOSES, min_size=1), st.booleans()),
    st.builds(_member, st.just("candidates_returned"), st.lists(NUMBERS, min_size=1), st.booleans()),
    st.builds(_missing, st.sampled_from(["case_number", "offence_code"])),
    st.builds(_bare, st.sampled_from(["exigent", "arrest_made"])),
)
CONDITIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(_not, inner),
        st.builds(_both, st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3)),
    ),
    max_leaves=8,
)
SEARCHES = st.builds(
    a_search,
    purpose=PURPOSES,
    candidates_returned=st.none() | NUMBERS,
    case_number=st.sampled_from([None, " ", "21-1"]),
    offence_code=st.sampled_from([None, "robbery"]),
    exigent=st.sampled_from([None, True, False]),
    arrest_made=st.sampled_from([None, True, False]),
)


@settings(max_examples=300, deadline=None)
@given(CONDITIONS, SEARCHES)
def test_a_condition_means_what_its_definition_says(written: Written, search: Search) -> None:
    condition = compile_condition(written.text)
    assert condition.test(search) is written.truth(search)
    assert condition(search) is (written.truth(search) is True)


@pytest.mark.parametrize(
    ("text", "fields", "holds"),
    [
        ("top_score > 0.5", {}, False),
        ("not (top_score > 0.5)", {}, False),
        ("not (top_score > 0.5)", {"top_score": 0.5}, True),
        ("top_score > 0.5 or missing(top_score)", {}, True),
        ("not missing(case_number)", {"case_number": "\t "}, False),
        ("not exigent", {}, False),
        ("exigent or purpose == 'personal'", {"purpose": "personal"}, True),
        ("0.2 < top_score <= 0.5", {"top_score": 0.5}, True),
        ("0.5 >= top_score", {"top_score": 0.6}, False),
        ("contains(reason_text, 'PROTEST')", {"reason_text": "a Protest downtown"}, True),
        ("not contains(reason_text, 'protest')", {}, False),
        ("matches_any(reason_text, 'investigation', 'inv')", {"reason_text": " INV "}, True),
        ("matches_any(reason_text, 'inv')", {"reason_text": "investigation"}, False),
        ("requesting_agency != agency_id", {"requesting_agency": "other-pd"}, True),
        ("requesting_agency != agency_id", {}, False),
        ("purpose in\n  ('personal',\n   'immigration')", {"purpose": "immigration"}, True),
        ("candidates_returned > -1", {"candidates_returned": 0}, True),
    ],
)
def test_cases(text: str, fields: dict[str, Any], holds: bool) -> None:
    assert compile_condition(text)(a_search(**fields)) is holds


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("purpos == 'x'", 1, "unknown field purpos, did you mean purpose?"),
        ('image_source == "bodyworn"', 17, "image_source is never 'bodyworn', did you mean body_worn?"),
        ('image_source in ("cctv", "bodyworn")', 26, "did you mean body_worn?"),
        ("top_score > None", 13, "write missing(field)"),
        ("top_score > 'high'", 13, "top_score is a number"),
        ("exigent == 1", 12, "exigent is a truth"),
        ("candidates_returned == True", 24, "candidates_returned is a number"),
        ("image_source < 'cctv'", 16, "has no order"),
        ("purpose", 1, "compare it with a value"),
        ("purpose is 'x'", 12, "write == or missing(field)"),
        ("'a' == 'b'", 1, "needs the name of a field"),
        ("'gang' in reason_text", 11, 'write contains(field, "text")'),
        ("purpose in ()", 12, "empty list"),
        ("mising(case_number)", 1, "did you mean missing?"),
        ("missing(case_number, purpose)", 1, "missing takes one field"),
        ("contains(reason_text)", 1, "needs text after the field"),
        ("contains(top_score, 'x')", 1, "not text"),
        ("contains(reason_text, text='x')", 1, "arguments with names"),
        ("event_time > 5", 14, "event_time is a time"),
        ("top_score > 1e999", 13, "finite"),
        ("__import__('os').system('id')", 1, "plain name"),
        ("purpose.__class__ == 'x'", 1, "needs the name of a field"),
        ("(lambda: 1)()", 1, "plain name"),
        ("[x for x in purpose]", 1, "only fields"),
        ("purpose if exigent else tool", 1, "only fields"),
        ("f'{purpose}' == tool", 1, "expected a value"),
        ("purpose == 'x' and\n purpos == 'y'", 21, "unknown field"),
        ("'ü' == purpos", 8, "unknown field"),
        ("(purpose == 'x'", 1, "never closed"),
        ("   ", 1, "empty"),
        ("purpose == '\x00'", 1, "not a condition"),
    ],
)
def test_refusals_name_the_column_and_the_cure(text: str, column: int, message: str) -> None:
    with pytest.raises(ConditionError) as refusal:
        compile_condition(text)
    assert refusal.value.column == column
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    "text",
    [
        "not " * 900 + "exigent",
        "(" * 150 + "exigent" + ")" * 150 + " and " + "not " * 30 + "exigent",
        "-" * 3000 + "1 < top_score",
        "-" * 900 + "1 < top_score",
        " or ".join(["exigent"] * 2000),
        "exigent" + " == exigent" * 360 + " and exigent" * 3 + " and (exigent" * 26 + ")" * 26,
        "candidates_returned in (" + "1," * 1100 + ")",
        "9" * 3900 + " > top_score and purpos",
    ],
)
def test_hostile_conditions_are_refused_at_once(text: str) -> None:
    began = perf_counter()
    with pytest.raises(ConditionError):
        compile_condition(text)
    assert perf_counter() - began < 1.0


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=" ()[]{}'\"=<>!.,:+-*/@abcxyz0129_\n\t\\lambdnotir", max_size=60))
def test_any_text_compiles_or_is_refused(text: str) -> None:
    try:
        compile_condition(text)
    except ConditionError as refusal:
        assert refusal.column >= 1


def test_declared_functions_get_the_search_and_their_arguments() -> None:
    seen: list[tuple[object, ...]] = []

    def near(search: Search, *values: object) -> bool | None:
        seen.append((search.event_id, *values))
        return None if values[0] is None else True

    condition = compile_condition("not near(case_number, 3)", {"near": Function(near, reads=("unit_id",))})
    assert condition.fields == {"case_number", "unit_id"}
    assert condition(a_search()) is False
    assert condition(a_search(case_number="c")) is False
    assert seen == [("e1", None, 3), ("e1", "c", 3)]


def test_every_field_of_a_search_can_be_named() -> None:
    assert set(FIELDS) == set(Search.__struct_fields__)
    assert compile_condition(" or ".join(f"missing({name})" for name in FIELDS)).fields == set(FIELDS)
