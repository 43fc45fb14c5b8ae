"""One search of today for a running worker: an ordinary one, or one with a tool that is not approved.

The agencies are those of a national log, whose configuration lets the unapproved tool be an alert.
"""

from __future__ import annotations

from datetime import datetime

from models.search import Search


def live_search(agency_id: str, number: int, at: datetime, *, breach: bool) -> Search:
    """The search `live-NUMBER`. One that breaks the rule is by somebody of its own, whom no earlier
    breach hides: a rule speaks once of a person and a day."""
    return Search(
        event_id=f"live-{number}",
        event_time=at,
        source_id=f"{agency_id}-log",
        requester_id=f"breach-{number}" if breach else f"{agency_id}-r{number * 7919 % 250}",
        agency_id=agency_id,
        unit_id=f"u{number % 10}",
        tool="Clearview AI" if breach else "LACRIS",
        gallery="county-mugshots",
        purpose="criminal_investigation",
        image_source="cctv",
        case_number=f"live-{number // 3}",
        reason_text="robbery, suspect seen on camera",
        subject_ref=f"live-{number // 3}",
        workstation_id=f"w{number % 400}",
    )
