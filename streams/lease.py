"""The right to write: a worker that lost contact with its group must not write any more.

Kafka gives the partitions of a silent member to others after the session time-out. A process
that was stopped, swapped out or cut off for that long does not notice by itself and would go on
writing over its successor's state. So every produce request first asks how long ago the group's
coordinator last confirmed a heartbeat.
"""

from __future__ import annotations

import time

#: Share of the session time-out that may pass; the rest is for a request on its way.
MARGIN = 0.9


class Lease:
    """Counts from the moment a confirmed heartbeat was *sent*, because Kafka counts from then at
    the earliest. `session_timeout` in seconds. Used from two threads; a float write is atomic."""

    def __init__(self, session_timeout: float) -> None:
        self.limit = session_timeout * MARGIN
        self._confirmed: float | None = None

    def renew(self, sent_at: float) -> None:
        """A heartbeat sent at this monotonic time was confirmed, or the group was joined then."""
        self._confirmed = sent_at

    def overdue(self) -> str | None:
        """Why nothing may be written now, or None."""
        if self._confirmed is None:
            return "not yet a member of the consumer group"
        silent = time.monotonic() - self._confirmed
        if silent <= self.limit:
            return None
        return (
            f"no heartbeat confirmed for {silent:.1f} s: other workers may own our partitions by now,"
            " so nothing more is written"
        )
