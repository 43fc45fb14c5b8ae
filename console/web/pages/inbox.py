"""The inbox: what waits for somebody, live, the worst first."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Depends, Form, HTTPException, Query, Request, Response
from sqlalchemy.orm import Session

from console.access.permissions import Permission
from console.access.require import require
from console.access.visits import Current
from console.reading import inbox as reading
from console.reading.inbox import SHOWN, STATUSES, Asked, NoPlace
from console.reading.work import STATES
from console.storage import saved_views as saved
from console.storage.inbox import inbox as in_store
from console.web.formats import address
from console.web.given import Configured, Now, Reading, Writing
from console.web.page import Page
from console.web.rendering import redirect, render
from models.alert import SEVERITIES

router = APIRouter(include_in_schema=False)
Reader = Annotated[Current, Depends(require(Permission.READ_ALERTS))]
Keeper = Annotated[Current, Depends(require(Permission.KEEP_VIEWS))]
Name = Annotated[str, Query(max_length=400, pattern=r"^[^\x00]*$")]
#: Filters of the table of all alerts that mean the same.
AS_TABLE = {
    "agency": "agency", "unit": "unit", "detector": "detector", "severity": "severity", "status": "status",
    "entity": "entity", "text": "explanation", "first": "decided.from", "last": "decided.to",
}  # fmt: skip


def filters(
    show: Name = "waiting",
    severity: Name = "",
    detector: Name = "",
    status: Name = "",
    agency: Name = "",
    unit: Name = "",
    entity: Name = "",
    assignee: Name = "",
    text: Name = "",
    first: Name = "",
    last: Name = "",
) -> Asked:
    """What an address asks for; a form sends its empty fields, too."""
    return Asked(
        show if show in SHOWN else "waiting",
        severity.strip(),
        detector.strip(),
        status.strip(),
        agency.strip(),
        unit.strip(),
        entity.strip(),
        assignee.strip(),
        text.strip(),
        _day(first),
        _day(last),
    )


Filters = Annotated[Asked, Depends(filters)]
Mark = Annotated[str, Query(max_length=40)]
Place = Annotated[str, Query(max_length=600, pattern=r"^[A-Za-z0-9_-]*$")]


@router.get("/inbox")
def inbox(
    request: Request,
    reader: Reader,
    session: Reading,
    configured: Configured,
    now: Now,
    asked: Filters,
    after: Place = "",
) -> Response:
    """A page of incidents."""
    page = Page(request, "inbox.html", "Inbox")
    return page.answer(
        **_listed(session, asked, now, after),
        **choices(configured),
        views=saved.views(session, reader.id) if reader.may(Permission.KEEP_VIEWS) else [],
        as_table=address(
            "/alerts", **{f"alerts.{AS_TABLE[key]}": value for key, value in _shared(asked).items()}
        ),
    )


@router.get("/inbox/list")
def listed(
    request: Request,
    reader: Reader,
    session: Reading,
    now: Now,
    asked: Filters,
    seen: Mark = "",
) -> Response:
    """The first page's list alone when anything has changed since `seen`; 204 when nothing has."""
    if seen == reading.change(session, now):
        return Response(status_code=204)
    told = _listed(session, asked, now, "", reading.news(session, seen))
    return render(request, "incidents.html", "Inbox", {**told, "way": "/inbox"})


@router.post("/inbox/views")
def keep(
    request: Request,
    current: Keeper,
    session: Writing,
    name: Annotated[str, Form(max_length=200)] = "",
    query: Annotated[str, Form(max_length=4000)] = "",
) -> Response:
    """Keep the filters under a name."""
    known = filters(**{key: value for key, value in parse_qsl(query) if key in _NAMES})
    kept = urlencode(known.params())
    try:
        saved.keep(session, current.id, name, kept)
    except saved.CannotKeep as refused:
        return redirect(request, f"/inbox?{kept}", str(refused), "bad")
    return redirect(request, f"/inbox?{kept}", f"Kept as “{' '.join(name.split())}”.")


@router.post("/inbox/views/{view_id}/remove")
def remove(
    request: Request,
    current: Keeper,
    session: Writing,
    view_id: int,
) -> Response:
    """Remove one of the own views."""
    saved.remove(session, current.id, view_id)
    return redirect(request, "/inbox", "Removed.")


def choices(configured: Configured) -> dict[str, Any]:
    """What the filters can be."""
    return {
        "shown": {name: STATES.get(name, name) for name in SHOWN},  # type: ignore[call-overload]
        "severities": SEVERITIES[::-1],
        "statuses": STATUSES,
        "detectors": sorted(one.name for one in configured.detectors),
        "agencies": sorted(name for name in configured.reference.agencies if name != "*"),
    }


def _listed(session: Session, asked: Asked, now: datetime, after: str, news: int = 0) -> dict[str, Any]:
    mark = reading.change(session, now)
    try:
        found = in_store(session, asked.filter(), now, reading.read(after))
    except NoPlace:
        raise HTTPException(
            422, "This address names no place in the inbox; begin at its first page."
        ) from None
    params = asked.params()
    following = reading.written(found.following)
    return {
        "incidents": found.incidents,
        "asked": asked,
        "query": urlencode(params),
        "live": address("/inbox/list", **params, seen=mark) if not after else None,
        "following": address("/inbox", **params, after=following) if following else None,
        "after": after,
        "news": news,
        "states": STATES,
    }


def _shared(asked: Asked) -> dict[str, str]:
    return {key: value for key, value in asked.params().items() if key in AS_TABLE}


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        return None
    return day if 1 < day.year < 9999 else None


_NAMES = frozenset(Asked.__dataclass_fields__)
