"""What every request and every answer is like: hosts, origins, sizes, headers, error pages, the log."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import structlog
from fastapi import APIRouter, Depends, FastAPI, HTTPException
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError

from console.access import csrf
from console.access.permissions import Permission, Role
from console.access.require import anyone, declared, require
from console.storage.engine import Store
from console.web.headers import ALWAYS
from console.web.pace import Pace
from tests.console.browsing import HOME, PASSWORD, Browser, add_account, make_console

SECRET = "the-store-has-this-value"


@pytest.fixture
def console(store: Store, tmp_path: Path) -> FastAPI:
    """A console with routes that go wrong."""
    app = make_console(store, tmp_path, request_bytes=20_000)
    add_account(app, "supervisor-1", Role.SUPERVISOR)
    router = APIRouter(dependencies=[Depends(anyone)])

    @router.get("/broken")
    @router.get("/api/broken")
    def broken() -> None:
        raise RuntimeError(SECRET)

    @router.get("/raced")
    def raced() -> None:
        raise HTTPException(409, "Somebody has closed this alert.")

    @router.get("/counted")
    @router.get("/api/counted")
    def counted(number: int) -> int:
        return number

    @router.post("/taken")
    def taken() -> str:
        return "taken"

    app.include_router(router)
    return app


@pytest.fixture(autouse=True)
def lines() -> Iterator[list[Any]]:
    """What is logged, which is not shown: tracebacks for people are slow."""
    with structlog.testing.capture_logs() as captured:
        yield captured


@pytest.fixture
def browser(console: FastAPI) -> Browser:
    return Browser(console)


@pytest.mark.parametrize(
    "path",
    ["/login", "/healthz", "/nothing", "/broken", "/api/broken", "/static/console.css", "/account", "/raced"],
)
def test_every_answer_has_the_headers(browser: Browser, path: str) -> None:
    answer = browser.get(path)
    for name, value in ALWAYS.items():
        assert answer.headers[name] == value
    assert "strict-transport-security" not in answer.headers
    assert "server" not in answer.headers and "x-powered-by" not in answer.headers


def test_no_page_can_be_framed_or_run_what_stands_in_it(browser: Browser) -> None:
    policy = dict(
        part.split(" ", 1) for part in browser.get("/login").headers["content-security-policy"].split("; ")
    )
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert not any(
        "unsafe" in value or "http" in value or "data:" in value or "*" in value for value in policy.values()
    )
    assert {"script-src", "style-src", "img-src", "connect-src", "font-src", "form-action"} <= policy.keys()


def test_over_https_browsers_are_told_to_stay_there(store: Store, tmp_path: Path) -> None:
    app = make_console(store, tmp_path, public_url="https://console.example.org")
    answer = Browser(app, "https://console.example.org").get("/login")
    assert "max-age=63072000" in answer.headers["strict-transport-security"]


def test_pages_are_kept_nowhere_and_files_are_asked_for_anew(browser: Browser) -> None:
    assert browser.get("/login").headers["cache-control"] == "no-store"
    assert browser.get("/account").headers["cache-control"] == "no-store"
    file = browser.get("/static/console.css")
    assert file.headers["cache-control"] == "no-cache"
    again = browser.get("/static/console.css", headers={"if-none-match": file.headers["etag"]})
    assert again.status_code == 304


WRONG_HOSTS = [
    "elsewhere.example", "127.0.0.1.elsewhere.example", "localhost.elsewhere.example:8080", "", "[::1", "a b",
    "localhost@elsewhere.example",
]  # fmt: skip


@pytest.mark.parametrize("host", WRONG_HOSTS)
def test_another_name_for_the_console_is_refused(browser: Browser, host: str) -> None:
    """DNS rebinding, and links in mails that a forged Host would lead elsewhere."""
    answer = browser.get("/login", headers={"host": host})
    assert answer.status_code == 400
    assert not host or host not in answer.text
    assert browser.get("/healthz", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8080", "[::1]:8080", "LOCALHOST"])
def test_the_machine_itself_may_be_named_as_it_likes(browser: Browser, host: str) -> None:
    assert browser.get("/login", headers={"host": host}).status_code == 200


def test_no_redirect_repeats_the_host(browser: Browser) -> None:
    answer = browser.get("/account", headers={"x-forwarded-host": "elsewhere.example"})
    assert answer.headers["location"].startswith("/login")


FOREIGN: list[dict[str, str]] = [
    {"origin": "https://elsewhere.example"},
    {"origin": "null"},
    {"origin": HOME.replace("127.0.0.1", "127.0.0.1.elsewhere.example")},
    {"origin": "http://127.0.0.1:8081"},
    {"origin": "http://[", "sec-fetch-site": "same-origin"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "cross-site", "origin": HOME},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_a_form_elsewhere_is_refused_even_with_the_right_token(
    browser: Browser, headers: dict[str, str]
) -> None:
    browser.enter("supervisor-1")
    assert browser.submit("/taken", headers=headers).status_code == 403
    assert browser.get("/login", headers=headers).status_code != 403  # a link may come from anywhere


@pytest.mark.parametrize("headers", [{"origin": HOME}, {"sec-fetch-site": "same-origin"}, {}], ids=str)
def test_a_form_of_ours_is_taken(browser: Browser, headers: dict[str, str]) -> None:
    browser.enter("supervisor-1")
    assert browser.submit("/taken", headers=headers).text == '"taken"'
    token = csrf.token_of(browser.token or "")
    assert browser.post("/taken", headers={**headers, csrf.HEADER: token}).status_code == 200


def test_the_token_of_another_session_is_worth_nothing(browser: Browser, console: FastAPI) -> None:
    other = csrf.token_of(Browser(console).enter("supervisor-1").token or "")
    browser.enter("supervisor-1")
    assert browser.post("/taken", data={csrf.FIELD: other}).status_code == 403


def test_the_public_name_counts_behind_a_proxy(store: Store, tmp_path: Path) -> None:
    app = make_console(store, tmp_path, public_url="https://console.example.org")
    add_account(app, "supervisor-1", Role.SUPERVISOR)
    browser = Browser(app, "https://console.example.org").enter("supervisor-1")
    for origin, expected in (("https://console.example.org", 303), ("http://console.example.org", 403)):
        assert browser.submit("/account/sessions/end", headers={"origin": origin}).status_code == expected


class Forms(HTMLParser):
    """The forms of a page: method, and the hidden fields."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.found.append((given.get("method", "get"), {}))
        if tag == "input" and given.get("type") == "hidden" and self.found:
            self.found[-1][1][given.get("name", "")] = given.get("value", "")


