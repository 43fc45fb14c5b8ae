"""The files of a report, and the reports that they are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from console.report.counting import Period, agencies
from console.report.figures import Report, make_report
from console.settings import ConsoleSettings
from models.reference import Reference

if TYPE_CHECKING:
    from streams.configuration import Configuration


def one_report(
    session: Session,
    configuration: Configuration | None,
    settings: ConsoleSettings,
    agency: str,
    first: date,
    last: date,
) -> Report:
    """The figures of one agency.

    Raises:
        ValueError: the period ends before it begins.
    """
    reference = Reference() if configuration is None else configuration.reference
    return make_report(
        session,
        reference,
        () if configuration is None else (stanza.name for stanza in configuration.detectors),
        agency,
        Period(first, last, reference.agency(agency).timezone),
        least=settings.report_least,
        protection=settings.report_protection,
    )


def files(
    session: Session,
    configuration: Configuration,
    settings: ConsoleSettings,
    first: date,
    last: date,
    agency: str | None = None,
) -> dict[str, bytes]:
    """Name and content of each file; of all agencies of the store, or one.

    Raises:
        ValueError: the period ends before it begins, or the store has nothing of the agency.
    """
    known = agencies(session)
    if not known:
        raise ValueError("the console's store has no search and no alert of any agency yet")
    if agency is not None and agency not in known:
        raise ValueError(f"the console's store has nothing of {agency}; it has {', '.join(known)}")
    reports = [
        one_report(session, configuration, settings, name, first, last)
        for name in (known if agency is None else [agency])
    ]
    return {f"report.{kind}": make(reports) for kind, make in WRITERS.items()}


def _html(reports: Sequence[Report]) -> bytes:
    from console.report.static import html

    return html(reports).encode()


def _pdf(reports: Sequence[Report]) -> bytes:
    from console.report.pdf import pdf  # fpdf takes a while to load

    return pdf(reports)


def _csv(reports: Sequence[Report]) -> bytes:
    from console.report.tables import tidy

    return tidy(reports).encode()


#: What makes each kind of file.
WRITERS: dict[str, Callable[[Sequence[Report]], bytes]] = {"html": _html, "pdf": _pdf, "csv": _csv}
