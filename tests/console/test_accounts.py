"""Accounts: what administrators do with them, passwords, and what the ledger says of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from console.access import accounts
from console.access.passwords import LEAST, temporary, weakness
from console.access.permissions import PURPOSES, Role, fitting
from console.storage.engine import Store
from console.storage.ledger import entries
from tests.console.browsing import PASSWORD, Browser, Clock, add_account, make_console, set_up_factor


@pytest.fixture
def console(store: Store, tmp_path: Path, clock: Clock) -> FastAPI:
    app = make_console(store, tmp_path, clock=clock)
    add_account(app, "administrator-1", Role.ADMINISTRATOR)
    add_account(app, "reviewer-1", Role.REVIEWER)
    return app


@pytest.fixture
def administrator(console: FastAPI) -> Browser:
    return Browser(console).enter("administrator-1")


def id_of(app: FastAPI, name: str) -> int:
    with app.state.store.reading() as session:
        found = accounts.named(session, name)
        assert found is not None
        return found.id


def last_entry(app: FastAPI) -> tuple[str, str, Any]:
    with app.state.store.reading() as session:
        *_, last = entries(session)
    return str(last.kind), str(last.actor), last.body


def notice(browser: Browser, answer: Any) -> str:
    """What the next page says."""
    assert answer.status_code == 303
    text = browser.get(answer.headers["location"]).text
    found = re.search(r'<div class="note \w+" role="\w+"><p>(.*?)</p>', text)
    assert found is not None, text
    return found[1]


def test_an_administrator_adds_an_account_with_a_password_for_the_first_login(
    console: FastAPI, administrator: Browser
) -> None:
    answer = administrator.submit("/accounts", {"name": "Viewer-1", "role": ["viewer", "analyst"]})
    assert answer.status_code == 200
    (made,) = re.findall(r"<code>([a-z0-9-]{23})</code>", answer.text)
    assert last_entry(console) == (
        "account",
        "administrator-1",
        {"account": "viewer-1", "what": "added", "roles": ["analyst", "viewer"]},
    )
    browser = Browser(console)
    assert browser.log_in("viewer-1", made).headers["location"] == "/account/password"
    assert "viewer-1" in administrator.get("/accounts").text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "reviewer-1", "role": ["viewer"]}, "There is an account reviewer-1 already."),
        ({"name": "REVIEWER-1", "role": ["viewer"]}, "There is an account reviewer-1 already."),
        ({"name": "x", "role": ["viewer"]}, "A name has 2 to 64"),
        ({"name": "<script>alert(1)</script>", "role": ["viewer"]}, "A name has 2 to 64"),
        ({"name": "viewer-1"}, "an account needs a role"),
        ({"name": "viewer-1", "role": ["owner"]}, "owner is no role"),
        ({"name": "viewer-1", "role": ["auditor", "viewer"]}, "no other role goes with it"),
    ],
)
def test_an_account_that_cannot_be_is_refused(
    administrator: Browser, fields: dict[str, Any], said: str
) -> None:
    assert said in notice(administrator, administrator.submit("/accounts", fields))


def test_the_boxes_say_what_a_role_is_for(console: FastAPI, administrator: Browser) -> None:
    for path in ("/accounts", f"/accounts/{id_of(console, 'reviewer-1')}"):
        page = administrator.get(path).text
        assert all(f">{role}: {PURPOSES[role]}</label>" in page for role in Role), path


def test_other_roles_end_the_sessions_of_an_account(console: FastAPI, administrator: Browser) -> None:
    reviewer = Browser(console).enter("reviewer-1")
    place = f"/accounts/{id_of(console, 'reviewer-1')}"
    administrator.submit(f"{place}/roles", {"role": ["supervisor"]})
    assert reviewer.get("/account").status_code == 303
    assert Browser(console).enter("reviewer-1").get("/names/look-ups").status_code == 200
    body = {"account": "reviewer-1", "what": "roles changed", "before": ["reviewer"], "roles": ["supervisor"]}
    assert last_entry(console) == ("account", "administrator-1", body)


def test_a_disabled_account_is_out_at_once_and_may_come_back(
    console: FastAPI, administrator: Browser
) -> None:
    reviewer = Browser(console).enter("reviewer-1")
    place = f"/accounts/{id_of(console, 'reviewer-1')}"
    administrator.submit(f"{place}/disable")
    assert reviewer.get("/account").status_code == 303
    assert Browser(console).log_in("reviewer-1").status_code == 401
    administrator.submit(f"{place}/enable")
    assert Browser(console).log_in("reviewer-1").status_code == 303


def test_nobody_changes_the_own_roles(console: FastAPI, administrator: Browser) -> None:
    place = f"/accounts/{id_of(console, 'administrator-1')}"
    for path, fields in (
        (f"{place}/roles", {"role": ["administrator", "supervisor"]}),
        (f"{place}/disable", {}),
    ):
        assert "another administrator does" in notice(administrator, administrator.submit(path, fields))


def test_the_last_administrator_stays(console: FastAPI) -> None:
    with console.state.store.writing() as session:
        last = accounts.named(session, "administrator-1")
        assert last is not None
        now = console.state.now()
        with pytest.raises(accounts.Refused, match="last administrator"):
            accounts.set_roles(session, last, ["viewer"], "administrator-2", now)
        with pytest.raises(accounts.Refused, match="last administrator"):
            accounts.disable(session, last, "administrator-2", now)


def test_a_new_password_from_an_administrator_replaces_the_old_one(
    console: FastAPI, administrator: Browser
) -> None:
    reviewer = Browser(console)
    reviewer.log_in("reviewer-1")
    answer = administrator.submit(f"/accounts/{id_of(console, 'reviewer-1')}/password")
    (made,) = re.findall(r"<code>([a-z0-9-]{23})</code>", answer.text)
    assert reviewer.get("/account").status_code == 303
    assert Browser(console).log_in("reviewer-1").status_code == 401
    assert Browser(console).log_in("reviewer-1", made).headers["location"] == "/account/password"
    assert made not in str(last_entry(console))


def test_a_lost_second_factor_is_removed(console: FastAPI, administrator: Browser, clock: Clock) -> None:
    reviewer = Browser(console)
    reviewer.log_in("reviewer-1")
    set_up_factor(reviewer, clock)
    assert Browser(console).log_in("reviewer-1").headers["location"] == "/login/code"
    administrator.submit(f"/accounts/{id_of(console, 'reviewer-1')}/second-factor")
    assert Browser(console).log_in("reviewer-1").headers["location"] == "/"
    assert last_entry(console)[2]["what"] == "logged in"


@pytest.mark.parametrize("number", ["0", "-1", "999999", str(2**70)])
def test_an_account_that_is_not_there_is_a_page(administrator: Browser, number: str) -> None:
    assert administrator.get(f"/accounts/{number}").status_code == 404


def test_every_account_has_a_page(console: FastAPI, administrator: Browser) -> None:
    for name in ("administrator-1", "reviewer-1"):
        assert name in administrator.get(f"/accounts/{id_of(console, name)}").text


WEAK = [
    ("elevenchars", "needs 12"),
    ("", "needs 12"),
    ("a" * 257, "at most"),
    ("aaaaaaaaaaaaaaaaaaaa", "too few"),
    ("abababababababab", "too few"),
    ("reviewer-1 reviewer-1", "others would try"),
    ("reviewer-1reviewer-1!", "others would try"),
    ("1234567890123", "others would try"),
    ("probewatch2026", "others would try"),
    ("abcdefghijklm", "others would try"),
    ("Password1234567", "others would try"),
    ("qwertyuiop1234", "others would try"),
]


@pytest.mark.parametrize(("password", "said"), WEAK)
def test_what_others_would_try_first_is_refused(password: str, said: str) -> None:
    assert said in (weakness(password, "reviewer-1") or "")


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery",
        PASSWORD,
        "ſüßer Brei für alle",
        "柳に雪折れなし、花より団子、猿も",
        # Its id has to be the same in every process that collects this.
        pytest.param(temporary(), id="temporary"),
    ],
)
def test_length_counts_and_any_character_may_be_used(password: str) -> None:
    assert weakness(password, "reviewer-1") is None


@given(st.text(min_size=0, max_size=300), st.from_regex(accounts.NAME, fullmatch=True))
def test_short_passwords_and_names_are_never_taken(password: str, name: str) -> None:
    if len(password) < LEAST // 4:
        assert weakness(password, name) is not None
    assert weakness(name, name) is not None


@given(st.sets(st.sampled_from([*Role, "owner", ""])))
def test_roles_fit_or_are_refused_with_a_sentence(names: set[str]) -> None:
    try:
        found = fitting(names)
    except ValueError as error:
        assert len(str(error).split()) >= 3
        assert not names or names - set(Role) or (Role.AUDITOR in names and len(names) > 1)
    else:
        assert found == names


def test_a_password_typed_with_another_keyboard_is_the_same(console: FastAPI) -> None:
    browser = Browser(console).enter("reviewer-1")
    composed, taken_apart = "süße Kirschen im Juli", "su\u0308ße Kirschen im Juli"
    new = {"old": PASSWORD, "new": composed, "again": composed}
    assert browser.submit("/account/password", new).status_code == 303
    assert Browser(console).log_in("reviewer-1", taken_apart).status_code == 303
