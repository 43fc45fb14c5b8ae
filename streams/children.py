"""Child processes that must not outlive this one."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable

PR_SET_PDEATHSIG = 1


def die_with_parent(number: signal.Signals) -> Callable[[], None] | None:
    """What a child does between fork and exec so that the kernel sends it this signal when we die.

    None where the kernel has no such promise (elsewhere than on Linux). The kernel counts the
    *thread* that forks as the parent.
    """
    if sys.platform != "linux":
        return None
    # Looked up before the fork: afterwards only calls that take no lock are safe.
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def promise() -> None:
        libc.prctl(PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:
            os._exit(1)

    return promise
