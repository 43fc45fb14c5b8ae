"""From the bytes of a message to a search, a tick or a refusal.

Plain JSON and CloudEvents 1.0 envelopes (structured mode, the search as `data`) are understood.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain
from operator import attrgetter

import msgspec
from msgspec import Struct

from models.fields import FIELDS
from models.search import MAX_CLOCK_LEAD, MAX_EVENT_BYTES, Refusal, Search, Tick
from models.spelling import did_you_mean


class _CloudEvent(Struct):
    specversion: str
    id: str
    source: str
    type: str
    data: msgspec.Raw


_search = msgspec.json.Decoder(Search)
_tick = msgspec.json.Decoder(Tick)
_cloud_event = msgspec.json.Decoder(_CloudEvent)

_TICK = b'{"tick"'
#: Messages that are looked at together: one that is not plain makes the others wait for a second look.
AT_ONCE = 100

_WHERE = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_NAMED = re.compile(r"`(?P<field>\w+)`")
#: Identities end up in keys, logs and sentences, where a control character could forge a line and
#: a direction override could show one name as another.
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_IDENTITIES = (
    "event_id", "source_id", "requester_id", "agency_id", "unit_id", "tool", "gallery", "purpose",
    "operator_id", "requesting_agency", "role", "case_number", "subject_ref", "workstation_id",
    "approver_id", "second_reviewer_id", "incident_area", "probe_hash", "offence_code",
)  # fmt: skip
_TIMES = ("event_time", "ingest_time", "incident_time")
_TIMES_OF = tuple(map(attrgetter, _TIMES))
FIRST_YEAR, LAST_YEAR = 2000, 2099
#: What the first bytes of something else look like, and what to do.
SIGNS = (
    (b"\x1f\x8b", "it is compressed with gzip: unpack it first"),
    (b"PK\x03\x04", "it is a ZIP or Excel file: unpack it, or save it as text"),
    (b"\xff\xfe", "it is UTF-16: save it as UTF-8"),
    (b"\xfe\xff", "it is UTF-16: save it as UTF-8"),
)


def decode(raw: bytes, arrival: float | None) -> Search | Tick | Refusal:
    """Read one message and hold its time against its arrival.

    `arrival` is the time at which the broker took it, in epoch seconds, or None when unknown;
    a search that claims to be more than a day younger than its arrival has a wrong clock.
    """
    event = read(raw)
    if arrival is None or type(event) is Refusal:
        return event
    field = "event_time" if type(event) is Search else "tick"
    return clock_fault(field, getattr(event, field).timestamp(), arrival) or event


def read(raw: bytes) -> Search | Tick | Refusal:
    """Read one message, whenever it arrived."""
    if len(raw) > MAX_EVENT_BYTES:
        return Refusal(
            reason="too_large",
            detail=f"the message has {len(raw):,} bytes and at most {MAX_EVENT_BYTES:,} are taken; "
            "send the record without images or attachments",
        )
    try:
        if raw[:7] == _TICK:
            return _checked_tick(_tick.decode(raw))
        if b'"specversion"' in raw and (data := _payload(raw)) is not None:
            raw = data
        search = _search.decode(raw)
    except msgspec.ValidationError as error:
        return _refusal(str(error))
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        return Refusal(
            reason="broken_json",
            detail=f"not a JSON object in UTF-8: {error}; "
            + next((cure for sign, cure in SIGNS if raw.startswith(sign)), "send one object per message"),
        )
    # JSON can hold a forbidden character only escaped, as DEL, or beyond ASCII: most messages do not.
    if (b"\\" in raw or b"\x7f" in raw or not raw.isascii()) and (fault := _forbidden(search)):
        return fault
    return search if _all_plain([search]) else _in_utc(search)


def read_all(raws: Sequence[bytes]) -> Iterator[Search | Tick | Refusal]:
    """What `read` gives for each of some messages, in less time when all are searches and plain. Some are
    read ahead, but few: whoever looks at one finds it in the processor's cache."""
    first = 0
    for tick in [*(place for place, raw in enumerate(raws) if raw[:7] == _TICK), len(raws)]:
        for begin in range(first, tick, AT_ONCE):
            part = raws[begin : min(begin + AT_ONCE, tick)]
            yield from _read_plain(part) or map(read, part)
        yield from map(read, raws[tick : tick + 1])
        first = tick + 1


def _read_plain(raws: Sequence[bytes]) -> list[Search] | None:
    """The searches, if all messages are such in one line of plain ASCII and in UTC; None if not."""
    whole = b"".join(raws)
    # CloudEvents need no look of their own: their fields are none of a search's.
    if (
        not whole.isascii()
        or b"\\" in whole
        or b"\x7f" in whole
        or b"\n" in whole
        or len(max(raws, key=len)) > MAX_EVENT_BYTES
    ):
        return None
    try:
        searches: list[Search] = _search.decode_lines(b"\n".join(raws))
    except msgspec.DecodeError:
        return None
    # An empty message is no line, and none of the searches may need another look.
    return searches if len(searches) == len(raws) and _all_plain(searches) else None


