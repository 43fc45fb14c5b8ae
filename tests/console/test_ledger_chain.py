"""Whatever is done to an exported ledger is found, and one change is told at its place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.ledger import START, Entry, Fault, Head, canonical, encode_entry, following, verify

AT = datetime(2026, 1, 1, tzinfo=UTC)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
BODIES = st.dictionaries(TEXT, SCALARS | TEXT | st.lists(SCALARS, max_size=3), max_size=4)


def chain(bodies: list[dict[str, Any]]) -> list[Entry]:
    entries: list[Entry] = []
    head = START
    for number, body in enumerate(bodies):
        entries.append(following(head, "decision", "reviewer-1", body, AT + timedelta(seconds=number)))
        head = entries[-1].head
    return entries


def lines(entries: list[Entry]) -> list[bytes]:
    return [encode_entry(entry) + b"\n" for entry in entries]


LEDGERS = st.lists(BODIES, min_size=2, max_size=6).map(chain)


@given(LEDGERS)
def test_a_ledger_that_nobody_touched_is_whole(entries: list[Entry]) -> None:
    found = verify(lines(entries), entries[-1].digest)
    assert found == (len(entries), entries[-1].head, ())


@given(LEDGERS, st.data())
def test_any_changed_byte_is_found_in_its_line(entries: list[Entry], data: st.DataObject) -> None:
    raw = b"".join(lines(entries))
    place = data.draw(st.integers(0, len(raw) - 1))
    flipped = raw[place] ^ data.draw(st.integers(1, 255))
    changed = raw[:place] + bytes([flipped]) + raw[place + 1 :]
    found = verify(changed.splitlines(keepends=True), entries[-1].digest)
    line = raw[:place].count(b"\n") + 1
    assert found.faults
    assert found.faults[0].line == line


@given(LEDGERS, st.data())
def test_a_removed_line_is_found(entries: list[Entry], data: st.DataObject) -> None:
    whole = lines(entries)
    place = data.draw(st.integers(0, len(whole) - 1))
    assert verify(whole[:place] + whole[place + 1 :], entries[-1].digest).faults


@given(LEDGERS, st.data())
def test_swapped_lines_are_found(entries: list[Entry], data: st.DataObject) -> None:
    whole = lines(entries)
    first, second = sorted(data.draw(st.sets(st.integers(0, len(whole) - 1), min_size=2, max_size=2)))
    whole[first], whole[second] = whole[second], whole[first]
    assert verify(whole).faults


@given(LEDGERS, BODIES, st.data())
def test_an_inserted_line_is_found(entries: list[Entry], body: dict[str, Any], data: st.DataObject) -> None:
    whole = lines(entries)
    place = data.draw(st.integers(0, len(whole)))
    before = entries[place - 1].head if place else START
    forged = [
        encode_entry(following(before, "decision", "reviewer-2", body, AT)) + b"\n",
        data.draw(st.sampled_from(whole)),
        data.draw(st.binary(max_size=20)).replace(b"\n", b"") + b"\n",
    ]
    whole.insert(place, data.draw(st.sampled_from(forged)))
    assert verify(whole, entries[-1].digest).faults


FIVE = chain([{"number": number} for number in range(5)])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("at", AT + timedelta(days=1)),
        ("content", "1" * 64),
        ("previous", "1" * 64),
        ("digest", "1" * 64),
        ("seq", 9),
        ("actor", "reviewer-2"),
        ("kind", "access"),
        ("body", {"number": 7}),
    ],
)
def test_the_changed_field_is_named(field: str, value: object) -> None:
    forged = [*FIVE]
    fields = {name: getattr(FIVE[2], name) for name in Entry.__struct_fields__}
    forged[2] = Entry(**(fields | {field: value}))
    faults = verify(lines(forged)).faults
    assert faults[0].line == 3 and faults[0].seq == 3
    assert field in (faults[0].field or "").replace(",", "").split(" ")
    assert len(faults) == 1 or field == "seq"


def test_a_cut_end_is_found_where_the_head_is_known() -> None:
    assert not verify(lines(FIVE[:3])).faults
    (fault,) = verify(lines(FIVE[:3]), FIVE[-1].digest).faults
    assert "ends with seq 3" in str(fault)
    assert verify([], FIVE[-1].digest).faults


def test_a_cut_last_line_is_found_without_it() -> None:
    (fault,) = verify([*lines(FIVE[:2]), lines(FIVE)[2][:-1]]).faults
    assert fault.line == 3 and "cut here" in fault.problem


def test_missing_entries_are_counted() -> None:
    (fault,) = verify(lines([FIVE[0], FIVE[3], FIVE[4]])).faults
    assert fault == Fault(line=2, seq=4, problem="entries 2 to 3 are missing before this line")


def test_what_replaces_an_entry_cannot_hide() -> None:
    """Somebody who can make digests must make all that follow, and then the head is another."""
    forged = [*FIVE[:2], following(FIVE[1].head, "decision", "reviewer-1", {"number": 99}, AT), *FIVE[3:]]
    (fault,) = verify(lines(forged)).faults
    assert fault.line == 4 and fault.field == "previous"


def test_a_sealed_entry_keeps_its_place_and_its_digest() -> None:
    sealed = FIVE[1].seal()
    assert sealed.sealed and sealed.head == Head(2, FIVE[1].digest)
    assert b"reviewer" not in encode_entry(sealed)
    (fault,) = verify(lines([FIVE[0], sealed, *FIVE[2:]])).faults
    assert fault.line == 2 and "sealed" in fault.problem


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        following(START, "decision", "reviewer-1", {}, datetime(2026, 1, 1))  # noqa: DTZ001


def test_keys_are_sorted_and_spaces_left_out() -> None:
    assert canonical({"b": 1, "a": [1.5, None]}) == b'{"a":[1.5,null],"b":1}'
