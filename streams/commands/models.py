"""`./probewatch models`: what was trained, what serves, and how one becomes the other."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from streams.exits import FAILURE, Stop

if TYPE_CHECKING:
    from analysis.registry.changes import Change, Models
    from analysis.registry.registry import Registry
    from analysis.training.labelled import Labelled
    from console.storage.engine import Store

T = TypeVar("T")
console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
#: Workers look for changes with every tick: a change holds for days that end after this has passed.
NOTICE = timedelta(minutes=10)

Digest = Annotated[
    str,
    typer.Argument(metavar="MODEL", help="Its digest, how that begins, or the state of the only one in it."),
]
By = Annotated[str, typer.Option("--as", help="Your account; it stands in the ledger.")]
Folder = Annotated[Path | None, typer.Option("--models", help="Folder of the models.")]
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
Json = Annotated[bool, typer.Option("--json", help="End with one JSON object.")]
Files = Annotated[
    list[Path], typer.Option("--input", exists=True, dir_okay=False, help="File of events; repeatable.")
]
Config = Annotated[Path | None, typer.Option(help="Folder of the configuration.")]


@dataclass
class _Shelf:
    """The registry of a folder, and the models as they stand."""

    registry: Registry
    models: Models

    @property
    def folder(self) -> Path:
        return self.registry.folder

    def digest(self, given: str) -> str:
        from analysis.registry.writing import full_digest

        found = [one.digest for one in self.models.by_digest.values() if one.state == given]
        return found[0] if len(found) == 1 else full_digest(found or list(self.models.by_digest), given)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        help="Trained models: states, comparison, promotion by two people.", no_args_is_help=True
    )
    app.add_typer(group, name="models")
    for name, command in (
        ("list", list_), ("show", show), ("compare", compare), ("promote", promote), ("approve", approve),
        ("retire", retire), ("rollback", rollback), ("check", check),
    ):  # fmt: skip
        group.command(name)(command)


def list_(models: Folder = None, as_json: Json = False) -> None:
    """All models and their states."""
    shelf = _opened(models)
    table = Table("model", "stanza", "state", "trained by", "asked for by")
    for one in shelf.models.by_digest.values():
        table.add_row(one.digest[:12], one.stanza, one.state, one.by, one.asked_by or "")
    Console().print(table if shelf.models.by_digest else f"no model in {shelf.folder} yet: `train` makes one")
    if as_json:
        print(msgspec.json.encode({"models": list(shelf.models.by_digest.values())}).decode())


def show(model: Digest, models: Folder = None) -> None:
    """The manifest of a model, and the ledger's entries about it, as JSON."""
    from streams.artefacts import read_manifest

    shelf = _opened(models)

    def work() -> dict[str, Any]:
        digest = shelf.digest(model)
        manifest = msgspec.to_builtins(read_manifest(shelf.folder, digest))
        for long in ("calibration", "edges", "shares", "sample", "sample_scores"):
            manifest[long] = f"{len(manifest[long])} numbers or rows"
        entries = [
            msgspec.to_builtins(one) for one in shelf.registry.entries() if _is_about(one.body, digest)
        ]
        state = msgspec.to_builtins(shelf.models.by_digest[digest])
        return {**state, "manifest": manifest, "entries": entries}

    print(json.dumps(_said(work), indent=2))


