"""Silences in Alertmanager for what staff have closed or snoozed, with author, reason and an expiry.

What should be silent is read from the store, what is silent from a table beside it, and the difference
is asked of Alertmanager again and again. So nothing is lost while it is down, an undo or an alert that
grows ends its silence, and a silence that somebody deleted comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import httpx
from sqlalchemy import or_, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from console.background import Background
from console.storage import ledger
from console.storage.engine import Store
from console.storage.tables import AlertRow, DecisionRow, SilenceRow
from streams.exits import log

#: Seconds between two looks at the store, between two looks at what Alertmanager holds, and the longest
#: pause after a failure.
EVERY, CHECK_EVERY, LONGEST = 1.0, 300.0, 30.0
TIMEOUT = 10.0


def wanted(session: Session, now: datetime, keep: timedelta) -> dict[str, tuple[datetime, str, str]]:
    """The silences that should be, by alert: until when, in whose name, and why.

    A closed alert is silent for `keep` from its closing: the workers post it for as long as its episode
    goes on.
    """
    rows = session.execute(
        select(
            AlertRow.alert_id, AlertRow.work_state, AlertRow.snoozed_until, AlertRow.closed_at,
            AlertRow.disposition, AlertRow.disposed_by, AlertRow.confirmed_by, AlertRow.reason,
        ).where(
            or_(
                (AlertRow.work_state == "closed") & (AlertRow.closed_at > now - keep),
                (AlertRow.work_state == "snoozed") & (AlertRow.snoozed_until > now),
            )
        )
    ).all()  # fmt: skip
    found: dict[str, tuple[datetime, str, str]] = {}
    for row in rows:
        if row.work_state == "closed":
            second = f", confirmed by {row.confirmed_by}" if row.confirmed_by else ""
            said = f"{row.disposition.replace('_', ' ')}{second}: {row.reason}"
            found[row.alert_id] = (row.closed_at + keep, row.disposed_by, said)
        else:
            who, why = _snooze(session, row.alert_id)
            found[row.alert_id] = (row.snoozed_until, who, f"snoozed: {why}")
    return found


def _snooze(session: Session, alert_id: str) -> tuple[str, str]:
    last = session.execute(
        select(DecisionRow.actor, DecisionRow.text)
        .where(DecisionRow.alert_id == alert_id, DecisionRow.action == "snooze")
        .order_by(DecisionRow.seq.desc())
        .limit(1)
    ).one()
    return last.actor, last.text or ""


class Silencer(Background):
    """Keeps Alertmanager's silences as the store says, in a thread of its own, from `start` to `stop`."""

    def __init__(self, store: Store, url: str, now: Callable[[], datetime], keep: timedelta) -> None:
        super().__init__("silences")
        self._store, self._now, self._keep = store, now, keep
        self._http = httpx.Client(base_url=url.rstrip("/") + "/api/v2/", timeout=TIMEOUT)
        self._seen = -1
        """Head of the ledger when all was as it should be."""
        self._due = self._checked = 0.0
        self.failing = False
        """Whether the last attempt failed, for operations."""

    def stop(self) -> None:
        """End after the request that is under way."""
        super().stop()
        self._http.close()

    def _run(self) -> None:
        pause = EVERY
        while not self._stopping.wait(pause):
            try:
                self.reconcile()
                pause, self.failing = EVERY, False
            except (httpx.HTTPError, SQLAlchemyError) as error:
                pause, self.failing = min(2 * pause, LONGEST), True
                log.warning("silences wait for Alertmanager or the store", reason=repr(error), seconds=pause)

    def reconcile(self, *, check: bool = False) -> None:
        """Ask for what is missing and end what is too much; `check` also looks what Alertmanager still holds.

        Raises:
            httpx.HTTPError: Alertmanager cannot be reached, or refused a silence, after all others.
        """
        now = self._now()
        check = check or now.timestamp() - self._checked >= CHECK_EVERY
        with self._store.reading() as session:
            head = ledger.head(session).seq
            if head == self._seen and not check and now.timestamp() < self._due:
                return
            should = wanted(session, now, self._keep)
            held = {row.alert_id: row for row in session.scalars(select(SilenceRow))}
        there = self._active() if check else None
        refused: httpx.HTTPStatusError | None = None
        for over in held.keys() - should.keys():
            try:
                self._end(held[over], now)
            except httpx.HTTPStatusError as error:
                refused = error
        for alert_id, (until, author, reason) in should.items():
            row = held.get(alert_id)
            lost = there is not None and row is not None and row.silence_id not in there
            if row is None or lost or (row.until, row.author, row.reason) != (until, author, reason):
                known = None if row is None or lost else row.silence_id
                try:
                    self._ask(alert_id, until, author, reason, known)
                except httpx.HTTPStatusError as error:
                    refused = error
        if refused is not None:
            raise refused
        self._seen = head
        self._due = min((until.timestamp() for until, _, _ in should.values()), default=float("inf"))
        if check:
            self._checked = now.timestamp()

    def _active(self) -> frozenset[str]:
        """Ids of the silences that Alertmanager holds and that are not over."""
        answer = self._http.get("silences").raise_for_status().json()
        return frozenset(one["id"] for one in answer if one["status"]["state"] != "expired")

    def _ask(self, alert_id: str, until: datetime, author: str, reason: str, known: str | None) -> None:
        body: dict[str, Any] = {
            "matchers": [{"name": "alert_id", "value": alert_id, "isRegex": False, "isEqual": True}],
            "startsAt": self._now().isoformat(),
            "endsAt": until.isoformat(),
            "createdBy": author,
            "comment": reason,
        }
        answer = self._http.post("silences", json=body | ({"id": known} if known else {}))
        if known and answer.status_code == httpx.codes.NOT_FOUND:
            answer = self._http.post("silences", json=body)
        silence: Mapping[str, str] = answer.raise_for_status().json()
        with self._store.writing() as session:
            session.merge(
                SilenceRow(
                    alert_id=alert_id,
                    silence_id=silence["silenceID"],
                    until=until,
                    author=author,
                    reason=reason,
                )
            )

    def _end(self, row: SilenceRow, now: datetime) -> None:
        if row.until > now:
            answer = self._http.delete(f"silence/{row.silence_id}")
            # What Alertmanager does not know any more, or has ended itself, is ended; of the latter it says
            # what it says of any error of its own.
            failed = answer.is_error and answer.status_code != httpx.codes.NOT_FOUND
            if failed and row.silence_id in self._active():
                answer.raise_for_status()
        with self._store.writing() as session:
            session.delete(session.merge(row))
