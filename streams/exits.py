"""How the process ends, and with which code."""

from __future__ import annotations

import logging
import os
import sys
from typing import NoReturn

import structlog

#: A finding or an expected failure that the message explains: a wrong setting, refused state.
FAILURE = 1
#: An unexpected error. The name in sysexits.h is EX_SOFTWARE; a supervisor should start us again.
CRASHED = 70

log = structlog.get_logger("probewatch")


class Stop(Exception):
    """The worker cannot go on, for a reason its user can cure. The text says what to do."""


def die(reason: BaseException | str, **context: object) -> NoReturn:
    """Say why in one line and end the process now, without a single further write to Kafka.

    Faust's own way of crashing cancels what is in flight, marks it done and commits it, so an
    error would lose searches; a process that is gone can only repeat them.
    """
    if isinstance(reason, Stop):
        log.error(str(reason), **context)
    elif isinstance(reason, BaseException):
        log.error(f"unexpected error: {reason!r}", exc_info=reason, **context)
    else:
        log.error(reason, **context)
    for handler in logging.root.handlers:
        handler.flush()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(FAILURE if isinstance(reason, Stop) else CRASHED)
