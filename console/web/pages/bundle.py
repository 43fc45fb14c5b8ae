"""The evidence bundle of an alert: a file that verifies on its own."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from console.access.permissions import Permission
from console.access.require import require
from console.access.visits import Current
from console.reading import policy
from console.web.given import Configured, Now, Writing
from console.web.page import download
from console.web.pages.alert import row_of
from console.work.exporting import export_bundle

router = APIRouter(include_in_schema=False)


@router.post("/alerts/{alert_id}/bundle")
def bundle(
    current: Annotated[Current, Depends(require(Permission.EXPORT_BUNDLE))],
    session: Writing,
    configured: Configured,
    now: Now,
    alert_id: str,
) -> Response:
    """Alert, evidence, clause and the alert's part of the ledger; the ledger says who took them along."""
    row = row_of(session, alert_id)
    found = policy.find(configured.reference.policy, row.clause)
    lines = export_bundle(session, alert_id, current.name, now, found.clause if found else None)
    return download(lines, f"evidence-{row.alert_id}.jsonl", "application/jsonl")
