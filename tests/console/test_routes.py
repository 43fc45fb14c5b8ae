"""Every role against every route: the table is made from the code, and tried."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import APIRouter, Depends, FastAPI

from console.access import csrf
from console.access.permissions import Permission, Role, allows
from console.access.require import Undeclared, anyone, declared, require
from console.storage.engine import Store, open_store
from console.storage.ledger import entries, head
from tests.console.browsing import HOME, Browser, Clock, add_one_of_each, make_console
from tests.console.site import replayed

#: What an allowed request to nothing in particular may give.
FINE = {200, 201, 204, 303, 400, 404, 409, 422, 503}


@pytest.fixture(scope="module")
def console(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    folder = tmp_path_factory.mktemp("routes")
    shutil.copyfile(template, folder / "console.sqlite")
    store = open_store(f"sqlite:///{folder}/console.sqlite", migrate=False)
    app = make_console(store, folder, configuration=replayed()[0])
    add_one_of_each(app)
    yield app
    store.close()


def table(app: FastAPI) -> list[tuple[str, str, Permission]]:
    """Method, an address that fits, permission."""
    found = []
    for route, permission in declared(app.routes):
        path = re.sub(
            r"\{(\w+)(:\w+)?\}", lambda match: "999999" if match[1].endswith("_id") else "x", str(route.path)
        )
        found += [(method, path, permission) for method in sorted(route.methods or ())]
    return found


def send(browser: Browser, method: str, path: str) -> tuple[int, str]:
    answer = browser.submit(path) if method == "POST" else browser.request(method, path)
    return answer.status_code, answer.headers.get("location", "")


@pytest.mark.parametrize("role", Role)
def test_a_role_may_do_what_the_table_says_and_nothing_else(console: FastAPI, role: Role) -> None:
    browser = Browser(console)
    wrong = []
    for method, path, permission in table(console):
        status, place = send(browser.enter(f"{role}-1"), method, path)
        if allows([role], permission):
            fine = status in FINE and not place.startswith("/login")
            fine |= (method, path) == ("POST", "/logout") or permission is Permission.ANYONE
        elif path == "/":
            fine = status == 303 and place not in ("/", "") and not place.startswith("/login")
        else:
            fine = status == 403
        if not fine:
            wrong.append(f"{method} {path} ({permission.name}): {status} {place}")
    assert not wrong, "\n".join(wrong)


def test_who_is_not_logged_in_is_sent_to_the_login(console: FastAPI) -> None:
    wrong = []
    for method, path, permission in table(console):
        browser = Browser(console)
        status, place = send(browser, method, path)
        if permission is Permission.ANYONE:
            fine = status in FINE | {401, 403} and status != 500
        elif path.startswith("/api/"):
            fine = status == 401
        else:
            fine = status == 303 and place.startswith("/login")
        if not fine:
            wrong.append(f"{method} {path} ({permission.name}): {status} {place}")
    assert not wrong, "\n".join(wrong)


def test_what_changes_something_needs_the_token_of_the_session(console: FastAPI) -> None:
    """Request forgery: a form elsewhere knows the address and has the cookie sent, but no token."""
    changing = [
        (method, path) for method, path, _ in table(console) if method not in ("GET", "HEAD", "OPTIONS")
    ]
    assert len(changing) > 10
    for method, path in changing:
        browser = Browser(console).enter("supervisor-1")
        for fields in ({}, {csrf.FIELD: "0" * 64}, {csrf.FIELD: ""}):
            assert browser.request(method, path, data=fields).status_code in (303, 403), path
            if path not in ("/login/code",):  # that step is over, and says so first
                assert browser.request(method, path, data=fields).status_code == 403, path


def test_reading_changes_nothing(console: FastAPI) -> None:
    """No GET route carries out what a form asks for, so a link elsewhere cannot either."""
    with console.state.store.reading() as session:
        before = head(session)
    for role in Role:
        for method, path, _ in table(console):
            if method == "GET":
                Browser(console).enter(f"{role}-1").get(path)
    with console.state.store.reading() as session:
        assert head(session) == before


ODD = [
    "..%2f..%2fetc%2fpasswd", "..%5c..%5cboot.ini", "%27%20or%201=1--", "%3Cscript%3E", "%ff%fe", "-1",
    "9" * 40, "%E2%80%AE",
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD)
def test_no_odd_word_in_an_address_breaks_a_page(console: FastAPI, odd: str) -> None:
    """Path traversal, quotes, markup, bytes that are no text: a page or an error, never a crash."""
    browsers = {role: Browser(console).enter(f"{role}-1") for role in Role}
    wrong = []
    for route, permission in declared(console.routes):
        if "GET" not in (route.methods or ()):
            continue
        able = next(role for role in Role if allows([role], permission))
        parts = re.findall(r"\{(\w+)", str(route.path))
        address = (
            re.sub(r"\{[^}]+\}", odd, str(route.path)) if parts else f"{route.path}?next={odd}&export={odd}"
        )
        answer = browsers[able].request("GET", HOME + address)
        if answer.status_code >= 500 or "root:" in answer.text or "<script>" in answer.text:
            wrong.append(f"{address}: {answer.status_code}")
    assert not wrong, "\n".join(wrong)


def test_a_route_without_permission_is_refused_at_the_start() -> None:
    app, router = FastAPI(docs_url=None, redoc_url=None, openapi_url=None), APIRouter()

    @router.get("/open", dependencies=[Depends(anyone)])
    @router.get("/guarded", dependencies=[Depends(require(Permission.WORK))])
    def guarded() -> None: ...

    app.include_router(router)
    assert [permission for _, permission in declared(app.routes)] == [Permission.WORK, Permission.ANYONE]

    @app.get("/forgotten")
    def forgotten() -> None: ...

    with pytest.raises(Undeclared, match="GET /forgotten asks for no permission"):
        declared(app.routes)


def test_two_permissions_on_one_route_are_refused() -> None:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/both", dependencies=[Depends(anyone), Depends(require(Permission.WORK))])
    def both() -> None: ...

    with pytest.raises(Undeclared, match="asks for ANYONE, WORK"):
        declared(app.routes)


def test_an_auditor_may_read_the_ledger_and_nothing_else() -> None:
    own = {permission for permission in Permission if allows([Role.AUDITOR], permission)}
    assert own == {Permission.ANYONE, Permission.SIGNED_IN, Permission.READ_LEDGER}


def test_an_administrator_judges_nobody() -> None:
    for permission in (
        Permission.WORK,
        Permission.LOOK_UP_NAMES,
        Permission.READ_ALERTS,
        Permission.READ_SEARCHES,
    ):
        assert not allows([Role.ADMINISTRATOR], permission)


def test_a_refused_request_is_in_the_ledger_once_an_hour(store: Store, tmp_path: Path) -> None:
    clock = Clock()
    app = make_console(store, tmp_path, clock=clock)
    add_one_of_each(app)

    def told() -> list[tuple[str, str]]:
        with store.reading() as session:
            return [
                (str(one.actor), one.body["asked"])
                for one in entries(session)
                if isinstance(one.body, dict) and one.body.get("what") == "refused"
            ]

    viewer, auditor = (Browser(app).enter(name) for name in ("viewer-1", "auditor-1"))
    for path in ("/ledger", "/ledger/export", "/accounts", "/ledger"):
        assert viewer.get(path).status_code == 403
    assert Browser(app).get("/accounts").status_code == 303, "nobody is not somebody who is refused"
    assert auditor.get("/").status_code == 303, "everybody begins there"
    expected = [("viewer-1", str(Permission.READ_LEDGER)), ("viewer-1", str(Permission.MANAGE_ACCOUNTS))]
    assert told() == expected
    clock.pass_by(minutes=20)
    viewer.get("/ledger")
    assert told() == expected
    auditor.get("/inbox")
    clock.pass_by(minutes=41)
    viewer.enter("viewer-1").get("/ledger")
    assert told() == [*expected, ("auditor-1", str(Permission.READ_ALERTS)), expected[0]]
