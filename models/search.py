"""One face-recognition search as it stands in an audit log, and how raw bytes become one.

Decoding never raises: what cannot be used comes back as a `Refusal` that names the reason, the
field and the cure, so that the caller can put it in a dead letter and nothing is lost.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

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
    event_time: Instant
    source_id: Identifier
    requester_id: Identifier
    agency_id: Identifier
    unit_id: Identifier
    tool: Name
    gallery: Name
    purpose: Name
    image_source: ImageSource

    source_sequence: Annotated[int, Meta(ge=0, le=2**53)] | None = None
    ingest_time: Instant | None = None
    operator_id: Identifier | None = None
    requesting_agency: Identifier | None = None
    role: Name | None = None
    training_expires_on: Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\d$")] | None = None
    tool_version: Name | None = None
    case_number: Identifier | None = None
    offence_code: Identifier | None = None
    reason_text: Text | None = None
    warrant_ref: Identifier | None = None
    exigent: bool | None = None
    approver_id: Identifier | None = None
    probe_hash: Identifier | None = None
    probe_edited: bool | None = None
    subject_ref: Identifier | None = None
    candidates_requested: Count | None = None
    candidates_returned: Count | None = None
    top_score: Score | None = None
    threshold: Score | None = None
    search_type: SearchType = "manual"
    workstation_id: Identifier | None = None
    access_channel: Name | None = None
    incident_area: Name | None = None
    incident_time: Instant | None = None
    lead_issued: bool | None = None
    second_reviewer_id: Identifier | None = None
    corroborated: bool | None = None
    arrest_made: bool | None = None


#: Fields that name a member of staff, replaced by keyed pseudonyms at ingest.
STAFF_FIELDS = ("requester_id", "operator_id", "approver_id", "second_reviewer_id")


class Tick(Struct, kw_only=True, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """The passing of time as a message: `tick` is the time; without a source it is for all.

    `end` says that a file ends here: windows may close, but nothing is missing from what follows.
    """

    tick: Instant
    source_id: Identifier | None = None
    end: bool = False


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