def compare(
    model: Digest,
    files: Files,
    labels: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="labels.jsonl of the same searches.")
    ] = None,
    alerts: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Alerts that were decided on.")
    ] = None,
    decisions: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="What staff decided, one object a line.")
    ] = None,
    config: Config = None,
    models: Folder = None,
    as_json: Json = False,
) -> None:
    """Let a model and the champion judge Sundays that neither has seen, and keep what comes of it.

    With labels, of a simulation or from dispositions (--alerts with --decisions), also: how many findings
    are right, and how many incidents are told.
    """
    if bool(alerts) != bool(decisions):
        raise typer.BadParameter("--alerts and --decisions belong together", param_hint="--decisions")
    from analysis.labels import gathered
    from analysis.loading import desk
    from analysis.registry.writing import write_comparison
    from analysis.training import comparing
    from analysis.training.features import data_digest, features
    from analysis.training.labelled import Truth
    from streams.artefacts import read_artefact

    shelf = _opened(models)
    # Of a simulation every incident is known; what staff have closed is part of what there is.
    given = bool(labels or decisions)

    def work() -> tuple[str, comparing.Comparison]:
        digest = shelf.digest(model)
        stanza = shelf.models.by_digest[digest].stanza
        found = desk(config, models, stanza)
        truth = Truth(gathered(labels, alerts, decisions), complete=labels is not None) if given else None
        champion = shelf.models.champion(stanza)
        if champion == digest:
            raise Stop(f"{digest[:12]} is the champion itself")
        frame, _ = features(files, found.reference, found.stanza.minimum_searches)
        made = comparing.compare(
            frame,
            stanza,
            (digest, read_artefact(shelf.folder, digest)),
            (champion, read_artefact(shelf.folder, champion)) if champion else None,
            alpha=found.stanza.alpha,
            data_sha256=data_digest(files),
            truth=truth,
        )
        return write_comparison(shelf.folder, made), made

    digest, made = _said(work)
    by_labels = ("right", "precision", "told", "recall") if given else ()
    table = Table("", "model", "alerts", "a week", "p <= 0.05", "p <= 0.01", "stability", *by_labels)
    for role, side in (("candidate", made.candidate), ("champion", made.champion)):
        if side is not None:
            table.add_row(
                role, f"{side.digest[:12]} {side.algorithm}", f"{side.alerts:,}",
                *(f"{figure:.2f}" for figure in (
                    side.alerts_a_week, side.calibration_ratio, side.tail_ratio, side.largest_stability_index
                )),
                *(_by_labels(side.labelled) if side.labelled else ()),
            )  # fmt: skip
    out = Console()
    out.print(table)
    out.print(f"{made.rows:,} profiles of {made.begins} to {made.until}; {made.both} alerts in common")
    out.print(f"comparison {digest}", soft_wrap=True)
    if as_json:
        print(json.dumps({"comparison": digest, **msgspec.to_builtins(made)}))


def _by_labels(found: Labelled) -> list[str]:
    """Counts and shares, each with its 95% interval."""
    told = []
    for one in (found.precision, found.recall):
        said = "" if one.value is None else f"{one.value:.2f} ({one.low:.2f} to {one.high:.2f})"
        told += [f"{one.hits} of {one.number}", said]
    return told


def promote(
    model: Digest,
    by: By,
    comparison: Annotated[
        str | None,
        typer.Option(help="Digest of the comparison that speaks for it [the last one with the champion]."),
    ] = None,
    reason: Reason = None,
    since: Since = None,
    models: Folder = None,
    database: Database = None,
) -> None:
    """Move a model up: a candidate into shadow; for one in shadow ask that it becomes champion.

    What is in shadow judges live searches; its findings are counted and not told. To become champion it
    needs a comparison with the one that serves, and somebody else: `models approve`.
    """
    from analysis.registry.changes import Change, NotAllowed
    from analysis.registry.writing import last_comparison, read_comparison

    shelf = _opened(models)

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
        return Change(action="asked", stanza=one.stanza, model=digest, comparison=chosen, reason=reason)

    _change(shelf, by, work, database)


def approve(
    model: Digest,
    by: By,
    reason: Reason = None,
    since: Since = None,
    models: Folder = None,
    database: Database = None,
) -> None:
    """Second the promotion that somebody else asked for: the model becomes champion."""
    from analysis.registry.changes import Change, NotAllowed
    from analysis.registry.writing import read_comparison

    shelf = _opened(models)

    def work() -> Change:
        digest = shelf.digest(model)
        one = shelf.models.by_digest[digest]
        if one.comparison is not None:
            _, champion = read_comparison(shelf.folder, one.comparison).sides
            if champion != shelf.models.champion(one.stanza):
                raise NotAllowed("the champion has changed since the comparison; compare and promote again")
        return Change(
            action="approved", stanza=one.stanza, model=digest, comparison=one.comparison,
            since=_moment(since), reason=reason,
        )  # fmt: skip

    _change(shelf, by, work, database)


def retire(
    model: Digest,
    by: By,
    reason: Reason = None,
    since: Since = None,
    models: Folder = None,
    database: Database = None,
) -> None:
    """Take a candidate, or what is in shadow, out of use."""
    from analysis.registry.changes import Change

    shelf = _opened(models)

    def work() -> Change:
        digest = shelf.digest(model)
        stanza = shelf.models.by_digest[digest].stanza
        return Change(action="retired", stanza=stanza, model=digest, since=_moment(since), reason=reason)

    _change(shelf, by, work, database)


