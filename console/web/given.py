"""What a route is given: a session that reads, one that writes, the time, the configuration in force."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from sqlalchemy.orm import Session

from streams.configuration import Configuration


def _reading(request: Request) -> Iterator[Session]:
    with request.app.state.store.reading() as session:
        yield session


def _writing(request: Request) -> Iterator[Session]:
    with request.app.state.store.writing() as session:
        yield session


def _now(request: Request) -> datetime:
    now: datetime = request.app.state.now()
    return now


def _configuration(request: Request) -> Configuration:
    found: Configuration | None = request.app.state.configuration
    if found is None:
        raise HTTPException(503, "The console was started without the configuration that this page is about.")
    return found


#: For routes that only read.
Reading = Annotated[Session, Depends(_reading, scope="function")]
#: For routes that change something: committed once, before the answer is sent, and not at all when it raises.
Writing = Annotated[Session, Depends(_writing, scope="function")]
#: The time, aware and in UTC.
Now = Annotated[datetime, Depends(_now)]
#: What is watched and how: agencies, tools, policy, calendar, detectors.
Configured = Annotated[Configuration, Depends(_configuration)]
