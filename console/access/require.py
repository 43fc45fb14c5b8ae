"""Every route says what it asks for: `Depends(require(Permission.X))`, or `Depends(anyone)`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

import structlog
from fastapi import Depends, HTTPException, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from sqlalchemy.exc import OperationalError
from starlette.routing import BaseRoute, Mount

from console.access import cookies, visits
from console.access.csrf import Genuine
from console.access.permissions import Permission
from console.access.visits import Current, Stage
from console.storage.engine import Store

log = structlog.get_logger("console")


class NotSignedIn(Exception):
    """Nobody is logged in, or the login is not finished: `stage` says what is missing."""

    def __init__(self, stage: Stage | None = None) -> None:
        self.stage = stage


class NotPermitted(HTTPException):
    """Somebody who is logged in asked for what their roles do not allow."""

    def __init__(self, permission: Permission) -> None:
        super().__init__(403, f"Your roles do not allow to {permission}.")
        self.permission = permission


class Undeclared(Exception):
    """A route asks for nothing; the program is wrong and must not start."""


def visitor(request: Request) -> Current | None:
    """Who is behind the request, at whatever stage of the login; None for nobody."""
    token = cookies.read(request, cookies.SESSION)
    if token is None:
        return None
    store: Store = request.app.state.store
    now: datetime = request.app.state.now()
    with store.reading() as session:
        row = visits.find(session, token, now, request.app.state.limits)
        found = visits.current(row) if row is not None else None
        used_at = row.used_at if row is not None else now
    if found is not None and now - used_at >= visits.TOUCH_EVERY and not request.state.background:
        _touch(store, found, now)
    request.state.account = found
    return found


def _touch(store: Store, current: Current, now: datetime) -> None:
    try:
        with store.writing() as session:
            visits.touch(session, current.session, now)
    except OperationalError as error:  # somebody writes for long; the next request tries again
        log.warning("the use of a session was not noted", exc_info=error)


Visitor = Annotated[Current | None, Depends(visitor)]


class Declared:
    """What a route asks for."""

    permission: Permission


class _Anyone(Declared):
    permission = Permission.ANYONE

    def __call__(self, genuine: Genuine) -> None:
        if not genuine:
            raise _forged()


class Require(Declared):
    """Lets accounts pass that have a permission, and gives the account."""

    def __init__(self, permission: Permission, stages: frozenset[Stage]) -> None:
        self.permission = permission
        self._stages = stages

    def __call__(self, visitor: Visitor, genuine: Genuine) -> Current:
        """The account that is logged in.

        Raises:
            NotSignedIn: nobody is, or not yet far enough.
            NotPermitted: the roles do not allow it.
            HTTPException: 403, the request did not come from a page of ours.
        """
        if visitor is None:
            raise NotSignedIn
        if visitor.stage not in self._stages:
            raise NotSignedIn(visitor.stage)
        if not genuine:
            raise _forged()
        if visitor.stage is Stage.FULL and not visitor.may(self.permission):
            raise NotPermitted(self.permission)
        return visitor


#: For routes that need no login.
anyone = _Anyone()


def require(permission: Permission, *stages: Stage) -> Require:
    """What a route depends on; without `stages` it is for those who are fully logged in."""
    return Require(permission, frozenset(stages or (Stage.FULL,)))


def declared(routes: Iterable[BaseRoute]) -> list[tuple[RouteContext, Permission]]:
    """Every route with the permission that it asks for, which from now on it asks for first.

    Raises:
        Undeclared: a route asks for nothing, or for several things.
    """
    found = []
    for context in iter_route_contexts(list(routes)):
        if isinstance(context.original_route, Mount) and context.path == "/static":
            continue
        if not isinstance(context.original_route, APIRoute):
            raise Undeclared(f"{context.path} is no route that can ask for a permission")
        asked = set(_asked(context.dependant))
        if len(asked) != 1:
            methods = " ".join(sorted(context.methods or ()))
            what = ", ".join(sorted(permission.name for permission in asked)) or "no permission"
            raise Undeclared(f"{methods} {context.path} asks for {what}; give it one with require()")
        context.dependant.dependencies.sort(key=lambda one: not isinstance(one.call, Declared))
        found.append((context, asked.pop()))
    return found


def _asked(dependant: Dependant) -> Iterable[Permission]:
    for one in dependant.dependencies:
        if isinstance(one.call, Declared):
            yield one.call.permission
        yield from _asked(one)


def _forged() -> HTTPException:
    return HTTPException(
        403, "This form is not valid any more, perhaps because you logged in again. Open the page once more."
    )
