"""What a route is given: a session that reads, one that writes, the time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.orm import Session


def _reading(request: Request) -> Iterator[Session]:
    with request.app.state.store.reading() as session:
        yield session


def _writing(request: Request) -> Iterator[Session]:
    with request.app.state.store.writing() as session:
        yield session


def _now(request: Request) -> datetime:
    now: datetime = request.app.state.now()
    return now


#: For routes that only read.
Reading = Annotated[Session, Depends(_reading, scope="function")]
#: For routes that change something: committed once, before the answer is sent, and not at all when it raises.
Writing = Annotated[Session, Depends(_writing, scope="function")]
#: The time, aware and in UTC.
Now = Annotated[datetime, Depends(_now)]
