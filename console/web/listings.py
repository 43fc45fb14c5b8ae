"""The tables of alerts and of searches, which many pages show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, get_args

from sqlalchemy.sql.elements import SQLCoreOperations

from console.storage.tables import AlertRow, SearchRow
from console.web.formats import entity_address
from console.web.tables import Column, Table
from models.alert import SEVERITIES, EntityKind, Kind, Status
from models.search import ImageSource


def alert_address(alert_id: str) -> str:
    """The page of an alert."""
    return f"/alerts/{alert_id}"


def alerts_table(
    name: str, caption: str, *, filters: bool = True, empty: str = "No alert yet."
) -> Table[AlertRow]:
    """Alerts, the worst first. `filters` off: for a short list beside something else."""
    columns: Sequence[Column[AlertRow]] = (
        Column(
            name="severity",
            title="Severity",
            kind="severity",
            value=lambda row: row.severity,
            filter="choice",
            choices=SEVERITIES[::-1],
            sql=AlertRow.severity,
            order=(AlertRow.severity_rank, AlertRow.score, AlertRow.decided_at),
            rank=lambda row: (row.severity_rank, row.score, row.decided_at),
        ),
        Column(
            name="explanation",
            title="What was found",
            value=lambda row: row.explanation,
            wide=True,
            link=lambda row: alert_address(row.alert_id),
            filter="contains",
            sql=AlertRow.explanation,
            sort=False,
        ),
        Column(
            name="kind",
            title="About",
            value=lambda row: row.entity_kind,
            filter="choice",
            choices=get_args(EntityKind),
            sql=AlertRow.entity_kind,
        ),
        Column(
            name="entity",
            title="Which",
            value=lambda row: row.entity,
            filter="exact",
            sql=AlertRow.entity,
            link=lambda row: entity_address(row.entity_kind, row.agency_id, row.entity),
        ),
        Column(
            name="unit",
            title="Unit",
            value=lambda row: row.unit_id,
            filter="exact",
            sql=AlertRow.unit_id,
            link=lambda row: row.unit_id and entity_address("unit", row.agency_id, row.unit_id),
        ),
        Column(
            name="agency",
            title="Agency",
            value=lambda row: row.agency_id,
            filter="exact",
            sql=AlertRow.agency_id,
        ),
        Column(
            name="detector",
            title="Detector",
            value=lambda row: row.detector,
            filter="exact",
            sql=AlertRow.detector,
        ),
        Column(
            name="rule",
            title="Rule or habit",
            value=lambda row: row.kind,
            filter="choice",
            choices=get_args(Kind),
            sql=AlertRow.kind,
        ),
        Column(
            name="decided",
            title="Told",
            kind="time",
            value=lambda row: row.decided_at,
            filter="days",
            sql=AlertRow.decided_at,
        ),
        Column(
            name="status",
            title="Status",
            value=lambda row: row.status,
            filter="choice",
            choices=get_args(Status),
            sql=AlertRow.status,
        ),
        Column(
            name="work",
            title="Work",
            value=lambda row: row.work_state,
            filter="exact",
            sql=AlertRow.work_state,
        ),
        Column(
            name="disposition",
            title="Disposition",
            value=lambda row: row.disposition,
            filter="exact",
            sql=AlertRow.disposition,
        ),
        Column(
            name="score",
            title="Score",
            kind="number",
            value=lambda row: row.score,
            filter="least",
            sql=AlertRow.score,
        ),
    )
    if not filters:
        columns = [replace(column, filter=None) for column in columns]
    return Table(name=name, caption=caption, columns=columns, sort="severity", descending=True, empty=empty)


def searches_table(name: str, caption: str, *, empty: str = "No search in the store.") -> Table[SearchRow]:
    """Searches, the newest first."""
    return Table(
        name=name,
        caption=caption,
        sort="time",
        descending=True,
        empty=empty,
        columns=(
            Column(
                name="time",
                title="Time",
                kind="time",
                value=lambda row: row.event_time,
                filter="days",
                sql=SearchRow.event_time,
            ),
            _naming("requester", "Requester", lambda row: row.requester_id, SearchRow.requester_id),
            _naming("unit", "Unit", lambda row: row.unit_id, SearchRow.unit_id),
            _naming("tool", "Tool", lambda row: row.tool, SearchRow.tool),
            Column(
                name="purpose",
                title="Purpose",
                value=lambda row: row.purpose,
                filter="exact",
                sql=SearchRow.purpose,
            ),
            Column(
                name="image",
                title="Image from",
                value=lambda row: row.image_source,
                filter="choice",
                choices=get_args(ImageSource),
                sql=SearchRow.image_source,
            ),
            Column(
                name="case",
                title="Case",
                value=lambda row: row.case_number,
                filter="exact",
                sql=SearchRow.case_number,
            ),
            _naming("subject", "Subject", lambda row: row.subject_ref, SearchRow.subject_ref),
            Column(
                name="area",
                title="Area",
                value=lambda row: row.incident_area,
                filter="exact",
                sql=SearchRow.incident_area,
            ),
            Column(
                name="reason",
                title="Reason in the requester's words",
                value=lambda row: row.reason_text,
                wide=True,
                filter="contains",
                sql=SearchRow.reason_text,
                sort=False,
            ),
            Column(
                name="lead",
                title="Lead",
                value=lambda row: yes_no(row.lead_issued),
                sort=False,
            ),
            Column(
                name="arrest",
                title="Arrest",
                value=lambda row: yes_no(row.arrest_made),
                sort=False,
            ),
            Column(
                name="id",
                title="Search",
                value=lambda row: row.event_id,
                filter="exact",
                sql=SearchRow.event_id,
            ),
        ),
    )


def yes_no(value: bool | None) -> str | None:
    """A fact that may not be known."""
    return None if value is None else "yes" if value else "no"


def _naming(
    name: str, title: str, value: Callable[[SearchRow], str | None], sql: SQLCoreOperations[Any]
) -> Column[SearchRow]:
    """A column that names a requester, unit, tool or subject."""

    def link(row: SearchRow) -> str | None:
        one = value(row)
        return None if one is None else entity_address(name, row.agency_id, one)

    return Column(name=name, title=title, value=value, link=link, filter="exact", sql=sql)