@pytest.mark.parametrize(
    "path", ["/account", "/account/password", "/account/second-factor", "/names", "/accounts"]
)
def test_every_form_of_ours_holds_the_token(browser: Browser, console: FastAPI, path: str) -> None:
    add_account(console, "administrator-1", Role.ADMINISTRATOR)
    browser.enter("administrator-1" if path == "/accounts" else "supervisor-1")
    forms = Forms()
    forms.feed(browser.get(path).text)
    posts = [fields for method, fields in forms.found if method == "post"]
    assert posts
    assert all(fields[csrf.FIELD] == csrf.token_of(browser.token or "") for fields in posts)


def test_a_login_works_with_nothing_but_what_the_page_says(browser: Browser) -> None:
    forms = Forms()
    forms.feed(browser.get("/login").text)
    (fields,) = [fields for method, fields in forms.found if method == "post" and "next" in fields]
    answer = browser.post("/login", data={**fields, "name": "supervisor-1", "password": PASSWORD})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_what_is_too_large_is_refused_whatever_its_head_says(browser: Browser) -> None:
    browser.enter("supervisor-1")
    headers = {csrf.HEADER: csrf.token_of(browser.token or "")}
    assert browser.post("/taken", content=b"x" * 20_001, headers=headers).status_code == 413
    pieces = (b"x" * 1000 for _ in range(30))
    form = {**headers, "content-type": "application/x-www-form-urlencoded"}
    assert browser.post("/taken", content=pieces, headers=form).status_code == 413
    assert browser.post("/taken", content=b"a=b", headers=form).status_code == 200


@pytest.mark.parametrize("length", ["-1", "a", "1e9", "٣"])
def test_a_length_that_is_none_is_refused(browser: Browser, length: str) -> None:
    answer = browser.get("/login", headers={"content-length": length.encode()})
    assert answer.status_code == 413


TRAVERSAL = [
    "/static/../app.py", "/static/..%2fapp.py", "/static/%2e%2e/app.py", "/static/%2e%2e%2fapp.py",
    "/static/....//app.py", "/static/..%5capp.py", "/static//etc/passwd", "/static/%2fetc%2fpasswd",
    "/static/vendor/../../app.py", "/static/", "/static/vendor", "/static/..%252fapp.py",
    "/static/%c0%ae%c0%ae/app.py",
]  # fmt: skip


@pytest.mark.parametrize("path", TRAVERSAL)
def test_no_file_outside_of_the_folder_is_given_out(browser: Browser, path: str) -> None:
    answer = browser.request("GET", HOME + path)
    assert answer.status_code == 404
    assert "create_app" not in answer.text and "root:" not in answer.text


@pytest.mark.parametrize("path", ["/login%00", "/login?next=%00", "/static/console.css%00.html"])
def test_a_nul_in_an_address_is_refused(browser: Browser, path: str) -> None:
    assert browser.get(path).status_code == 400


