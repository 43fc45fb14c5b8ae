"""Logs on standard error: structlog, for a reader (`console`) or for a machine (`json`)."""

from __future__ import annotations

import logging
import sys
from typing import Literal

import structlog

#: Libraries that tell at INFO how they work and at WARNING what went wrong.
CHATTY = ("faust", "mode", "aiokafka", "kafka", "asyncio", "alembic", "httpx", "uvicorn")
#: Ours only by inheritance: Faust logs under the module of the subclass.
SERVICES = ("streams.app", "streams.transport")


def configure(style: Literal["console", "json"] = "console", level: str = "INFO") -> None:
    """Send every log line, ours and the libraries', through one renderer to standard error."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor
    if style == "json":
        shared.append(structlog.processors.format_exc_info)
        renderer = structlog.processors.JSONRenderer()
    else:
        # Plain tracebacks: the pretty ones print local variables, which hold searches.
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(level)
    for name in (*CHATTY, *SERVICES):
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.root.level))
