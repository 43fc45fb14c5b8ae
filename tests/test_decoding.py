"""From bytes to a search or a refusal: every kind of bad input, and nothing that raises."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.decoding import decode
from models.search import MAX_CLOCK_LEAD, MAX_EVENT_BYTES, Refusal, Search, Tick, encode_search

GOOD: dict[str, Any] = {
    "event_id": "e1",
    "event_time": "2021-03-01T19:04:00Z",
    "source_id": "county",
    "requester_id": "officer-1",
    "agency_id": "lapd",
    "unit_id": "robbery",
    "tool": "lacris",
    "gallery": "mugshots",
    "purpose": "criminal_investigation",
    "image_source": "cctv",
}
REQUIRED = sorted(GOOD)
AT = datetime(2021, 3, 1, 19, 4, tzinfo=UTC).timestamp()


def raw(**changes: Any) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


def taken(message: bytes, arrival: float | None = None) -> Search:
    found = decode(message, arrival)
    assert isinstance(found, Search), found
    return found


def refused(message: bytes, arrival: float | None = None) -> tuple[str, str | None]:
    found = decode(message, arrival)
    assert isinstance(found, Refusal), found
    assert found.detail and "\n" not in found.detail
    return found.reason, found.field


def test_a_plain_search_is_taken_and_its_time_is_in_utc() -> None:
    search = taken(raw(event_time="2021-03-01T11:04:00-08:00", reason_text="", candidates_returned=0))
    assert search.event_time == datetime(2021, 3, 1, 19, 4, tzinfo=UTC)
    assert search.event_time.tzinfo is UTC
    assert search.search_type == "manual" and search.case_number is None


@pytest.mark.parametrize(
    "message",
    [b"", b" ", b"{", b"}", b"null", b"[]", b"1", b'"text"', b"\x00", b"\xff\xfe\x00", b"\xef\xbb\xbf{}"],
)  # fmt: skip
def test_what_is_no_object_is_refused(message: bytes) -> None:
    assert refused(message)[0] in {"broken_json", "wrong_type"}


def test_a_truncated_search_is_broken_wherever_it_is_cut() -> None:
    whole = raw()
    assert {refused(whole[:cut])[0] for cut in range(len(whole))} == {"broken_json"}


def test_bytes_that_are_not_utf8_are_refused() -> None:
    assert refused(raw().replace(b"robbery", b"robb\xe9ry"))[0] == "broken_json"


@pytest.mark.parametrize(
    ("message", "cure"),
    [
        (raw(case_number=""), "case_number: Expected `str` of length >= 1; leave the field out when"),
        (raw(search_type=None), "leave the field out when there is nothing"),
        (raw(requester_id=""), "it must be filled in"),
        (raw(image_source="CCTV"), "did you mean cctv?"),
        (raw(image_source='it\'s a "drone"'), "known are body_worn, booking"),
        (raw(event_time="31/05/2020 19:04"), "write it as 2020-05-31T19:04:00Z"),
        (raw(event_time=1622487840), "write it as 2020-05-31T19:04:00Z"),
        (raw(training_expires_on="31.5.2020"), "write it as 2020-05-31"),
        (b"[" + raw() + b"]", "send one object per message"),
        (gzip.compress(raw()), "compressed with gzip: unpack it first"),
        (raw().decode().encode("utf-16"), "it is UTF-16: save it as UTF-8"),
    ],
)
def test_a_refusal_says_what_to_do(message: bytes, cure: str) -> None:
    found = decode(message, None)
    assert isinstance(found, Refusal) and cure in found.detail


@pytest.mark.parametrize("field", REQUIRED)
def test_a_missing_field_is_named(field: str) -> None:
    assert refused(json.dumps({k: v for k, v in GOOD.items() if k != field}).encode()) == (
        "missing_field",
        field,
    )


@pytest.mark.parametrize("field", REQUIRED)
@pytest.mark.parametrize("value", [None, 1, 1.5, True, [], {}])
def test_a_wrong_type_is_named(field: str, value: object) -> None:
    assert refused(raw(**{field: value})) == ("wrong_type", field)


def test_an_unknown_field_is_named() -> None:
    assert refused(raw(licence_plate="7ABC123")) == ("unknown_field", "licence_plate")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("event_id", ""),
        ("requester_id", "x" * 129),
        ("reason_text", "x" * 4097),
        ("image_source", "drone"),
        ("search_type", "automatic"),
        ("top_score", 1.01),
        ("top_score", -0.01),
        ("candidates_returned", -1),
        ("candidates_requested", 1_000_001),
        ("source_sequence", 2**53 + 1),
        ("source_sequence", -1),
        ("training_expires_on", "31.12.2021"),
        ("training_expires_on", "2021-12-31T00:00"),
        ("event_time", "yesterday"),
        ("event_time", "2021-02-30T00:00:00Z"),
        ("event_time", "2021-03-01"),
        ("event_time", ""),
    ],
)
def test_a_value_out_of_its_range_is_named(field: str, value: object) -> None:
    assert refused(raw(**{field: value})) == ("out_of_range", field)


@pytest.mark.parametrize("field", ["event_time", "incident_time", "ingest_time"])
def test_times_need_a_zone_and_a_believable_year(field: str) -> None:
    assert refused(raw(**{field: "2021-03-01T19:04:00"})) == ("naive_time", field)
    for wrong in ("1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00",
                  "0001-01-01T00:00:00+14:00", "1999-12-31T23:59:59Z", "2100-01-01T00:00:00Z"):  # fmt: skip
        assert refused(raw(**{field: wrong})) == ("time_out_of_range", field)


@pytest.mark.parametrize("offset", ["+24:00", "-99:99", "+1:00", "+00:60", "Z+01:00"])
def test_an_offset_that_no_place_has_is_refused(offset: str) -> None:
    assert refused(raw(event_time=f"2021-03-01T19:04:00{offset}")) == ("out_of_range", "event_time")


@pytest.mark.parametrize("time", ["2099-12-31T23:00:00-05:00", "2000-01-01T00:00:00+05:00"])
def test_the_years_are_those_of_utc(time: str) -> None:
    # What is passed on is written in UTC, and must be readable again.
    assert refused(raw(event_time=time)) == ("time_out_of_range", "event_time")


def test_a_message_of_ten_megabytes_is_refused_by_its_size_alone() -> None:
    assert refused(raw(reason_text="x" * 10_000_000)) == ("too_large", None)
    assert refused(b"[" * 10_000_000) == ("too_large", None)
    room = MAX_EVENT_BYTES - len(raw(reason_text="")) - 1
    assert refused(raw(reason_text="") + b" " * (room + 2)) == ("too_large", None)
    taken(raw(reason_text="") + b" " * room)


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"data":['])
def test_deep_nesting_is_refused(opening: bytes) -> None:
    deep = opening * (60_000 // len(opening))
    assert refused(deep)[0] in {"broken_json", "wrong_type", "missing_field", "unknown_field"}
    assert refused(raw()[:-1] + b', "extra": ' + b"[" * 20_000 + b"]" * 20_000 + b"}")[0] in {
        "broken_json",
        "unknown_field",
    }
    assert refused(raw()[:-1] + b', "specversion": ' + b"[" * 20_000 + b"]" * 20_000 + b"}")[0] in {
        "broken_json",
        "unknown_field",
    }


@pytest.mark.parametrize("character", ["\x00", "\n", "\r", "\t", "\x1b", "\x7f", "\x85", "\u202e", "\u2066"])
@pytest.mark.parametrize("field", ["event_id", "requester_id", "case_number", "subject_ref", "purpose"])
def test_characters_that_forge_lines_or_turn_text_are_refused_in_identities(
    field: str, character: str
) -> None:
    assert refused(raw(**{field: f"a{character}b"})) == ("control_character", field)


def test_free_text_may_hold_what_people_type() -> None:
    said = "line one\nline two\t\u202e\u0000 ☕"
    assert taken(raw(reason_text=said)).reason_text == said


@pytest.mark.parametrize(
    "name", ["🕵️‍♀️ officer", "مكتب الأدلة", "יחידה 8200", "Núñez", "O'Brien", "李 雷", " "]
)
def test_names_of_all_scripts_are_taken_as_they_stand(name: str) -> None:
    assert taken(raw(requester_id=name)).requester_id == name


def test_half_a_character_is_refused() -> None:
    for half in (r"\ud800", r"\udc00", r"\udc00\ud800", r"\ud800x"):
        assert refused(raw().replace(b"officer-1", half.encode()))[0] == "broken_json"
    assert taken(raw().replace(b"officer-1", rb"\ud83d\ude00")).requester_id == "😀"


def test_a_clock_ahead_is_refused_only_against_a_known_arrival() -> None:
    message = raw()
    assert refused(message, AT - MAX_CLOCK_LEAD - 1) == ("clock_ahead", "event_time")
    taken(message, AT - MAX_CLOCK_LEAD)
    taken(message, AT + 10 * 365 * 86_400)
    taken(message)


# --- CloudEvents ---

ENVELOPE = {"specversion": "1.0", "id": "1", "source": "/county", "type": "search"}


def test_a_cloud_event_is_its_data() -> None:
    assert taken(json.dumps({**ENVELOPE, "data": GOOD, "time": "x"}).encode()) == taken(raw())
    assert taken(json.dumps({"data": GOOD, "traceparent": "00-1", **ENVELOPE}).encode()) == taken(raw())
    bad = json.dumps({**ENVELOPE, "data": {**GOOD, "event_time": "2021-03-01T19:04:00"}}).encode()
    assert refused(bad) == ("naive_time", "event_time")


@pytest.mark.parametrize("data", [None, [], "e30=", 1, {}])
def test_a_cloud_event_without_a_search_is_refused(data: object) -> None:
    assert refused(json.dumps({**ENVELOPE, "data": data}).encode())[0] in {"wrong_type", "missing_field"}


@pytest.mark.parametrize("gone", sorted(ENVELOPE))
def test_a_cloud_event_without_its_attributes_is_refused(gone: str) -> None:
    envelope = {name: value for name, value in ENVELOPE.items() if name != gone}
    assert refused(json.dumps({**envelope, "data": GOOD}).encode())[0] == "unknown_field"


def test_a_search_that_talks_of_cloud_events_is_a_search() -> None:
    assert taken(raw(reason_text='"specversion"', case_number="specversion")).case_number == "specversion"


# --- ticks ---


def test_a_tick_is_read_or_refused_like_a_search() -> None:
    tick = decode(b'{"tick":"2021-03-01T00:00:00Z","source_id":"county"}', None)
    assert tick == Tick(tick=datetime(2021, 3, 1, tzinfo=UTC), source_id="county")
    assert refused(b'{"tick":"2021-03-01T00:00:00"}') == ("naive_time", "tick")
    assert refused(b'{"tick":"9999-12-31T23:59:59-14:00"}') == ("time_out_of_range", "tick")
    assert refused(b'{"tick":"2021-03-01T00:00:00Z","sauce":1}') == ("unknown_field", "sauce")
    assert refused(b'{"tick":"2021-03-01T19:04:00Z"}', AT - MAX_CLOCK_LEAD - 1) == ("clock_ahead", "tick")


# --- anything at all ---


@given(st.binary(max_size=300), st.none() | st.floats())
@example(b'{"tick"', float("nan"))
@example(b'{"specversion":1}', None)
def test_no_bytes_make_decoding_raise(message: bytes, arrival: float | None) -> None:
    assert isinstance(decode(message, arrival), (Search, Tick, Refusal))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(Search.__struct_fields__), JSON), st.sets(st.sampled_from(REQUIRED)))
def test_no_object_makes_decoding_raise(changes: dict[str, object], gone: set[str]) -> None:
    message = {name: value for name, value in {**GOOD, **changes}.items() if name not in gone}
    found = decode(json.dumps(message).encode(), None)
    assert isinstance(found, (Search, Refusal))
    if gone - changes.keys():
        assert isinstance(found, Refusal)


ZONES = st.builds(
    lambda minutes: timezone(timedelta(minutes=minutes)), st.sampled_from([0, -480, 330, 345, 840, -720])
)
NAMES = st.text(min_size=1, max_size=12)


@given(
    event_time=st.datetimes(datetime(1999, 12, 30), datetime(2100, 1, 2), timezones=ZONES),  # noqa: DTZ001
    changes=st.fixed_dictionaries(
        {},
        optional={
            "event_id": NAMES,
            "requester_id": NAMES,
            "purpose": NAMES,
            "reason_text": st.text(max_size=40),
            "case_number": st.none() | NAMES,
            "source_sequence": st.none() | st.integers(0, 2**53),
            "top_score": st.none() | st.floats(0, 1),
            "exigent": st.none() | st.booleans(),
            "search_type": st.sampled_from(["manual", "hotlist", "batch"]),
            "incident_time": st.datetimes(
                datetime(2001, 1, 1), datetime(2098, 1, 1), timezones=ZONES  # noqa: DTZ001
            ).map(datetime.isoformat),
        },
    ),
)  # fmt: skip
@example(event_time=datetime(2099, 12, 31, 23, tzinfo=timezone(timedelta(hours=-8))), changes={})
@example(event_time=datetime(2000, 1, 1, 1, tzinfo=timezone(timedelta(hours=14))), changes={})
def test_every_accepted_search_is_written_and_read_back_as_itself(
    event_time: datetime, changes: dict[str, Any]
) -> None:
    found = decode(raw(event_time=event_time.isoformat(), **changes), None)
    if isinstance(found, Search):
        again = encode_search(found)
        assert decode(again, None) == found
        assert encode_search(taken(again)) == again
