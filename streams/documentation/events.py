"""The fields of a search, and why a message is refused."""

from __future__ import annotations

from typing import get_args, get_type_hints

from models.search import MAX_CLOCK_LEAD, MAX_EVENT_BYTES, Refusal, Search
from streams.documentation.tables import default, fields, table, type_words

MEANINGS = {
    "event_id": "Identity of the search; the same id with other content is refused.",
    "event_time": "When the search was made.",
    "source_id": "The log that it comes from.",
    "requester_id": "Who searched. Replaced by a pseudonym at ingest when a key is set.",
    "agency_id": "Whose officer that is; everything a detector compares lies within one agency.",
    "unit_id": "The requester's unit at that time.",
    "tool": "The face-recognition system, under any spelling that the register of tools knows.",
    "gallery": "The collection of photographs searched.",
    "purpose": "Why, in the words of the agency's policy pack.",
    "image_source": "Where the probe image comes from.",
    "source_sequence": "Number of the record in its source, up by one each: proves that none is missing.",
    "ingest_time": "When the sending system took the record.",
    "operator_id": "Who operated the system for the requester. Replaced like `requester_id`.",
    "requesting_agency": "The outside agency for which the search was made.",
    "role": "The requester's role; taken from the roster when it is not given.",
    "training_expires_on": "Last day of the requester's training; from the roster when it is not given.",
    "tool_version": "Version of the tool.",
    "case_number": "Case or incident. Without one, `subject_ref`, else the search itself, counts as a case.",
    "offence_code": "The offence under investigation.",
    "reason_text": "The reason in the requester's words.",
    "warrant_ref": "Warrant or court order.",
    "exigent": "Whether an emergency was claimed.",
    "approver_id": "Who approved the search. Replaced like `requester_id`.",
    "probe_hash": "Keyed hash of the probe image, made by the sender: finds repeats without keeping a face.",
    "probe_edited": "Whether the probe was edited.",
    "subject_ref": "Pseudonym of the person searched for, made by the sender; passed on as it stands.",
    "candidates_requested": "Length of the list asked for.",
    "candidates_returned": "Length of the list given.",
    "top_score": "Best score of the list.",
    "threshold": "Least score that was shown.",
    "search_type": "Whether a person searched, a hot list or a batch.",
    "workstation_id": "The device.",
    "access_channel": "The way in: console, web, mobile, in the agency's words.",
    "incident_area": "Where the incident was.",
    "incident_time": "When the incident was.",
    "lead_issued": "Whether a lead came of it.",
    "second_reviewer_id": "Who looked at the result a second time. Replaced like `requester_id`.",
    "corroborated": "Whether other evidence was recorded.",
    "arrest_made": "Whether an arrest followed.",
}

REASONS = {
    "broken_json": "Not one JSON object in UTF-8. Send one object a message.",
    "too_large": f"More than {MAX_EVENT_BYTES:,} bytes. Send the record without images or attachments.",
    "missing_field": "A required field is not there.",
    "unknown_field": "A field that this page does not list. Leave it out, or mend its spelling.",
    "wrong_type": "A value of another type than this page says.",
    "out_of_range": "A value outside its limits.",
    "naive_time": "A time without a zone. Write it as `2020-05-31T19:04:00Z`.",
    "time_out_of_range": "A time before 2000 or after 2099. Check clock and format of the source.",
    "clock_ahead": f"A time more than {MAX_CLOCK_LEAD / 3600:g} hours later than Kafka took the message:"
    " the clock of the source runs ahead. Never from a file, whose arrival is not known.",
    "control_character": "A control character or a change of writing direction in an identity.",
    "conflicting_duplicate": "An `event_id` seen before with other content, in the open days of its source.",
}


def event_table() -> str:
    """Every field of a search."""
    rows = []
    for field in fields(Search):
        kind, limits = type_words(field.type)
        default_ = default(field)
        rows.append((
            f"`{field.name}`",
            "yes" if field.required else "" if default_ == "none" else f"no, `{default_}`",
            kind,
            limits,
            MEANINGS[field.name],
        ))  # fmt: skip
    return table(("field", "required", "type", "limits", "meaning"), rows)


def refusal_table() -> str:
    """Every reason for which a message becomes a dead letter."""
    reasons = get_args(get_type_hints(Refusal)["reason"])
    return table(("reason", "what it says, and the cure"), [(f"`{one}`", REASONS[one]) for one in reasons])
