"""All alerts in one table, for those who look for one."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import select

from console.access.permissions import Permission
from console.access.require import require
from console.storage.tables import AlertRow
from console.web.given import Reading
from console.web.listings import alerts_table
from console.web.page import Page
from console.web.tables import Selected

router = APIRouter(dependencies=[Depends(require(Permission.READ_ALERTS))], include_in_schema=False)
TABLE = alerts_table("alerts", "All alerts")


@router.get("/alerts")
def alerts(request: Request, session: Reading) -> Response:
    """Sorted, filtered and exported like every table."""
    page = Page(request, "alerts.html", "All alerts")
    page.table(TABLE, Selected(session, select(AlertRow), AlertRow.alert_id))
    return page.answer()
