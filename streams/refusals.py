"""When to stop instead of refusing on: a bad release must not drain the log into dead letters."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from streams import metrics
from streams.exits import Stop
from streams.settings import PREFIX


class RefusalLimit:
    """Stops the worker when more than `share` of the last `window` messages are refused.

    Never judged on fewer than `window` messages. One limit serves all partitions of a worker.
    """

    def __init__(self, share: float, window: int) -> None:
        self.share = share
        self.window = window
        self._recent: deque[tuple[int, int]] = deque()
        self._taken = self._refused = 0

    def judge(self, counts: Mapping[tuple[str, str], int], *, taken: int) -> None:
        """Count a batch in. Called before the batch's dead letters are sent.

        Raises:
            Stop: there are too many refusals.
        """
        by_reason = {reason: number for (name, reason), number in counts.items() if name == "refused"}
        refused = sum(by_reason.values())
        self._recent.append((taken, refused))
        self._taken += taken
        self._refused += refused
        while self._taken - self._recent[0][0] >= self.window:
            old_taken, old_refused = self._recent.popleft()
            self._taken -= old_taken
            self._refused -= old_refused
        if self._taken >= self.window and self._refused > self.share * self._taken:
            metrics.DEAD_LETTER_STOP.set(1)
            reasons = ", ".join(f"{reason} {number}" for reason, number in sorted(by_reason.items()))
            raise Stop(
                f"{self._refused} of the last {self._taken} messages were refused ({reasons}), more than"
                f" {PREFIX}REFUSED_SHARE={self.share:g} allows: the worker stops before it drains the log"
                " into the dead letters. Look at searches.refused; if they are right, raise the share once"
            )
