"""*Figures*: what the public report of a period would say, and its files."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated, Literal, NamedTuple

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from sqlalchemy.orm import Session

from console.access.permissions import Permission
from console.access.require import require
from console.report import counting
from console.report.counting import agencies
from console.report.figures import Report
from console.report.files import WRITERS, one_report
from console.report.tables import picture_of, table_of
from console.web.formats import address
from console.web.given import Now, Reading
from console.web.page import Page
from models.days import LocalDays
from models.reference import Reference

router = APIRouter(include_in_schema=False)
MEDIA = {"html": "text/html; charset=utf-8", "pdf": "application/pdf", "csv": "text/csv; charset=utf-8"}
Agency = Annotated[str | None, Query(max_length=128)]
First = Annotated[str, Query(alias="from", max_length=32)]
Last = Annotated[str, Query(alias="to", max_length=32)]


class Elsewhere(NamedTuple):
    """The period from which searches are here, in words, and the figures of its last month."""

    period: str
    address: str


@router.get("/figures", dependencies=[Depends(require(Permission.READ_FIGURES))])
def figures(
    request: Request, session: Reading, now: Now, agency: Agency = None, first: First = "", last: Last = ""
) -> Response:
    """The figures of an agency in a period; the last whole month unless the address says another."""
    page = Page(request, "figures.html", "Figures")
    known = agencies(session)
    chosen = agency if agency in known else known[0] if known else None
    begin, end = _last_month(now, _zone(request, chosen))
    report, problem, elsewhere = None, None, None
    if chosen is not None:
        try:
            begin, end = _day(first, begin), _day(last, end)
            report = _report(request, session, chosen, begin, end)
            elsewhere = _elsewhere(session, chosen, begin, end, _zone(request, chosen))
        except ValueError as error:
            problem = _sentence(error)
    for figure in report.figures if report is not None else ():
        if figure.columns is None:
            page.picture(picture_of(figure))
        else:
            page.table(table_of(figure), list(figure.body))
    period = {"agency": chosen, "from": begin.isoformat(), "to": end.isoformat()}
    return page.answer(
        agencies=known,
        chosen=chosen,
        first=begin.isoformat(),
        last=end.isoformat(),
        report=report,
        problem=problem,
        elsewhere=elsewhere,
        files={kind: address(f"/figures/report.{kind}", **period) for kind in WRITERS},
    )


@router.get("/figures/report.{kind}", dependencies=[Depends(require(Permission.MAKE_REPORT))])
def file(
    request: Request,
    session: Reading,
    kind: Literal["html", "pdf", "csv"],
    agency: Annotated[str, Query(max_length=128)],
    first: Annotated[date, Query(alias="from")],
    last: Annotated[date, Query(alias="to")],
) -> Response:
    """The public report of one agency as a file."""
    if agency not in agencies(session):
        raise HTTPException(404, "There is nothing of this agency.")
    try:
        report = _report(request, session, agency, first, last)
    except ValueError as error:
        raise HTTPException(422, _sentence(error)) from None
    named = f'attachment; filename="public-figures-{first}-{last}.{kind}"'
    return Response(WRITERS[kind]([report]), media_type=MEDIA[kind], headers={"Content-Disposition": named})


def _report(request: Request, session: Reading, agency: str, first: date, last: date) -> Report:
    state = request.app.state
    return one_report(session, state.configuration, state.settings, agency, first, last)


def _elsewhere(session: Session, agency: str, first: date, last: date, zone: str) -> Elsewhere | None:
    """Where an agency's searches are, when none of them is in a period."""
    found = counting.known(session, agency, zone)
    if found is None or (found.first <= last and first <= found.last):
        return None
    month = {"agency": agency, "from": found.last.replace(day=1).isoformat(), "to": found.last.isoformat()}
    return Elsewhere(str(found), address("/figures", **month))


def _zone(request: Request, agency: str | None) -> str:
    configuration = request.app.state.configuration
    reference = Reference() if configuration is None else configuration.reference
    zone: str = reference.agency(agency or "*").timezone
    return zone


def _last_month(now: datetime, zone: str) -> tuple[date, date]:
    """First and last day of the month before the one that it is now."""
    today = date.fromordinal(LocalDays.of(zone).at(now.timestamp()).day)
    last = today.replace(day=1) - timedelta(days=1)
    return last.replace(day=1), last


def _sentence(error: ValueError) -> str:
    words = str(error)
    return f"{words[:1].upper()}{words[1:]}."


def _day(text: str, otherwise: date) -> date:
    """A day of the address.

    Raises:
        ValueError: it is none.
    """
    if not text.strip():
        return otherwise
    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{text} is no day such as 2026-01-31") from None
    if not 1970 <= day.year <= 2100:
        raise ValueError(f"{text} lies outside the years 1970 to 2100")
    return day
