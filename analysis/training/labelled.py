"""What a model tells, held against labels: simulated incidents, dispositions of staff, or both."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta

from msgspec import Struct

from analysis.labels import Labels
from bench.evaluation import SLACK
from bench.labels import Label
from models.analysis.precision import Share, share
from models.statistics.profiles import WEEKS

#: Agency, Sunday and requester of a finding.
Row = tuple[str, str, str]


@dataclass(frozen=True)
class Truth:
    """Labels, and whether they are all there is: a simulation's are, what staff have closed is not."""

    labels: Labels
    complete: bool


class Labelled(Struct, frozen=True, kw_only=True):
    """Findings against labels. Of two labels that are both known, one finding can be about both."""

    precision: Share
    """Findings about an incident, among those of which it is known whether they are."""
    unknown: int
    """Findings of which nobody has said what they are."""
    recall: Share
    """Incidents that were told, among those about a requester that begin in the weeks compared."""


def held_against(truth: Truth, told: Collection[Row], begins: str, until: str) -> Labelled:
    """The findings of the Sundays from `begins` to `until`, both inclusive, against labels."""
    incidents = [one for one in truth.labels.incidents if "requester" in one.keys]
    first, last = _weeks(begins)[0], date.fromisoformat(until)
    due = [one for one in incidents if first <= one.start.date() <= last]
    right = [row for row in told if any(_about(row, one) for one in incidents)]
    left = [row for row in told if row not in right]
    wrong = [row for row in left if truth.complete or any(_about(row, one) for one in truth.labels.traps)]
    return Labelled(
        precision=share(len(right), len(right) + len(wrong)),
        unknown=len(left) - len(wrong),
        recall=share(sum(any(_about(row, one) for row in told) for one in due), len(due)),
    )


def _about(row: Row, label: Label) -> bool:
    """Whether the four weeks of a finding are its requester's in the time of a label."""
    agency, sunday, requester = row
    if agency != label.agency_id or requester not in label.keys.get("requester", ()):
        return False
    first, last = _weeks(sunday)
    return label.start.date() <= last and first <= (label.end + SLACK).date()


def _weeks(sunday: str) -> tuple[date, date]:
    last = date.fromisoformat(sunday)
    return last - timedelta(days=7 * WEEKS - 1), last
