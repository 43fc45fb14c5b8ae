"""Who a pseudonym is: for a reason, in the ledger first, listed and watched."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import structlog
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from console.access.names import Names
from console.access.permissions import Role
from console.storage.engine import Store
from console.storage.ledger import entries
from models.look_ups import LEAST, unusual
from models.pseudonym import Pseudonyms
from models.roster import Posting
from tests.console.browsing import Browser, Clock, add_account, make_console

KEY = b"0123456789abcdef"
PERSON = "badge-4711"
PSEUDONYM = Pseudonyms(KEY)(PERSON)
REASON = "the department has to be asked"


def posting(requester: str, begin: int, unit: str = "unit-1") -> Posting:
    return Posting(requester_id=requester, agency_id="agency-1", unit_id=unit, valid_from=begin)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Tracebacks for people are slow."""
    with structlog.testing.capture_logs():
        yield


@pytest.fixture
def console(store: Store, tmp_path: Path, clock: Clock) -> FastAPI:
    day = date(2024, 5, 1).toordinal()
    names = Names.of([posting(PERSON, day), posting("badge-1", day)], KEY)
    app = make_console(store, tmp_path, clock=clock, names=names)
    add_account(app, "reviewer-1", Role.REVIEWER)
    add_account(app, "reviewer-2", Role.REVIEWER)
    add_account(app, "supervisor-1", Role.SUPERVISOR)
    return app


def ask(app: FastAPI, name: str = "reviewer-1", **fields: str) -> Any:
    browser = Browser(app).enter(name)
    return browser.submit("/names", {"pseudonym": PSEUDONYM, "reason": REASON, **fields})


def look_ups(app: FastAPI) -> list[Any]:
    with app.state.store.reading() as session:
        return [(entry.actor, entry.body) for entry in entries(session) if entry.kind == "lookup"]


def test_a_reason_shows_who_it_is_and_stands_in_the_ledger(console: FastAPI) -> None:
    answer = ask(console, alert="a1")
    assert answer.status_code == 200
    assert PERSON in answer.text and "unit-1, from 1 May 2024" in answer.text
    body = {"pseudonym": PSEUDONYM, "reason": REASON, "alert_id": "a1", "found": True}
    assert look_ups(console) == [("reviewer-1", body)]


@pytest.mark.parametrize("reason", ["", "because", " " * 50, "x" * 1001])
def test_without_a_reason_nothing_is_shown(console: FastAPI, reason: str) -> None:
    answer = ask(console, reason=reason)
    assert answer.status_code == 422 and PERSON not in answer.text
    assert look_ups(console) == []


def test_what_is_not_in_the_ledger_is_not_shown(console: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is sent after the entry is safe: a store that fails at the last moment shows nothing."""

    def fail(self: Session) -> None:
        raise OSError("the disk is full")

    browser = Browser(console).enter("reviewer-1")
    with monkeypatch.context() as broken:
        broken.setattr("sqlalchemy.orm.session.SessionTransaction.commit", fail)
        answer = browser.submit("/names", {"pseudonym": PSEUDONYM, "reason": REASON})
    assert answer.status_code == 500 and PERSON not in answer.text
    assert look_ups(console) == []


def test_somebody_who_is_not_on_the_roster_is_logged_too(console: FastAPI) -> None:
    answer = ask(console, pseudonym="p-unknown")
    assert "Nobody on the roster" in answer.text
    assert look_ups(console)[0][1]["found"] is False


def test_no_roster_page_or_error_gives_a_name_away(console: FastAPI) -> None:
    browser = Browser(console).enter("supervisor-1")
    ask(console)
    for path in (
        "/names",
        f"/names?pseudonym={PSEUDONYM}",
        "/names/look-ups",
    ):
        page = browser.get(path)
        assert page.status_code == 200
        assert PERSON not in page.text


@pytest.mark.parametrize(
    ("postings", "key", "said"),
    [([posting(PERSON, 1)], b"", "PROBEWATCH_PSEUDONYM_KEY"), ([], KEY, "roster")],
)
def test_where_names_cannot_be_looked_up_the_page_says_why(
    store: Store, tmp_path: Path, postings: list[Posting], key: bytes, said: str
) -> None:
    app = make_console(store, tmp_path, names=Names.of(postings, key))
    add_account(app, "reviewer-1", Role.REVIEWER)
    assert said in Browser(app).enter("reviewer-1").get("/names").text
    answer = ask(app)
    assert answer.status_code == 409 and said in answer.text
    assert look_ups(app) == []


def test_supervisors_see_who_looked_up_how_much_and_why(console: FastAPI, clock: Clock) -> None:
    for week in range(6):
        for name in ("reviewer-1", "reviewer-2"):
            ask(console, name, reason=f"week {week} of the case")
        clock.pass_by(days=7)
    for n in range(12):
        ask(console, "reviewer-2", reason=f"curious number {n}")
    page = Browser(console).enter("supervisor-1").get("/names/look-ups").text
    assert "unusual: 12 where 1 a week are normal" in page
    assert page.count("unusual:") == 1
    assert "curious number 3" in page and "week 5 of the case" in page
    csv = Browser(console).enter("supervisor-1").get("/names/look-ups?export=look-ups").text
    assert csv.count("curious number") == 12


def test_a_new_team_with_few_look_ups_is_not_unusual(console: FastAPI) -> None:
    for _ in range(LEAST - 1):
        ask(console)
    assert "unusual:" not in Browser(console).enter("supervisor-1").get("/names/look-ups").text


weeks = st.lists(st.integers(0, 50), min_size=4, max_size=4)
accounts = st.dictionaries(st.sampled_from("abcdef"), weeks, min_size=2)


@given(accounts, st.sampled_from("abcdef"), st.integers(0, 50))
def test_more_look_ups_never_make_a_week_less_unusual(
    found: dict[str, list[int]], name: str, more: int
) -> None:
    if name not in found:
        return
    before = {one.account for one in unusual(found)}
    after = {one.account for one in unusual({**found, name: [*found[name][:-1], found[name][-1] + more]})}
    assert name not in before or name in after


@given(accounts, st.permutations("abcdef"))
def test_names_of_accounts_do_not_matter(found: dict[str, list[int]], others: list[str]) -> None:
    renamed = dict(zip("abcdef", others, strict=True))
    turned = {renamed[one.account] for one in unusual(found)}
    assert turned == {one.account for one in unusual({renamed[name]: own for name, own in found.items()})}


def test_one_account_that_asks_a_hundred_times_hides_no_other() -> None:
    """An outlier among many weeks moves the median little: robust to a few."""
    calm = {name: [1, 1, 1, 1] for name in "uvwxyz"}
    assert {one.account for one in unusual({**calm, "u": [1, 1, 1, 30], "v": [1, 1, 1, 500]})} == {"u", "v"}


def test_equal_weeks_are_never_unusual() -> None:
    assert unusual({"a": [40] * 12, "b": [40] * 12}) == []
    assert unusual({"a": [500]}) == []
    assert unusual({}) == []