def rollback(
    by: By,
    stanza: Stanza = "trained_profile",
    reason: Reason = None,
    since: Since = None,
    models: Folder = None,
    database: Database = None,
) -> None:
    """Put the champion of before back into service, at once and by one person."""
    from analysis.registry.changes import Change, NotAllowed

    shelf = _opened(models)

    def work() -> Change:
        champion = shelf.models.champion(stanza)
        if champion is None:
            raise NotAllowed(f"nothing serves under {stanza}")
        return Change(
            action="rolled_back", stanza=stanza, model=champion, since=_moment(since), reason=reason
        )

    _change(shelf, by, work, database)


def check(
    files: Annotated[
        list[Path] | None,
        typer.Option("--input", exists=True, dir_okay=False, help="Recent events, to look for drift."),
    ] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Write serving.json anew.")] = False,
    config: Config = None,
    models: Folder = None,
    as_json: Json = False,
) -> None:
    """Are the registry's chain, the pointer file and all models that may serve whole? Exit 1 if not.

    With --input also: do the features of the champions still fall where they fell in training, and are
    their p-values calibrated?
    """
    from analysis.registry.checking import faults

    shelf = _opened(models)
    if repair:
        _said(shelf.registry.repair)
    problems = faults(shelf.folder, shelf.models)
    if files and not any(map(shelf.models.champion, shelf.models.champions)):
        console.print("nothing serves, so there is nothing to look for drift of", style="yellow")
    for stanza in shelf.models.champions if files and not problems else ():
        problems += _drift(shelf, stanza, files or [], config, models)
    for problem in problems:
        console.print(problem, style="red")
    if not problems:
        console.print(f"{len(shelf.models.by_digest)} models: registry, pointer and artefacts are whole")
    if as_json:
        print(json.dumps({"ok": not problems, "models": len(shelf.models.by_digest), "problems": problems}))
    if problems:
        raise typer.Exit(FAILURE)


def _drift(
    shelf: _Shelf, stanza: str, files: list[Path], config: Path | None, models: Path | None
) -> list[str]:
    """Sentences about a champion that fits the events no longer."""
    from analysis.loading import desk
    from analysis.registry.checking import fit_of
    from analysis.training.features import features

    champion = shelf.models.champion(stanza)
    if champion is None:
        return []
    found = _said(lambda: desk(config, models, stanza))
    frame, _ = features(files, found.reference, found.stanza.minimum_searches)
    if not len(frame):
        return [f"no profiles in the input to hold {champion[:12]} against"]
    side, problems = fit_of(shelf.folder, champion, frame, found.stanza.alpha)
    console.print(
        f"{stanza}, {champion[:12]} on {len(frame):,} profiles: largest stability index "
        f"{side.largest_stability_index:.2f}; small p-values: {side.calibration_ratio:.2f} of what is due"
    )
    return problems


def _opened(models: Path | None) -> _Shelf:
    from analysis.registry.registry import Registry
    from streams.settings import load_settings

    def work() -> _Shelf:
        registry = Registry(load_settings(models_dir=models).models_dir)
        return _Shelf(registry, registry.models())

    return _said(work)


def _change(shelf: _Shelf, by: str, work: Callable[[], Change], database: str | None) -> None:
    store = None if database is None else _said(lambda: _vouching(database, by))
    entry, models = _said(lambda: shelf.registry.change(by, work()))
    if store is not None:
        _said(lambda: _told(store, shelf.folder))
    change: dict[str, Any] = entry.body  # type: ignore[assignment]
    one = models.by_digest[change["model"]]
    serves = models.champion(one.stanza)
    waits = f"; asked for by {one.asked_by}, somebody else must approve" if one.asked_by else ""
    console.print(f"entry {entry.seq}: {one.digest[:12]} is {one.state}{waits}")
    console.print(f"{one.stanza}: {serves[:12] if serves else 'nothing'} serves")


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


def _is_about(body: Any, digest: str) -> bool:
    return isinstance(body, dict) and body.get("model") == digest


def _said(work: Callable[[], T]) -> T:
    """What the work gives; what its user can cure ends the command with a sentence."""
    from analysis.registry.changes import NotAllowed
    from analysis.registry.registry import Damaged
    from analysis.registry.writing import Unknown
    from analysis.training.comparing import NothingHeldOut
    from models.serving import ArtefactRefused
    from streams.configuration import ConfigurationError

    try:
        return work()
    except (
        Stop, ConfigurationError, NotAllowed, Damaged, Unknown, NothingHeldOut, ArtefactRefused, OSError,
    ) as error:  # fmt: skip
        console.print(str(error), style="red")
        raise typer.Exit(FAILURE) from None
