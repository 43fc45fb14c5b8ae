"""Runs the examples that every policy clause carries: one breach, one lawful search that is close."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from typing import Any

import msgspec

from models.days import LocalDays, instant
from models.policy import AgencyPolicy, Clause
from models.reference import Agency
from models.search import Search
from streams.configuration import Configuration

#: Noon of the first day in force, local time.
_NOON = 12 * 3600.0


def example_search(clause: Clause, agency: Agency, fields: dict[str, Any]) -> Search:
    """A search with the example's fields, made by the agency at noon of the clause's first day."""
    at = instant(LocalDays(agency.timezone).start(clause.valid_from) + _NOON).astimezone(UTC)
    plain: dict[str, Any] = {
        "event_id": clause.id,
        "event_time": at,
        "source_id": "example",
        "requester_id": "example",
        "agency_id": agency.agency_id,
        "unit_id": "example",
        "tool": "example",
        "gallery": "example",
        "purpose": "criminal_investigation",
        "image_source": "cctv",
    }
    return msgspec.convert(plain | fields, Search)


def failures(configuration: Configuration) -> Iterator[str]:
    """A sentence for each clause that misses its breach or fires on its lawful example.

    Clauses are judged for every agency that their pack binds; a pack that binds none is not run.
    """
    reference = configuration.reference
    for agency in reference.agencies.values():
        for clause in reference.policy.clauses(agency.policies):
            if clause.examples is None:
                continue
            policy = AgencyPolicy((clause,), agency.agency_id, agency.timezone, reference.tools)
            for fields, fires in ((clause.examples.breach, True), (clause.examples.lawful, False)):
                search = example_search(clause, agency, fields)
                if bool(policy.violations(search, search.event_time.timestamp())) != fires:
                    what = (
                        "does not fire on its example of a breach" if fires else "fires on its lawful example"
                    )
                    yield f"clause {clause.id} {what} for agency {agency.agency_id}: {fields}"
