"""Searches as columns hold what searches as objects hold, and what is worked out of them is the same."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import models.packing
from models.columns import Columns, Growing, Rows, Table, pack, pack_exactly, unpack
from models.days import LocalDays, instant
from models.detectors import settings_types
from models.judging import JudgedDay, Ways
from models.packing import Pack, decode_pack, encode_pack
from models.policy import AgencyPolicy
from models.search import Search
from models.statistics.tally import Tally, totals
from models.windows import Day, OpenDay, grouped
from streams.configuration import load

CONFIG = Path(__file__).resolve().parents[1] / "config"
DAYS = LocalDays("America/Los_Angeles")
START = date(2021, 3, 1).toordinal()
NAMES = st.sampled_from(["a", "b", "c", "é"])
MAYBE = st.none() | NAMES
#: Two local days, in steps that make equal times likely.
TIMES = st.integers(0, 2 * 86_400 - 1).map(
    lambda s: instant(DAYS.start(START) + s // 3600 * 3600 + s % 3 / 3)
)

SEARCHES = st.builds(
    Search,
    event_id=st.integers(0, 10_000).map(str), event_time=TIMES, source_id=NAMES, requester_id=NAMES,
    agency_id=st.just("lapd"), unit_id=NAMES, tool=st.sampled_from(["LACRIS", "Clearview AI", "other"]),
    gallery=NAMES, purpose=st.sampled_from(["criminal_investigation", "training", "other"]),
    image_source=st.sampled_from(["booking", "cctv", "body_worn", "social_media"]),
    source_sequence=st.none() | st.integers(0, 9), ingest_time=st.none() | TIMES,
    operator_id=MAYBE, requesting_agency=MAYBE, role=MAYBE,
    training_expires_on=st.none() | st.sampled_from(["2021-02-28", "2021-03-01", "2022-01-01"]),
    case_number=MAYBE, subject_ref=MAYBE, reason_text=st.none() | st.sampled_from(["", "  ", "robbery"]),
    exigent=st.none() | st.booleans(), candidates_returned=st.none() | st.integers(0, 1),
    top_score=st.none() | st.sampled_from([0.0, 0.5, 1.0]),
    search_type=st.sampled_from(["manual", "manual", "hotlist", "batch"]),
    second_reviewer_id=MAYBE, corroborated=st.none() | st.booleans(), workstation_id=MAYBE,
)  # fmt: skip
LOGS = st.lists(SEARCHES, max_size=40, unique_by=lambda one: one.event_id)
CUTS = st.lists(st.integers(0, 40), max_size=4)


def split(searches: Sequence[Search], cuts: Sequence[int]) -> list[Sequence[Search]]:
    bounds = sorted({0, len(searches), *(cut for cut in cuts if cut < len(searches))})
    return [searches[a:b] for a, b in zip(bounds, bounds[1:], strict=False)]


def grown(parts: Sequence[Sequence[Search]]) -> Growing:
    growing = Growing()
    for part in parts:
        growing.add(Columns.of(part))
    return growing


@given(LOGS)
def test_columns_give_the_searches_back(searches: list[Search]) -> None:
    table = Columns.of(searches)
    assert list(table) == searches
    for form in (pack, pack_exactly):
        sent = msgspec.msgpack.encode(form(table))
        assert list(unpack(msgspec.msgpack.decode(sent, type=models.columns.Packed))) == searches


@given(LOGS, CUTS, st.data())
def test_a_table_is_the_same_however_it_came_about(
    searches: list[Search], cuts: list[int], data: st.DataObject
) -> None:
    """Grown from parts, asked for columns in between, or picked out of a larger table."""
    chosen = data.draw(st.lists(st.sampled_from(range(len(searches))), unique=True)) if searches else []
    picked = [searches[row] for row in sorted(chosen)]
    growing: Table = Growing()
    for part in split(searches, cuts):
        rows = [row for row, one in enumerate(part) if one in picked]
        assert isinstance(growing, Growing)
        growing.add(Rows(Columns.of(part), np.array(rows, np.int64)))
        growing.column("requester_id")
    assert list(growing) == picked
    assert pack_exactly(growing) == pack_exactly(Columns.of(picked)) == pack_exactly(grown([picked]))


def test_a_field_that_hardly_repeats_is_not_looked_through() -> None:
    first = Search(
        event_id="e", event_time=instant(DAYS.start(START)), source_id="s", requester_id="r", agency_id="a",
        unit_id="u", tool="t", gallery="g", purpose="p", image_source="cctv",
    )  # fmt: skip
    searches = [
        msgspec.structs.replace(first, event_id=str(n), case_number=str(n % 90), requester_id=str(n % 9))
        for n in range(180)
    ]
    table = Columns.of(searches)
    assert len(table.column("requester_id").values) == 9
    assert len(table.column("case_number").values) == 180
    # Where values are counted they stand once all the same.
    assert len(grown([searches]).column("case_number").values) == 90
    assert len(grouped(table.column("case_number"), np.arange(180)).names) == 90


@given(LOGS, st.integers(300, 2000))
def test_a_pack_too_large_for_a_record_goes_in_several(searches: list[Search], most: int) -> None:
    late = [place for place in range(len(searches)) if place % 3 == 0]
    marks = [(place, "feed", float(place)) for place in range(len(searches) + 1)]
    whole = Pack("lapd", 1, np.arange(len(searches)) * 2, Columns.of(searches), late, marks)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models.packing, "MOST_BYTES", most)
        values = encode_pack(whole)
    packs = [decode_pack(value) for value in values]
    assert all(len(value) <= most or len(one.offsets) < 2 for value, one in zip(values, packs, strict=True))
    taken, again, found = 0, [], []
    for one in packs:
        again += [taken + place for place in one.late]
        found += [(taken + place, source_id, at) for place, source_id, at in one.marks]
        taken += len(one.offsets)
    assert [search for one in packs for search in one.searches] == searches
    assert np.concatenate([one.offsets for one in packs]).tolist() == whole.offsets.tolist()
    assert again == late and found == marks


@pytest.mark.parametrize(
    "value", [b"", b"\x93\x01\x02\x03", msgspec.msgpack.encode(["a", 0, b"x", [[], b"", {}], [], []])]
)
def test_what_is_not_a_pack_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match="not a pack"):
        decode_pack(value)


@cache
def policy() -> AgencyPolicy:
    reference = load(CONFIG, CONFIG, settings_types()).reference
    packs = sorted(reference.policy.packs)
    return reference.policy.bind("lapd", packs, "America/Los_Angeles", reference.tools)


@given(LOGS, CUTS)
def test_a_day_is_judged_as_each_of_its_searches(searches: list[Search], cuts: list[int]) -> None:
    bound = policy()
    own = [one for one in searches if DAYS.at(one.event_time.timestamp()).day == START]
    expected = [
        (row, clauses)
        for row, one in enumerate(own)
        if (clauses := bound.violations(one, one.event_time.timestamp()))
    ]
    day = OpenDay(START)
    judged, found = JudgedDay(Ways(bound), day), []
    for part in split(own, cuts):
        first = len(day)
        day.add(Columns.of(part))
        found += judged.breaches(first)
        bound.turn(START + 40)  # other days are judged in between
    assert found == expected


@given(LOGS)
def test_totals_are_the_tallies_of_all_keys(searches: list[Search]) -> None:
    known = {"a": {"b", "c"}}
    day = Day.of("lapd", START, DAYS, searches)
    ordered = sorted(searches, key=lambda one: (one.event_time, one.event_id, one.requester_id))
    assert list(day) == ordered
    tallies: dict[str, Tally] = {}
    for one in ordered:
        if one.search_type == "manual":
            at = one.event_time.timestamp()
            tally = tallies.setdefault(one.requester_id, Tally(at, known.get(one.requester_id, ())))
            tally.add(one.case_number or one.subject_ref, one.unit_id, one.event_id)
    for before in (lambda who: known.get(who, ()), None):
        made = totals(day, day.manual_by("requester_id"), before)
        assert made.names == list(tallies)
        own = list(tallies.values())
        assert made.searches.tolist() == [tally.searches for tally in own]
        assert made.units == [tally.unit_id for tally in own]
        assert made.first == [tally.first for tally in own]
        assert made.ids == {name: tally.ids for name, tally in tallies.items()}
        if before is not None:
            assert made.counted(1).tolist() == [tally.count(1) for tally in own]
            assert made.cases == {name: sorted(tally.cases) for name, tally in tallies.items() if tally.cases}
