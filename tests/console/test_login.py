"""Logging in and out: the steps, the second factor, and how sessions end."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from console.access.permissions import Role
from console.access.places import own_path
from console.access.visits import Stage
from console.storage.engine import Store
from tests.console.browsing import PASSWORD, Browser, Clock, add_account, make_console, set_up_factor, told


def test_the_right_password_opens_the_console(console: FastAPI) -> None:
    browser = Browser(console)
    answer = browser.log_in("Reviewer-1 ")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert browser.get("/account").status_code == 200
    assert told(console, "access") == [{"what": "logged in", "by": "password"}]


def test_after_the_login_one_goes_on_to_where_one_wanted(console: FastAPI) -> None:
    browser = Browser(console)
    answer = browser.get("/account?a=b%26c")
    assert answer.headers["location"] == "/login?next=%2Faccount%3Fa%3Db%2526c"
    answer = browser.log_in("reviewer-1", next="/account?a=b%26c")
    assert answer.headers["location"] == "/account?a=b%26c"


ELSEWHERE = [
    "https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example", "\\\\elsewhere.example",
    "/\t/elsewhere.example", "javascript:alert(1)", "https:elsewhere.example", "/\n/elsewhere.example",
    " //elsewhere.example", "/%0d%0aSet-Cookie:x=y\r\n", "///elsewhere.example", "elsewhere.example",
    "/" + "a" * 3000,
]  # fmt: skip


@pytest.mark.parametrize("place", ELSEWHERE)
def test_a_login_never_leads_to_another_site(console: FastAPI, place: str) -> None:
    browser = Browser(console)
    assert place[:40] not in browser.get("/login", params={"next": place}).text
    answer = browser.log_in("reviewer-1", next=place)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert browser.get("/login", params={"next": place}).headers["location"] == "/"


@given(st.text(max_size=40))
def test_what_is_taken_for_an_own_path_begins_with_one_slash(wanted: str) -> None:
    found = own_path(wanted)
    assert found is None or (found == wanted and re.match(r"/(?![/\\])[\x20-\x7e]*\Z", found))


def test_a_session_that_was_planted_is_worth_nothing_after_the_login(console: FastAPI) -> None:
    """Session fixation: the attacker knows the token that the victim's browser had before."""
    victim, attacker = Browser(console), Browser(console)
    victim.get("/login")
    planted = victim.token
    assert planted is not None
    victim.submit("/login", {"name": "reviewer-1", "password": PASSWORD})
    assert victim.token not in (None, planted)
    attacker.cookies.set("probewatch-session", planted)
    assert attacker.get("/account").headers["location"].startswith("/login")


def test_every_step_makes_a_new_token(console: FastAPI, clock: Clock) -> None:
    browser = Browser(console)
    browser.log_in("reviewer-1")
    first = browser.token
    app, _ = set_up_factor(browser, clock)
    second = browser.token
    browser.submit("/logout")
    clock.pass_by(minutes=1)
    browser.log_in("reviewer-1")
    third = browser.token
    browser.submit("/login/code", {"code": app.at(clock())})
    assert len({first, second, third, browser.token}) == 4
    for old in (first, second, third):
        other = Browser(console)
        other.cookies.set("probewatch-session", old or "")
        assert other.get("/account").headers["location"].startswith("/login")


def test_a_copy_of_the_store_holds_no_token_password_or_secret(console: FastAPI, clock: Clock) -> None:
    browser = Browser(console)
    browser.log_in("reviewer-1")
    app, codes = set_up_factor(browser, clock)
    with console.state.store.engine.connect() as connection:
        dump = "\n".join(connection.connection.driver_connection.iterdump())
    device = next(cookie.value for cookie in browser.cookies.jar if cookie.name.endswith("device"))
    for secret in (
        browser.token,
        device,
        PASSWORD,
        app.secret,
        *codes,
        *(code.replace("-", "") for code in codes),
    ):
        assert secret and secret not in dump


