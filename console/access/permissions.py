"""Roles and what each may do: one table, from which the docs and the test of every route are made."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Role(StrEnum):
    """What an account is trusted with; an account may have several."""

    VIEWER = "viewer"
    REVIEWER = "reviewer"
    SUPERVISOR = "supervisor"
    ANALYST = "analyst"
    ADMINISTRATOR = "administrator"
    AUDITOR = "auditor"


#: What a role is for, beside the box that gives it. `TABLE` is what holds.
PURPOSES: dict[Role, str] = {
    Role.VIEWER: "reads alerts, searches and figures",
    Role.REVIEWER: "reads, and decides about alerts",
    Role.SUPERVISOR: "decides, gives work to others, reads the ledger",
    Role.ANALYST: "reads, makes the public report, changes models",
    Role.ADMINISTRATOR: "runs accounts and sees no alert",
    Role.AUDITOR: "reads the ledger alone, and has no other role",
}


class Permission(StrEnum):
    """What a route asks for. The value is how the docs say it."""

    ANYONE = "log in, and see that the console is alive"
    SIGNED_IN = "manage the own password, second factor and sessions"
    READ_ALERTS = "read alerts and their evidence"
    READ_SEARCHES = "read searches, and the history of requesters, units, tools and subjects"
    READ_FIGURES = "read figures, the calendar and the preview of the public report"
    READ_POLICY = "read policy clauses"
    READ_COMPLETENESS = "see which sources reported"
    KEEP_VIEWS = "save views of the inbox"
    WORK = "acknowledge, comment, ask, merge, snooze, dispose and confirm"
    ASSIGN = "assign an alert to somebody else"
    LOOK_UP_NAMES = "look up who a pseudonym is, with a reason"
    READ_LOOK_UPS = "see who looked up how much"
    READ_LEDGER = "read, export and verify the ledger"
    EXPORT_BUNDLE = "export the evidence bundle of an alert"
    MAKE_REPORT = "make the public report"
    READ_LABELS = "read dispositions as labels"
    READ_CONFIGURATION = "see the configuration in force"
    CHANGE_MODELS = "promote, approve, retire and roll back models"
    MANAGE_ACCOUNTS = "manage accounts"


_READERS = frozenset({Role.VIEWER, Role.REVIEWER, Role.SUPERVISOR, Role.ANALYST})
_JUDGES = frozenset({Role.REVIEWER, Role.SUPERVISOR})
EVERYBODY = frozenset(Role)

#: Who may do what. An administrator runs accounts and judges nobody; an auditor reads the ledger alone.
TABLE: dict[Permission, frozenset[Role]] = {
    Permission.ANYONE: EVERYBODY,
    Permission.SIGNED_IN: EVERYBODY,
    Permission.READ_ALERTS: _READERS,
    Permission.READ_SEARCHES: _READERS,
    Permission.READ_FIGURES: _READERS,
    Permission.READ_POLICY: _READERS,
    Permission.READ_COMPLETENESS: _READERS | {Role.ADMINISTRATOR},
    Permission.KEEP_VIEWS: _READERS,
    Permission.WORK: _JUDGES,
    Permission.ASSIGN: frozenset({Role.SUPERVISOR}),
    Permission.LOOK_UP_NAMES: _JUDGES,
    Permission.READ_LOOK_UPS: frozenset({Role.SUPERVISOR}),
    Permission.READ_LEDGER: frozenset({Role.SUPERVISOR, Role.AUDITOR}),
    Permission.EXPORT_BUNDLE: _JUDGES,
    Permission.MAKE_REPORT: frozenset({Role.SUPERVISOR, Role.ANALYST}),
    Permission.READ_LABELS: frozenset({Role.ANALYST, Role.SUPERVISOR}),
    Permission.READ_CONFIGURATION: frozenset({Role.ANALYST, Role.SUPERVISOR, Role.ADMINISTRATOR}),
    Permission.CHANGE_MODELS: frozenset({Role.SUPERVISOR, Role.ANALYST}),
    Permission.MANAGE_ACCOUNTS: frozenset({Role.ADMINISTRATOR}),
}


def allows(roles: Iterable[Role], permission: Permission) -> bool:
    """Whether one of the roles has the permission."""
    return not TABLE[permission].isdisjoint(roles)


def fitting(roles: Iterable[str]) -> frozenset[Role]:
    """The roles of an account, from their names.

    Raises:
        ValueError: a name is no role, there is none, or roles do not go together; a sentence for people.
    """
    names = sorted(set(roles))
    known = set(map(str, Role))
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"{', '.join(unknown)} is no role; roles are {', '.join(Role)}")
    found = frozenset(map(Role, names))
    if not found:
        raise ValueError("an account needs a role")
    if Role.AUDITOR in found and len(found) > 1:
        raise ValueError("an auditor reads the ledger and nothing else: no other role goes with it")
    return found
