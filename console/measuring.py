"""What the console tells Prometheus: how fast people act, and what came of the alerts.

Counters begin with the first decision that the store has, so that a restart does not set them back. The time
until an alert was taken up is that of the alert as it stands: one that grew and is new again counts anew.
No label carries a person, a subject or a case.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime

from prometheus_client.exposition import choose_encoder
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from console.silencing import Silencer
from console.storage import ledger
from console.storage.engine import Store
from console.storage.tables import AlertRow, DecisionRow, Outgoing, SilenceRow
from models.alert import SEVERITIES
from streams import metrics
from streams.exits import Stop
from streams.pages import Page, PageServer

#: Least seconds between two counts of what stands in the store.
COUNT_EVERY = 10.0


class Measuring:
    """The figures of one store, brought up to date when they are asked for."""

    def __init__(
        self,
        store: Store,
        now: Callable[[], datetime],
        silencer: Silencer | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` gives seconds that only grow."""
        self._store, self._now, self._silencer, self._clock = store, now, silencer, clock
        self._lock = threading.Lock()
        self._followed = 0
        self._counted: float | None = None

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """All series and their content type, as `streams.counting.exposition`."""
        encode, kind = choose_encoder(accept)
        with self._lock:
            with self._store.reading() as session:
                self._follow(session)
                if self._counted is None or self._clock() - self._counted >= COUNT_EVERY:
                    self._count(session)
                    self._counted = self._clock()
            metrics.SILENCES_FAILING.set(self._silencer is not None and self._silencer.failing)
            return encode(metrics.OVERSIGHT), kind

    def _follow(self, session: Session) -> None:
        """Count the decisions that came since the last look."""
        rows = session.execute(
            select(
                DecisionRow.seq, DecisionRow.at, DecisionRow.action,
                AlertRow.arrived_at, AlertRow.severity, AlertRow.acknowledged_at,
            )
            .join(AlertRow, AlertRow.alert_id == DecisionRow.alert_id)
            .where(DecisionRow.seq > self._followed)
            .order_by(DecisionRow.seq)
        )  # fmt: skip
        for row in rows:
            metrics.DECISIONS.labels(row.action).inc()
            if row.action != "undo" and row.at == row.acknowledged_at:
                waited = (row.at - row.arrived_at).total_seconds()
                metrics.ACKNOWLEDGED.labels(row.severity).observe(max(0.0, waited))
            self._followed = row.seq

    def _count(self, session: Session) -> None:
        """Count what stands now."""
        disposed = session.execute(
            select(AlertRow.detector, AlertRow.disposition, func.count())
            .where(AlertRow.work_state == "closed")
            .group_by(AlertRow.detector, AlertRow.disposition)
        )
        metrics.DISPOSED.clear()
        for detector, disposition, number in disposed:
            metrics.DISPOSED.labels(detector, disposition).set(number)
        metrics.UNREAD.clear()
        work = session.execute(
            select(AlertRow.severity, AlertRow.work_state, func.count())
            .where(AlertRow.open)
            .group_by(AlertRow.severity, AlertRow.work_state)
        )
        for severity, state, number in work:
            metrics.UNREAD.labels(severity, state).set(number)
        oldest = session.scalar(
            select(func.min(AlertRow.arrived_at)).where(
                AlertRow.work_state == "new",
                AlertRow.open,
                AlertRow.severity_rank >= SEVERITIES.index("high"),
            )
        )
        metrics.OLDEST.set((self._now() - oldest).total_seconds() if oldest else 0.0)
        metrics.SILENCES.set(session.scalar(select(func.count()).select_from(SilenceRow)) or 0)
        waiting = select(func.count()).select_from(Outgoing).where(Outgoing.sent_at.is_(None))
        metrics.UNSENT.set(session.scalar(waiting) or 0)
        metrics.LEDGER.set(ledger.head(session).seq)


def metrics_server(measuring: Measuring, host: str, port: int) -> PageServer:
    """/metrics on an address of its own, which is not that of the pages: Prometheus does not log in.

    Raises:
        Stop: the port is taken.
    """

    def page(path: str, accept: str) -> Page:
        if path != "/metrics":
            return 404, "text/plain", b"/metrics\n"
        body, kind = measuring.exposition(accept)
        return 200, kind, body

    try:
        return PageServer(host, port, page, name="metrics")
    except OSError as error:
        raise Stop(
            f"the console's metrics cannot listen on {host} port {port}: {error.strerror}; choose another"
            " one with PROBEWATCH_CONSOLE_METRICS_PORT, 0 for none"
        ) from None