def _all_plain(searches: Sequence[Search]) -> bool:
    """Whether all their times are in UTC and within range."""
    moments = [moment for moment in chain(*(map(time_of, searches) for time_of in _TIMES_OF)) if moment]
    return (
        not [moment for moment in moments if moment.tzinfo is not UTC]
        and min(moments).year >= FIRST_YEAR
        and max(moments).year <= LAST_YEAR
    )


def clock_fault(field: str, at: float, arrival: float) -> Refusal | None:
    """A refusal when `at` (epoch seconds) lies more than a day after the arrival."""
    if at <= arrival + MAX_CLOCK_LEAD:
        return None
    return Refusal(
        reason="clock_ahead",
        field=field,
        detail=f"{field} is {(at - arrival) / 3600:,.0f} hours later than its arrival; "
        "the clock of the source runs ahead",
    )


def _payload(raw: bytes) -> bytes | None:
    """The search inside a CloudEvents envelope; None when the bytes are a search after all."""
    try:
        return bytes(_cloud_event.decode(raw).data)
    except msgspec.ValidationError:
        return None


def _in_utc(search: Search) -> Search | Refusal:
    for field in _TIMES:
        moment = getattr(search, field)
        if moment is not None and not _is_plain(moment):
            if fault := _out_of_range(field, moment):
                return fault
            setattr(search, field, moment.astimezone(UTC))
    return search


def _is_plain(moment: datetime) -> bool:
    return moment.tzinfo is UTC and FIRST_YEAR <= moment.year <= LAST_YEAR


def _out_of_range(field: str, moment: datetime) -> Refusal | None:
    # The conversion of the years 1 and 9999 to UTC may leave what datetime can hold.
    if FIRST_YEAR - 1 <= moment.year <= LAST_YEAR + 1 and _is_plain(moment.astimezone(UTC)):
        return None
    return Refusal(
        reason="time_out_of_range",
        field=field,
        detail=f"{field} lies outside {FIRST_YEAR}-{LAST_YEAR}; "
        "check the clock and the time format of the source",
    )


def _forbidden(search: Search) -> Refusal | None:
    for name in _IDENTITIES:
        value = getattr(search, name)
        if value is not None and (found := _FORBIDDEN.search(value)):
            return Refusal(
                reason="control_character",
                field=name,
                detail=f"{name} holds the character U+{ord(found[0]):04X}; remove it at the source",
            )
    return None


def _checked_tick(tick: Tick) -> Tick | Refusal:
    if tick.source_id is not None and (found := _FORBIDDEN.search(tick.source_id)):
        return Refusal(
            reason="control_character",
            field="source_id",
            detail=f"source_id holds the character U+{ord(found[0]):04X}; remove it at the source",
        )
    return _out_of_range("tick", tick.tick) or tick


def _refusal(message: str) -> Refusal:
    """Turn msgspec's sentence into a reason, a field and a cure."""
    where = _WHERE.search(message)
    said = message[: where.start()] if where else message
    path = where["path"] if where else ""
    named = _NAMED.search(said)
    if "missing required field" in said:
        field = named["field"] if named else path
        return Refusal(reason="missing_field", field=field, detail=f"the required field {field} is missing")
    if "unknown field" in said:
        field = named["field"] if named else path
        return Refusal(
            reason="unknown_field",
            field=field,
            detail=f"there is no field {field}; known fields are in docs/events.md",
        )
    if "timezone" in said:
        return Refusal(
            reason="naive_time",
            field=path,
            detail=f"{path} has no time zone; write it as 2020-05-31T19:04:00Z",
        )
    wrong = ", got `" in said
    return Refusal(
        reason="wrong_type" if wrong else "out_of_range",
        field=path or None,
        detail=f"{path or 'message'}: {said}{_cure(path, said)}",
    )


def _cure(path: str, said: str) -> str:
    """What to do about a value that does not fit its field; empty where the sentence says it already."""
    field = FIELDS.get(path)
    if field is None:
        return "; send one object per message" if "`object`" in said else ""
    if "length >= 1" in said or said.endswith("got `null`"):
        # A blank would have to mean that nothing was recorded, and then there is nothing to send.
        return "; it must be filled in" if field.required else "; leave the field out when there is nothing"
    if "enum" in said:
        return did_you_mean(said.split("'")[1].casefold(), field.values)
    if "RFC3339" in said or "`datetime`" in said:
        return "; write it as 2020-05-31T19:04:00Z"
    if "regex" in said:
        return "; write it as 2020-05-31"
    return ""
