"""Who searched: pseudonyms at ingest, and what the roster adds."""

from __future__ import annotations

from datetime import date

import pytest

from models.pseudonym import Pseudonyms
from models.reference import Agency, Reference, Source
from models.roster import Posting, Roster
from tests.ingesting import packs, stage, take
from tests.logs import DAY, search

HOUR = 3600.0


def roster() -> Reference:
    on = date(2021, 1, 1).toordinal()
    names = Pseudonyms(b"k" * 16)
    posting = Posting(
        requester_id=names("officer"), agency_id="city", unit_id="u0", role="detective",
        valid_from=on, valid_to=date(2021, 3, 5).toordinal(), trained_until=date(2021, 3, 3).toordinal(),
    )  # fmt: skip
    return Reference(
        agencies={"city": Agency(agency_id="city", timezone="America/Los_Angeles")},
        sources={"feed": Source(source_id="feed", agency_id="city")},
        roster=Roster([posting]),
    )


def test_staff_become_pseudonyms_everywhere_and_nobody_else_does() -> None:
    one = stage(pseudonyms=Pseudonyms(b"k" * 16))
    staff = dict.fromkeys(("requester_id", "operator_id", "approver_id", "second_reviewer_id"), "officer")
    output = take(one, search(0.0, "e1", subject_ref="officer", **staff))
    (pack,) = packs(output)
    (found,) = pack.searches
    values = {getattr(found, field) for field in staff}
    assert values == {Pseudonyms(b"k" * 16)("officer")} and found.subject_ref == "officer"
    other = Pseudonyms(b"K" * 16)("officer")
    assert other not in values and "officer" not in other
    assert all(b'"requester_id":"officer"' not in message.value for message in output.messages)


def test_a_late_search_leaves_under_its_pseudonym_too() -> None:
    one = stage(pseudonyms=Pseudonyms(b"k" * 16))
    output = take(
        one, search(10 * DAY, "e1"), search(10 * DAY + 1, "e2"), search(0.0, "old", requester_id="officer")
    )
    (late,) = [message for message in output.messages if message.topic == "searches.late"]
    assert b"officer" not in late.value and b"p-" in late.value


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="16 or more"):
        Pseudonyms(b"short")


def test_the_roster_fills_in_what_the_log_leaves_out_as_of_the_day() -> None:
    one = stage(roster(), pseudonyms=Pseudonyms(b"k" * 16))
    values = [
        search(DAY, "serving", requester_id="officer"),
        search(DAY, "said", requester_id="officer", role="chief", training_expires_on="2030-01-01"),
        search(4 * DAY, "last", requester_id="officer"),
        search(4 * DAY + 9 * HOUR, "gone", requester_id="officer"),
        search(DAY, "unknown", requester_id="stranger"),
    ]
    (pack,) = packs(take(one, *values))
    assert {found.event_id: (found.role, found.training_expires_on) for found in pack.searches} == {
        "serving": ("detective", "2021-03-03"),
        "said": ("chief", "2030-01-01"),
        "last": ("detective", "2021-03-03"),
        "gone": (None, None),
        "unknown": (None, None),
    }
