"""How a model moves: into shadow, into service by two people, out of it, and back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.commands.models.shelf import Digest, Shelf, console, opened, said
from streams.exits import Stop
from streams.options import Account, ModelsFolder

if TYPE_CHECKING:
    from analysis.registry.changes import Change
    from console.storage.engine import Store

#: Workers look for changes with every tick: a change holds for days that end after this has passed.
NOTICE = timedelta(minutes=10)

Stanza = Annotated[str, typer.Option(help="The stanza of config/detectors.yaml.")]
Reason = Annotated[str | None, typer.Option(help="Why, in your words; it stands in the ledger.")]
Database = Annotated[
    str | None,
    typer.Option(
        "--console",
        envvar="PROBEWATCH_CONSOLE_DATABASE",
        help="The console's database, as a URL: it must know your account, and has the change at once.",
    ),
]
Since = Annotated[
    datetime | None,
    typer.Option("--from", help="For days that end after this time (UTC); in ten minutes if not given."),
]


def promote(
    model: Digest,
    by: Account,
    comparison: Annotated[
        str | None,
        typer.Option(help="Digest of the comparison that speaks for it \\[the last one with the champion]."),
    ] = None,
    reason: Reason = None,
    since: Since = None,
    models: ModelsFolder = None,
    database: Database = None,
) -> None:
    """Move a model up: a candidate into shadow; for one in shadow ask that it becomes champion.

    What is in shadow judges live searches; its findings are counted and not told. To become champion it
    needs a comparison with the one that serves, and somebody else: `models approve`.
    """
    from analysis.registry.changes import Change, NotAllowed
    from analysis.registry.writing import last_comparison, read_comparison

    shelf = opened(models)

    def work() -> Change:
        digest = shelf.digest(model)
        one = shelf.models.by_digest[digest]
        champion = shelf.models.champion(one.stanza)
        if one.state == "candidate":
            return Change(
                action="shadowed", stanza=one.stanza, model=digest, since=_moment(since), reason=reason
            )
        chosen = comparison or last_comparison(shelf.folder, digest, champion)
        if chosen is not None and read_comparison(shelf.folder, chosen).sides != (digest, champion):
            raise NotAllowed("the comparison is of other models than this one and the champion")
        _warn(shelf, chosen)
        return Change(action="asked", stanza=one.stanza, model=digest, comparison=chosen, reason=reason)

    _change(shelf, by, work, database)


def approve(
    model: Digest,
    by: Account,
    reason: Reason = None,
    since: Since = None,
    models: ModelsFolder = None,
    database: Database = None,
) -> None:
    """Second the promotion that somebody else asked for: the model becomes champion."""
    from analysis.registry.changes import Change, NotAllowed
    from analysis.registry.writing import read_comparison

    shelf = opened(models)

    def work() -> Change:
        digest = shelf.digest(model)
        one = shelf.models.by_digest[digest]
        if one.comparison is not None:
            _, champion = read_comparison(shelf.folder, one.comparison).sides
            if champion != shelf.models.champion(one.stanza):
                raise NotAllowed("the champion has changed since the comparison; compare and promote again")
            _warn(shelf, one.comparison)
        return Change(
            action="approved", stanza=one.stanza, model=digest, comparison=one.comparison,
            since=_moment(since), reason=reason,
        )  # fmt: skip

    _change(shelf, by, work, database)


def retire(
    model: Digest,
    by: Account,
    reason: Reason = None,
    since: Since = None,
    models: ModelsFolder = None,
    database: Database = None,
) -> None:
    """Take a candidate, or what is in shadow, out of use."""
    from analysis.registry.changes import Change

    shelf = opened(models)

    def work() -> Change:
        digest = shelf.digest(model)
        stanza = shelf.models.by_digest[digest].stanza
        return Change(action="retired", stanza=stanza, model=digest, since=_moment(since), reason=reason)

    _change(shelf, by, work, database)


def rollback(
    by: Account,
    stanza: Stanza = "trained_profile",
    reason: Reason = None,
    since: Since = None,
    models: ModelsFolder = None,
    database: Database = None,
) -> None:
    """Put the champion of before back into service, at once and by one person."""
    from analysis.registry.changes import Change, NotAllowed

    shelf = opened(models)

    def work() -> Change:
        champion = shelf.models.champion(stanza)
        if champion is None:
            raise NotAllowed(f"nothing serves under {stanza}")
        return Change(
            action="rolled_back", stanza=stanza, model=champion, since=_moment(since), reason=reason
        )

    _change(shelf, by, work, database)


def _change(shelf: Shelf, by: str, work: Callable[[], Change], database: str | None) -> None:
    store = None if database is None else said(lambda: _vouching(database, by))
    entry, models = said(lambda: shelf.registry.change(by, work()))
    if store is not None:
        said(lambda: _told(store, shelf.folder))
    change: dict[str, Any] = entry.body  # type: ignore[assignment]
    one = models.by_digest[change["model"]]
    serves = models.champion(one.stanza)
    waits = f"; asked for by {one.asked_by}, somebody else must approve" if one.asked_by else ""
    console.print(f"entry {entry.seq}: {one.digest[:12]} is {one.state}{waits}")
    console.print(f"{one.stanza}: {serves[:12] if serves else 'nothing'} serves")


def _warn(shelf: Shelf, comparison: str | None) -> None:
    """Say what the comparison says against the candidate; to promote it all the same is for people."""
    from analysis.registry.checking import doubts
    from analysis.registry.writing import read_comparison

    for doubt in doubts(read_comparison(shelf.folder, comparison).candidate) if comparison else ():
        console.print(f"warning: by the comparison, {doubt}", style="yellow")


def _vouching(database: str, by: str) -> Store:
    """The console's store, which knows the account `by`. Raises Stop when it does not, or not for this."""
    from console.access import accounts
    from console.access.permissions import Permission, Role, allows
    from console.storage.engine import open_store

    store = open_store(database, new=False)
    with store.reading() as session:
        account = accounts.named(session, by)
    if account is None or account.name != by or account.disabled_at is not None:
        raise Stop(f"the console has no account {by} that is in use")
    if not allows(map(Role, account.roles), Permission.CHANGE_MODELS):
        raise Stop(f"the roles of {by} do not allow to {Permission.CHANGE_MODELS}")
    return store


def _told(store: Store, folder: Path) -> None:
    """Let the ledger have the change. Raises Stop; the change stands all the same."""
    from sqlalchemy.exc import SQLAlchemyError

    from console.intake.registry import NotTheRegistry, take_folder

    try:
        take_folder(store, folder, datetime.now(UTC))
    except (NotTheRegistry, SQLAlchemyError) as error:
        raise Stop(f"the change is made, but the console's ledger does not have it: {error}") from None
    finally:
        store.close()


def _moment(given: datetime | None) -> float:
    return (given.replace(tzinfo=UTC) if given else datetime.now(UTC) + NOTICE).timestamp()
