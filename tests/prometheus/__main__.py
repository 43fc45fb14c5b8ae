"""`python -m tests.prometheus FOLDER`: pictures of the dashboards, from a server that watched a real run.

The first sixteen simulated months go by in a minute, so that the detectors have learned; the seven weeks
round the demonstrations of June 2020 then take four minutes, so that every few days are seen.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from streams.dashboards import DASHBOARDS
from streams.dashboards.pictures import picture
from streams.produce import Pace
from tests.prometheus.servers import PROMETHEUS
from tests.prometheus.site import site

DAY = 86_400.0
SLOW_FROM = datetime(2020, 5, 12, tzinfo=UTC).timestamp()
UNTIL = datetime(2020, 6, 30, tzinfo=UTC).timestamp()
#: Days a second.
FAST, SLOW = 8.0, 0.2
#: Seconds that are drawn: the slow part.
DRAWN = (UNTIL - SLOW_FROM) / DAY / SLOW


@dataclass(slots=True)
class Slowing(Pace):
    """Fast up to a day, then slow."""

    def due(self, file_time: float | None) -> float:
        """As `Pace.due`."""
        if self.speed == FAST * DAY and file_time is not None and file_time >= SLOW_FROM:
            self.speed, self._origin, self._sent = SLOW * DAY, None, 0
        return Pace.due(self, file_time)


def main(out: Path) -> None:
    """Run everything and draw."""
    with tempfile.TemporaryDirectory(prefix="probewatch-site-") as folder, site(Path(folder)) as running:
        running.stage("first")
        running.stage("second")
        running.decide()
        running.send(b"not json", b"{}")
        feeding = running.flow(Slowing(speed=FAST * DAY))
        while feeding.going and (feeding.now or 0.0) < SLOW_FROM:
            time.sleep(1)
        running.send(b"not json", b"{}")
        while feeding.going and (feeding.now or 0.0) < UNTIL:
            time.sleep(1)
        out.mkdir(parents=True, exist_ok=True)
        for one in DASHBOARDS:
            (out / f"{one.uid}.svg").write_text(picture(one, PROMETHEUS, DRAWN), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