def test_a_nul_in_a_form_is_refused(browser: Browser) -> None:
    browser.enter("supervisor-1")
    assert (
        browser.submit("/names", {"pseudonym": "p-\0", "reason": "because it is needed"}).status_code == 422
    )


def test_an_error_page_says_what_to_do_and_nothing_else(browser: Browser) -> None:
    pages = {path: browser.get(path) for path in ("/nothing", "/broken", "/raced", "/counted?number=many")}
    assert [page.status_code for page in pages.values()] == [404, 500, 409, 422]
    for page in pages.values():
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert re.search(r"Reference: [0-9a-f]{10}", page.text)
        assert SECRET not in page.text and "Traceback" not in page.text
    assert "Somebody has closed this alert." in pages["/raced"].text
    assert "Number: input should be a valid integer" in pages["/counted?number=many"].text
    assert "many" not in pages["/counted?number=many"].text


def test_programs_get_errors_as_json(browser: Browser) -> None:
    for path, status in (("/api/nothing", 404), ("/api/broken", 500), ("/api/counted?number=many", 422)):
        answer = browser.get(path)
        assert answer.status_code == status
        assert answer.json().keys() == {"error", "reference"}


def test_an_error_page_comes_even_when_the_template_is_broken(browser: Browser, console: FastAPI) -> None:
    console.state.templates = None
    answer = browser.get("/nothing")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/plain; charset=utf-8")
    assert "There is no such page" in answer.text


def test_the_log_has_the_reference_and_no_address_or_person(browser: Browser, lines: list[Any]) -> None:
    page = browser.get("/broken?name=p-abcdefghijklmnop")
    browser.enter("supervisor-1").get("/account")
    (reference,) = re.findall(r"Reference: (\w+)", page.text)
    assert [line["event"] for line in lines if line.get("reference") == reference] == [
        "unexpected error",
        "request",
    ]
    requests = [line for line in lines if line["event"] == "request"]
    assert [(line["route"], line["status"]) for line in requests] == [("/broken", 500), ("/account", 200)]
    said = json.dumps(requests)
    assert not any(word in said for word in ("p-abc", "192.0.2", "supervisor-1"))


def test_health_and_readiness(browser: Browser, console: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    assert browser.get("/healthz").json() == browser.get("/readyz").json() == {"ok": True}

    def gone() -> Any:
        raise OperationalError("select 1", {}, Exception("gone"))

    monkeypatch.setattr(console.state.store, "reading", gone)
    assert browser.get("/healthz").status_code == 200
    answer = browser.get("/readyz")
    assert answer.status_code == 503 and "gone" not in answer.text


def test_what_works_beside_the_pages_starts_and_ends_with_them(store: Store, tmp_path: Path) -> None:
    told = []

    class Worker:
        def __init__(self, name: str) -> None:
            self.name = name

        def start(self) -> None:
            told.append(f"{self.name} starts")

        def stop(self) -> None:
            told.append(f"{self.name} stops")

    app = make_console(store, tmp_path, beside=[Worker("reader"), Worker("sender")])
    assert told == []
    with Browser(app):
        assert told == ["reader starts", "sender starts"]
    assert told[2:] == ["sender stops", "reader stops"]


def test_too_many_requests_are_slowed_down(store: Store, tmp_path: Path) -> None:
    app = make_console(store, tmp_path, requests_a_minute=10)
    first, second = Browser(app), Browser(app, address="198.51.100.7")
    assert [first.get("/healthz").status_code for _ in range(12)] == [200] * 10 + [429] * 2
    assert second.get("/healthz").status_code == 200


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.floats(0, 20), max_size=60), st.integers(1, 20))
def test_no_span_of_time_sees_more_requests_than_allowed(gaps: list[float], a_minute: int) -> None:
    now = 0.0
    pace = Pace(a_minute, lambda: now)
    passed = []
    for gap in gaps:
        now += gap
        if not pace.wait("192.0.2.1"):
            passed.append(now)
    for begin in range(len(passed)):
        for end in range(begin, len(passed)):
            span = passed[end] - passed[begin]
            assert end - begin + 1 <= a_minute + span * a_minute / 60 + 1e-6


def test_permission_is_asked_before_the_input_is_judged(console: FastAPI) -> None:
    """Who may not do something does not learn what it would need."""
    router = APIRouter()

    def not_ready() -> None:
        raise HTTPException(503)

    needs = [Depends(not_ready), Depends(require(Permission.MANAGE_ACCOUNTS))]

    @router.get("/secret/{number}", dependencies=needs)
    def secret(number: int) -> int:
        return number

    console.include_router(router)
    declared(console.routes)
    assert Browser(console).enter("supervisor-1").get("/secret/many").status_code == 403
    assert Browser(console).get("/secret/many").status_code == 303
