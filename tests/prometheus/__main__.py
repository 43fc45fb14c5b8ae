"""`python -m tests.prometheus FOLDER`: pictures of the dashboards, from a server that watched a real run."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from streams.dashboards import DASHBOARDS
from streams.dashboards.pictures import picture
from tests.prometheus.servers import PROMETHEUS
from tests.prometheus.site import FLOW, settled, site


def main(out: Path) -> None:
    """Run everything for two minutes and draw."""
    with tempfile.TemporaryDirectory(prefix="probewatch-site-") as folder, site(Path(folder)) as running:
        running.stage("first")
        running.send(b"not json", b"{}")
        feeding = running.flow()
        time.sleep(FLOW / 2)
        running.send(b"not json", b"{}")
        while feeding.going:
            time.sleep(1)
        settled()
        time.sleep(20)
        out.mkdir(parents=True, exist_ok=True)
        for one in DASHBOARDS:
            (out / f"{one.uid}.svg").write_text(picture(one, PROMETHEUS, 120), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
