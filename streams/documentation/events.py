"""The fields of a search, and why a message is refused."""

from __future__ import annotations

from typing import get_args, get_type_hints

from models.search import MAX_CLOCK_LEAD, MAX_EVENT_BYTES, Refusal, Search
from streams.documentation.tables import attribute_docs, default, fields, table, type_words

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
    meanings = attribute_docs(Search)
    rows = []
    for field in fields(Search):
        kind, limits = type_words(field.type)
        default_ = default(field)
        rows.append((
            f"`{field.name}`",
            "yes" if field.required else "" if default_ == "none" else f"no, `{default_}`",
            kind,
            limits,
            meanings[field.name],
        ))  # fmt: skip
    return table(("field", "required", "type", "limits", "meaning"), rows)


def refusal_table() -> str:
    """Every reason for which a message becomes a dead letter."""
    reasons = get_args(get_type_hints(Refusal)["reason"])
    return table(("reason", "what it says, and the cure"), [(f"`{one}`", REASONS[one]) for one in reasons])
