"""`/healthz` and `/readyz`, for whoever starts and watches the process."""

from __future__ import annotations

import structlog
from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from console.access.require import anyone

router = APIRouter(dependencies=[Depends(anyone)], include_in_schema=False)
log = structlog.get_logger("console")


@router.get("/healthz")
def healthz() -> JSONResponse:
    """The process answers."""
    return JSONResponse({"ok": True})


@router.get("/readyz")
def readyz(request: Request) -> JSONResponse:
    """The store answers too."""
    try:
        with request.app.state.store.reading() as session:
            session.execute(text("select 1"))
    except SQLAlchemyError as error:
        log.error("the store does not answer", exc_info=error)
        return JSONResponse({"ok": False, "problem": "the store does not answer"}, 503)
    return JSONResponse({"ok": True})
