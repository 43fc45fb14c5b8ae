"""The ledger: page through, filter, export, verify."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, get_args

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import select

from console.access.permissions import Permission
from console.access.require import require
from console.access.visits import Current
from console.reading.work import words_of_entry
from console.storage import ledger as chain
from console.storage.engine import Store
from console.storage.tables import Entry
from console.web.given import Reading
from console.web.listings import alert_address
from console.web.page import Page
from console.web.tables import Column, Selected, Table
from models.ledger import Chain, Kind

router = APIRouter(dependencies=[Depends(require(Permission.READ_LEDGER))], include_in_schema=False)

Reader = Annotated[Current, Depends(require(Permission.READ_LEDGER))]
#: Faults that a page names.
MOST_FAULTS = 20
ENTRIES: Table[Entry] = Table(
    name="ledger",
    caption="Entries of the ledger",
    sort="seq",
    descending=True,
    empty="The ledger has no entry yet.",
    columns=(
        Column(
            name="seq",
            title="Number",
            kind="number",
            value=lambda row: row.seq,
            filter="least",
            sql=Entry.seq,
        ),
        Column(name="at", title="When", kind="time", value=lambda row: row.at, filter="days", sql=Entry.at),
        Column(
            name="kind",
            title="Kind",
            value=lambda row: row.kind,
            filter="choice",
            choices=get_args(Kind),
            sql=Entry.kind,
        ),
        Column(name="actor", title="Who", value=lambda row: row.actor, filter="exact", sql=Entry.actor),
        Column(
            name="alert",
            title="Alert",
            value=lambda row: row.alert_id,
            link=lambda row: alert_address(row.alert_id) if row.alert_id else None,
            filter="exact",
            sql=Entry.alert_id,
        ),
        Column(
            name="words",
            title="What happened",
            value=lambda row: words_of_entry(row.kind, row.body),
            wide=True,
            sort=False,
        ),
        Column(
            name="body",
            title="The entry itself",
            value=lambda row: row.body.decode("utf-8", "replace"),
            wide=True,
            sort=False,
        ),
        Column(name="digest", title="Digest", value=lambda row: row.digest, filter="exact", sql=Entry.digest),
    ),
)


@router.get("/ledger")
def ledger(request: Request, reader: Reader, session: Reading) -> Response:
    """The newest entries first."""
    page = Page(request, "ledger.html", "Ledger")
    page.table(_table(reader), Selected(session, select(Entry), Entry.seq))
    return page.answer(head=chain.head(session), verdict=None)


@router.get("/ledger/verify")
def verify(request: Request, reader: Reader, session: Reading) -> Response:
    """Every entry checked against the one before it, as `./probewatch ledger verify` does with a file."""
    checked = Chain()
    for number, entry in enumerate(chain.entries(session), 1):
        checked.take(number, entry)
    checked.end()
    page = Page(request, "ledger.html", "Ledger", way="/ledger")
    page.table(_table(reader), Selected(session, select(Entry), Entry.seq))
    return page.answer(head=chain.head(session), verdict=checked, most=MOST_FAULTS)


@router.get("/ledger/export")
def export(request: Request) -> StreamingResponse:
    """All entries as JSON lines, for `./probewatch ledger verify`."""
    store: Store = request.app.state.store
    return StreamingResponse(
        _lines(store),
        media_type="application/jsonl",
        headers={"Content-Disposition": 'attachment; filename="ledger.jsonl"'},
    )


def _table(reader: Current) -> Table[Entry]:
    """Links only for those who may follow them: an auditor reads the ledger alone."""
    if reader.may(Permission.READ_ALERTS):
        return ENTRIES
    return replace(ENTRIES, columns=[replace(column, link=None) for column in ENTRIES.columns])


def _lines(store: Store) -> Iterator[bytes]:
    """Read in a session of its own, which lasts as long as the answer."""
    with store.reading() as session:
        yield from chain.export(session)
