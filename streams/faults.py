"""The one place where a test may kill the process: `PROBEWATCH_FAULT=POINT:N`.

The process kills itself with SIGKILL when it reaches the named point for the Nth time. Without
the variable `reach` costs one comparison. Points: `after-decode`, `after-messages`,
`after-state`, `before-ack`, `before-commit`, `while-loading`.
"""

from __future__ import annotations

import os
import signal

_point, _, _count = os.environ.get("PROBEWATCH_FAULT", "").partition(":")
_left = int(_count or 1)


def reach(point: str) -> None:
    """Die here if the environment says so."""
    global _left
    if point != _point:
        return
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