def test_without_the_second_factor_the_password_alone_opens_nothing(console: FastAPI, clock: Clock) -> None:
    browser = Browser(console)
    browser.log_in("reviewer-1")
    app, _ = set_up_factor(browser, clock)
    browser.submit("/logout")
    answer = browser.log_in("reviewer-1", next="/account")
    assert answer.headers["location"] == "/login/code?next=%2Faccount"
    for path in ("/account", "/account/password", "/account/second-factor", "/names"):
        assert browser.get(path).headers["location"] == "/login/code", path
    assert browser.submit("/login/code", {"code": "000000"}).status_code == 401
    clock.pass_by(minutes=1)
    answer = browser.submit("/login/code", {"code": app.at(clock()), "next": "/account"})
    assert answer.headers["location"] == "/account"
    assert browser.get("/account").status_code == 200
    assert told(console, "access")[-1] == {"what": "logged in", "by": "password and second factor"}


def test_a_code_is_taken_once(console: FastAPI, clock: Clock) -> None:
    browser = Browser(console)
    browser.log_in("reviewer-1")
    app, _ = set_up_factor(browser, clock)
    clock.pass_by(minutes=1)
    code = app.at(clock())
    for attempt, expected in enumerate((303, 401, 401)):
        other = Browser(console)
        other.log_in("reviewer-1")
        clock.pass_by(seconds=0 if attempt < 2 else 10)
        assert other.submit("/login/code", {"code": code}).status_code == expected


@pytest.mark.parametrize(("late", "expected"), [(-30, 303), (0, 303), (30, 303), (90, 401), (-90, 401)])
def test_clocks_may_differ_by_one_step(console: FastAPI, clock: Clock, late: int, expected: int) -> None:
    browser = Browser(console)
    browser.log_in("reviewer-1")
    app, _ = set_up_factor(browser, clock)
    clock.pass_by(minutes=10)
    other = Browser(console)
    other.log_in("reviewer-1")
    code = app.at(int(clock().timestamp()) - late)
    assert other.submit("/login/code", {"code": code}).status_code == expected


def test_a_recovery_code_replaces_the_app_once(console: FastAPI, clock: Clock) -> None:
    browser = Browser(console)
    browser.log_in("reviewer-1")
    _, codes = set_up_factor(browser, clock)
    assert len(set(codes)) == 10
    for expected in (303, 401):
        other = Browser(console)
        other.log_in("reviewer-1")
        assert other.submit("/login/code", {"code": codes[0].upper()}).status_code == expected
    other = Browser(console)
    other.log_in("reviewer-1")
    assert other.submit("/login/code", {"code": codes[1].replace("-", " ")}).status_code == 303
    assert "<dd>8</dd>" in other.get("/account").text


def test_a_required_second_factor_is_set_up_at_the_first_login(
    store: Store, tmp_path: Path, clock: Clock
) -> None:
    app = make_console(store, tmp_path, clock=clock, second_factor="required")
    add_account(app, "reviewer-1", Role.REVIEWER)
    browser = Browser(app)
    assert browser.log_in("reviewer-1").headers["location"] == "/account/second-factor"
    assert browser.get("/account").headers["location"] == "/account/second-factor"
    assert told(app, "access") == []
    set_up_factor(browser, clock)
    assert browser.get("/account").status_code == 200


def test_a_password_from_somebody_else_is_changed_first_and_ends(console: FastAPI, clock: Clock) -> None:
    add_account(console, "viewer-1", Role.VIEWER, until=clock() + timedelta(days=7))
    browser = Browser(console)
    assert browser.log_in("viewer-1").headers["location"] == "/account/password"
    assert browser.get("/account").headers["location"] == "/account/password"
    chosen = "seven storks on a chimney"
    answer = browser.submit("/account/password", {"old": PASSWORD, "new": chosen, "again": chosen})
    assert answer.status_code == 303
    assert browser.get("/account").status_code == 200
    add_account(console, "viewer-2", Role.VIEWER, until=clock() + timedelta(days=7))
    clock.pass_by(days=7)
    assert Browser(console).log_in("viewer-2").status_code == 401


