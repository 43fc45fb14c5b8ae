"""Models and their states: candidate, shadow, champion, retired. Pure rules over a list of changes.

A model begins as candidate. One person may put it into shadow, where it runs on live searches and nobody
is told. To make it champion takes a comparison with the champion on held-out time, somebody who asks and
somebody else who approves; the champion before it is retired. To roll back takes one person: what served
before serves again. A champion is only ever replaced, or rolled back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf
from typing import Literal, get_args
from unicodedata import normalize

import msgspec
from msgspec import Struct

from models.serving import Statement, known

State = Literal["candidate", "shadow", "champion", "retired"]
STATES: tuple[State, ...] = get_args(State)
Action = Literal["trained", "shadowed", "asked", "approved", "retired", "rolled_back"]

#: What can be done with a model that is in another state than a change needs.
_CURES: dict[State, str] = {
    "candidate": "`models promote` puts it into shadow first",
    "shadow": "`models promote` and `models approve` make it champion",
    "champion": "it serves already",
    "retired": "that is for good; `train` another, or if it served before the champion, `models rollback`",
}


class NotAllowed(ValueError):
    """The change breaks a rule; the text says which and what would do."""


def signed(name: str) -> str:
    """The name under which somebody stands in the ledger: without blanks round it.

    Raises:
        NotAllowed: it is empty, or has signs that nobody would see.
    """
    found = name.strip()
    if not found or not found.isprintable():
        why = "has signs that cannot be printed" if found else "is empty"
        raise NotAllowed(f"the name {name!r} {why}; give --as the name of your account, such as ana")
    return found


def same_person(one: str, other: str) -> bool:
    """Whether two names are of one person: capitals, blanks and forms of a letter tell nobody apart."""
    return _plain(one) == _plain(other)


def _plain(name: str) -> str:
    return " ".join(normalize("NFKC", normalize("NFKC", name).casefold()).split())


class Change(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One change, the body of an entry of the ledger. Its number and who made it stand in the entry."""

    action: Action
    stanza: str
    """In `config/detectors.yaml`."""
    model: str
    """Digest of the artefact; for a roll back the champion that goes."""
    comparison: str | None = None
    """Digest of the comparison that speaks for it."""
    since: float | None = None
    """Event time from which it holds, epoch seconds, where it changes what serves."""
    reason: str | None = None
    """In the words of whoever made it."""


class Model(Struct):
    """A model as it stands."""

    digest: str
    stanza: str
    state: State
    by: str
    """Who trained it."""
    asked_by: str | None = None
    """Who asked for its promotion, as long as nobody has approved."""
    comparison: str | None = None


@dataclass
class Models:
    """All models, after some changes."""

    by_digest: dict[str, Model] = field(default_factory=dict)
    champions: dict[str, list[str]] = field(default_factory=dict)
    """By stanza the champions so far that were not rolled back, the one that serves last."""
    statements: tuple[Statement, ...] = ()
    """What served and serves, for the workers."""

    def champion(self, stanza: str) -> str | None:
        """What serves under a stanza."""
        found = self.champions.get(stanza)
        return found[-1] if found else None

    def shadow(self, stanza: str) -> str | None:
        """What runs in shadow under a stanza."""
        return next(
            (one.digest for one in self.by_digest.values() if (one.stanza, one.state) == (stanza, "shadow")),
            None,
        )

    def take(self, number: int, by: str, change: Change) -> None:
        """Apply a change. Raises NotAllowed; then these models are to be thrown away."""
        if change.action == "trained":
            if change.model in self.by_digest:
                raise NotAllowed(f"{change.model[:12]} is in the registry already")
            self.by_digest[change.model] = Model(change.model, change.stanza, "candidate", by)
            return
        model = self.by_digest.get(change.model)
        if model is None or model.stanza != change.stanza:
            raise NotAllowed(f"{change.model[:12]} is no model of {change.stanza}; see `models list`")
        before = (self.champion(change.stanza), self.shadow(change.stanza))
        getattr(self, f"_{change.action}")(model, by, change)
        after = (self.champion(change.stanza), self.shadow(change.stanza))
        if after != before:
            if change.since is None:
                raise NotAllowed(f"{change.action} changes what serves, and does not say since when")
            last = max((one.since for one in self.statements if one.stanza == change.stanza), default=-inf)
            if change.since < last:
                moment = f"{datetime.fromtimestamp(last, UTC):%Y-%m-%dT%H:%M:%SZ}"
                raise NotAllowed(f"the change before holds from {moment} on, and this one not before that")
            self.statements = known(
                [*self.statements, Statement(number, change.since, change.stanza, *after)]
            )

    def _shadowed(self, model: Model, by: str, change: Change) -> None:
        _demand(model, "candidate")
        other = self.shadow(model.stanza)
        if other is not None:
            raise NotAllowed(f"{other[:12]} is in shadow under {model.stanza}; promote or retire it first")
        model.state = "shadow"

    def _asked(self, model: Model, by: str, change: Change) -> None:
        _demand(model, "shadow")
        if change.comparison is None:
            raise NotAllowed("a promotion needs a comparison with the champion: `models compare`")
        model.asked_by, model.comparison = by, change.comparison

    def _approved(self, model: Model, by: str, change: Change) -> None:
        _demand(model, "shadow")
        if model.asked_by is None:
            raise NotAllowed(f"nobody has asked for {model.digest[:12]}: `models promote` comes first")
        if same_person(model.asked_by, by):
            raise NotAllowed(
                f"{model.asked_by} has asked for it; nobody is their own second, however the name is spelt: "
                "somebody else must approve"
            )
        if change.comparison != model.comparison:
            raise NotAllowed("the comparison is another than the one that was asked with")
        before = self.champion(model.stanza)
        if before is not None:
            self.by_digest[before].state = "retired"
        model.state, model.asked_by = "champion", None
        self.champions.setdefault(model.stanza, []).append(model.digest)

    def _retired(self, model: Model, by: str, change: Change) -> None:
        if model.state == "champion":
            raise NotAllowed(f"{model.digest[:12]} serves: promote another, or roll back")
        if model.state == "retired":
            raise NotAllowed(f"{model.digest[:12]} is retired already")
        model.state, model.asked_by = "retired", None

    def _rolled_back(self, model: Model, by: str, change: Change) -> None:
        _demand(model, "champion")
        own = self.champions[model.stanza]
        own.pop()
        model.state = "retired"
        if own:
            self.by_digest[own[-1]].state = "champion"


def folded(changes: Iterable[tuple[int, str, Change]]) -> Models:
    """The models after some changes, each with its number and who made it. Raises NotAllowed."""
    models = Models()
    for number, by, change in changes:
        models.take(number, by, change)
    return models


def body(change: Change) -> dict[str, object]:
    """A change as JSON has it."""
    found: dict[str, object] = msgspec.json.decode(msgspec.json.encode(change))
    return found


def _demand(model: Model, state: State) -> None:
    if model.state != state:
        raise NotAllowed(f"{model.digest[:12]} is {model.state}, not {state}: {_CURES[model.state]}")
