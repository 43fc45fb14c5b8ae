"""One face-recognition search as it stands in an audit log, and how raw bytes become one.

Decoding never raises: what cannot be used comes back as a `Refusal` that names the reason, the
field and the cure, so that the caller can put it in a dead letter and nothing is lost.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from models.serving import Statement

#: How far ahead of its arrival a search may claim to be before its clock is called wrong, seconds.
MAX_CLOCK_LEAD = 24 * 3600.0
#: Largest accepted message, bytes. A search without an image is well under 2 kB.
MAX_EVENT_BYTES = 64 * 1024

Identifier = Annotated[str, Meta(min_length=1, max_length=128)]
Name = Annotated[str, Meta(min_length=1, max_length=128)]
Text = Annotated[str, Meta(max_length=4096)]
Instant = Annotated[datetime, Meta(tz=True)]
Count = Annotated[int, Meta(ge=0, le=1_000_000)]
Score = Annotated[float, Meta(ge=0.0, le=1.0)]

ImageSource = Literal[
    "booking", "cctv", "social_media", "body_worn", "in_car",
    "mobile", "sketch", "celebrity", "live_stream", "unknown",
]  # fmt: skip
SearchType = Literal["manual", "hotlist", "batch"]


class Search(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """One search. Times are aware and kept in UTC; identities are pseudonyms after ingest.

    Required fields come first. No image, name of a searched person or number plate is carried.
    `source_sequence` counts up by one for each record of a source and proves that none was removed.
    """

    event_id: Identifier
    """Identity of the search; the same id with other content is refused."""
    event_time: Instant
    """When the search was made."""
    source_id: Identifier
    """The log that it comes from."""
    requester_id: Identifier
    """Who searched. Replaced by a pseudonym at ingest when a key is set."""
    agency_id: Identifier
    """Whose officer that is; everything a detector compares lies within one agency."""
    unit_id: Identifier
    """The requester's unit at that time."""
    tool: Name
    """The face-recognition system, under any spelling that the register of tools knows."""
    gallery: Name
    """The collection of photographs searched."""
    purpose: Name
    """Why, in the words of the agency's policy pack."""
    image_source: ImageSource
    """Where the probe image comes from."""

    source_sequence: Annotated[int, Meta(ge=0, le=2**53)] | None = None
    """Number of the record in its source, up by one each: proves that none is missing."""
    ingest_time: Instant | None = None
    """When the sending system took the record."""
    operator_id: Identifier | None = None
    """Who operated the system for the requester. Replaced like `requester_id`."""
    requesting_agency: Identifier | None = None
    """The outside agency for which the search was made."""
    role: Name | None = None
    """The requester's role; taken from the roster when it is not given."""
    training_expires_on: (
        Annotated[str, Meta(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])\Z")] | None
    ) = None
    """Last day of the requester's training; from the roster when it is not given."""
    tool_version: Name | None = None
    """Version of the tool."""
    case_number: Identifier | None = None
    """Case or incident. Without one, `subject_ref`, else the search itself, counts as a case."""
    offence_code: Identifier | None = None
    """The offence under investigation."""
    reason_text: Text | None = None
    """The reason in the requester's words."""
    warrant_ref: Identifier | None = None
    """Warrant or court order."""
    exigent: bool | None = None
    """Whether an emergency was claimed."""
    approver_id: Identifier | None = None
    """Who approved the search. Replaced like `requester_id`."""
    probe_hash: Identifier | None = None
    """Keyed hash of the probe image, made by the sender: finds repeats without keeping a face."""
    probe_edited: bool | None = None
    """Whether the probe was edited."""
    subject_ref: Identifier | None = None
    """Pseudonym of the person searched for, made by the sender; passed on as it stands."""
    candidates_requested: Count | None = None
    """Length of the list asked for."""
    candidates_returned: Count | None = None
    """Length of the list given."""
    top_score: Score | None = None
    """Best score of the list."""
    threshold: Score | None = None
    """Least score that was shown."""
    search_type: SearchType = "manual"
    """Whether a person searched, a hot list or a batch."""
    workstation_id: Identifier | None = None
    """The device."""
    access_channel: Name | None = None
    """The way in: console, web, mobile, in the agency's words."""
    incident_area: Name | None = None
    """Where the incident was."""
    incident_time: Instant | None = None
    """When the incident was."""
    lead_issued: bool | None = None
    """Whether a lead came of it."""
    second_reviewer_id: Identifier | None = None
    """Who looked at the result a second time. Replaced like `requester_id`."""
    corroborated: bool | None = None
    """Whether other evidence was recorded."""
    arrest_made: bool | None = None
    """Whether an arrest followed."""


#: Fields that name a member of staff, replaced by keyed pseudonyms at ingest.
STAFF_FIELDS = ("requester_id", "operator_id", "approver_id", "second_reviewer_id")


class Tick(Struct, kw_only=True, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """The passing of time as a message: `tick` is the time; without a source it is for all.

    `end` says that a file ends here: windows may close, but nothing is missing from what follows.
    `models` are the statements about trained models that whoever sends the tick knows.
    """

    tick: Instant
    source_id: Identifier | None = None
    end: bool = False
    models: Annotated[tuple[Statement, ...], Meta(max_length=20)] = ()


class Refusal(Struct, kw_only=True, frozen=True, omit_defaults=True):
    """Why a message was not taken: a short reason (a metric label), the field, and a sentence."""

    reason: Literal[
        "broken_json", "too_large", "missing_field", "unknown_field", "wrong_type", "out_of_range",
        "naive_time", "time_out_of_range", "clock_ahead", "control_character", "conflicting_duplicate",
    ]  # fmt: skip
    detail: str
    field: str | None = None


def encode_search(search: Search) -> bytes:
    """One compact JSON object, fields in declared order, defaults left out."""
    return _json.encode(search)


_json = msgspec.json.Encoder()
