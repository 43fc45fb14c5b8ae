"""The clauses in force on a day, and what changed between two days."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.policy import Clause, Pack, Register


@dataclass(frozen=True)
class InForce:
    """A clause with the pack that it stands in."""

    pack: Pack
    clause: Clause


@dataclass(frozen=True)
class Change:
    """A clause that began or ended on a day after the first and up to the second of two days."""

    pack: Pack
    clause: Clause
    what: Literal["began", "ended"]
    day: int


def every(register: Register, pack: str | None = None) -> list[InForce]:
    """All clauses, or those of one pack; an unknown pack has none."""
    packs = register.packs.values() if pack is None else filter(None, [register.packs.get(pack)])
    return [InForce(one, clause) for one in packs for clause in one.clauses]


def in_force(register: Register, day: int, pack: str | None = None) -> list[InForce]:
    """Those in force on a local day (`date.toordinal()`)."""
    return [one for one in every(register, pack) if one.clause.in_force(day)]


def changes(register: Register, first: int, last: int, pack: str | None = None) -> list[Change]:
    """What began or ended after `first`, up to and including `last`, in order of days."""
    found = []
    for one in every(register, pack):
        begins, ends = one.clause.valid_from, one.clause.valid_to
        if first < begins <= last:
            found.append(Change(one.pack, one.clause, "began", begins))
        if ends is not None and first < ends <= last:
            found.append(Change(one.pack, one.clause, "ended", ends))
    return sorted(found, key=lambda change: (change.day, change.clause.id, change.what))


def find(register: Register, clause_id: str | None) -> InForce | None:
    """A clause by its id; None when the register does not have it."""
    return next((one for one in every(register) if one.clause.id == clause_id), None)