def test_a_new_login_ends_the_session_that_the_browser_had(console: FastAPI) -> None:
    browser = Browser(console).enter("reviewer-1")
    old = browser.token
    assert browser.submit("/login", {"name": "reviewer-1", "password": PASSWORD}).status_code == 303
    assert browser.token != old
    other = Browser(console)
    other.cookies.set("probewatch-session", old or "")
    assert other.get("/account").status_code == 303


def test_cookies_are_for_us_alone(store: Store, tmp_path: Path) -> None:
    app = make_console(store, tmp_path, public_url="https://console.example.org")
    add_account(app, "reviewer-1", Role.REVIEWER)
    browser = Browser(app, "https://console.example.org")
    browser.get("/login")
    answer = browser.submit("/login", {"name": "reviewer-1", "password": PASSWORD})
    cookies = [
        browser.get("/login", headers={"cookie": ""}).headers.get("set-cookie", ""),
        *answer.headers.get_list("set-cookie"),
    ]
    assert len([cookie for cookie in cookies if cookie]) >= 2
    for cookie in filter(None, cookies):
        words = {word.strip().casefold() for word in cookie.split(";")}
        assert cookie.startswith("__Host-probewatch-")
        assert {"secure", "httponly", "samesite=lax", "path=/"} <= words
        assert not any(word.startswith("domain") for word in words)


def test_a_session_ends_when_nobody_uses_it_and_anyway(console: FastAPI, clock: Clock) -> None:
    idle, busy = Browser(console).enter("reviewer-1"), Browser(console).enter("reviewer-1")
    answers = []
    for _ in range(12 * 3):
        clock.pass_by(minutes=20)
        answers.append(busy.get("/account").status_code)
        if len(answers) == 2:
            assert idle.get("/account").status_code == 303
    assert answers == [200] * 35 + [303]  # 12 hours


def test_what_a_page_asks_for_by_itself_keeps_nobody_logged_in(console: FastAPI, clock: Clock) -> None:
    left = Browser(console).enter("reviewer-1")
    for _ in range(5):
        clock.pass_by(minutes=7)
        status = left.get("/account", headers={"X-Background": "yes"}).status_code
    assert status == 303


def test_an_unfinished_login_does_not_wait_for_long(console: FastAPI, clock: Clock) -> None:
    browser = Browser(console).enter("reviewer-1", Stage.PASSWORD)
    assert browser.get("/account/password").status_code == 200
    clock.pass_by(minutes=15)
    assert browser.get("/account/password").headers["location"].startswith("/login")


def test_who_logs_out_is_out(console: FastAPI) -> None:
    browser = Browser(console).enter("reviewer-1")
    token = browser.token
    assert browser.submit("/logout").headers["location"] == "/login"
    assert "You are logged out." in browser.get("/login").text
    assert "You are logged out." not in browser.get("/login").text
    browser.cookies.set("probewatch-session", token or "")
    assert browser.get("/account").status_code == 303
    assert told(console, "access")[-1] == {"what": "logged out"}


def test_all_other_sessions_can_be_ended(console: FastAPI) -> None:
    here, there = Browser(console).enter("reviewer-1"), Browser(console).enter("reviewer-1")
    here.submit("/account/sessions/end")
    assert here.get("/account").status_code == 200
    assert there.get("/account").status_code == 303
    assert told(console, "account")[-1] == {"account": "reviewer-1", "what": "sessions ended", "sessions": 1}


def test_a_new_password_ends_other_sessions(console: FastAPI) -> None:
    here, there = Browser(console).enter("reviewer-1"), Browser(console).enter("reviewer-1")
    new = "seven storks on a chimney"
    assert here.submit("/account/password", {"old": PASSWORD, "new": new, "again": new}).status_code == 303
    assert here.get("/account").status_code == 200
    assert there.get("/account").status_code == 303
    assert Browser(console).log_in("reviewer-1").status_code == 401
    assert Browser(console).log_in("reviewer-1", new).status_code == 303


def test_htmx_is_told_where_to_go(console: FastAPI) -> None:
    part = {"HX-Request": "true", "HX-Current-URL": "http://testserver/account"}
    answer = Browser(console).get("/account", headers=part)
    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/login?next=%2Faccount")
