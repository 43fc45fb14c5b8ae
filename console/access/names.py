"""Who a pseudonym is: told for a reason, written down first, and watched.

A pseudonym cannot be turned back. But whoever holds the key and the roster can make the pseudonym of
everybody on it, and so finds the person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from console.access.tables import AccountRow, LookUpRow
from console.access.visits import Current
from console.storage.ledger import append
from models.look_ups import Unusual, unusual
from models.pseudonym import Pseudonyms
from models.roster import Posting

#: Weeks that the watch over look-ups sees, the running seven days among them.
WEEKS = 12
_WEEK = timedelta(days=7)
#: Letters of a reason.
LEAST_REASON, MOST_REASON = 10, 1000


class Unknown(Exception):
    """Names cannot be looked up here; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody on the roster: the identity in the agency's own records, and the postings, oldest first."""

    requester_id: str
    postings: tuple[Posting, ...]


class Names:
    """The people of a roster by their pseudonyms."""

    def __init__(self, people: Mapping[str, Person], missing: str | None = None) -> None:
        self._people = people
        self._missing = missing

    @staticmethod
    def of(postings: Iterable[Posting], key: bytes) -> Names:
        """Pseudonyms of everybody on a roster, under the key that ingest uses (16 bytes or more, or none)."""
        if not key:
            return Names(
                {}, "The console has no PROBEWATCH_PSEUDONYM_KEY: it must be the key that workers have."
            )
        pseudonym = Pseudonyms(key)
        own: dict[str, list[Posting]] = {}
        for posting in sorted(postings, key=lambda one: one.valid_from):
            own.setdefault(posting.requester_id, []).append(posting)
        if not own:
            return Names(
                {}, "The roster names nobody: config/roster.csv must have the agency's own identities."
            )
        return Names({pseudonym(name): Person(name, tuple(held)) for name, held in own.items()})

    def check(self) -> None:
        """Whether names can be looked up at all.

        Raises:
            Unknown: they cannot.
        """
        if self._missing is not None:
            raise Unknown(self._missing)

    def person(self, pseudonym: str) -> Person | None:
        """Who a pseudonym is; None for somebody who is not on the roster."""
        return self._people.get(pseudonym)


def look_up(
    session: Session,
    names: Names,
    current: Current,
    pseudonym: str,
    reason: str,
    now: datetime,
    alert_id: str | None = None,
) -> Person | None:
    """Who a pseudonym is. The ledger gets an entry; show nothing before the session is committed.

    Raises:
        Unknown: names cannot be looked up here.
        ValueError: the reason says too little or too much; a sentence for people.
    """
    names.check()
    reason = " ".join(reason.split())
    if not LEAST_REASON <= len(reason) <= MOST_REASON:
        raise ValueError(f"Say why in {LEAST_REASON} to {MOST_REASON} letters: others will read it.")
    person = names.person(pseudonym)
    found = person is not None
    session.add(
        LookUpRow(
            at=now, account_id=current.id, pseudonym=pseudonym, reason=reason, alert_id=alert_id, found=found
        )
    )
    body = {"pseudonym": pseudonym, "reason": reason, "alert_id": alert_id, "found": found}
    append(session, "lookup", current.name, body, now)
    return person


@dataclass(frozen=True, slots=True)
class Habit:
    """How much an account looked up in the last seven days and in all weeks that are watched."""

    account: str
    week: int
    weeks: int
    unusual: Unusual | None


def habits(session: Session, now: datetime) -> list[Habit]:
    """Every account that looked something up in the weeks that are watched, the unusual first."""
    asked = (
        select(AccountRow.name, LookUpRow.at)
        .join(LookUpRow.account)
        .where(LookUpRow.at > now - WEEKS * _WEEK)
    )
    counts: dict[str, Counter[int]] = {}
    for name, at in session.execute(asked):
        counts.setdefault(name, Counter())[(now - at) // _WEEK] += 1
    weeks = {name: [own[back] for back in reversed(range(WEEKS))] for name, own in counts.items()}
    told = {one.account: one for one in unusual(weeks)}
    found = [Habit(name, own[-1], sum(own), told.get(name)) for name, own in weeks.items()]
    return sorted(found, key=lambda one: (one.unusual is None, -one.week, -one.weeks, one.account))
