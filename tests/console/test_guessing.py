"""Guessing at the login: it becomes slow, locks nobody out, and tells nothing about accounts."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from argon2 import PasswordHasher
from fastapi import FastAPI

from console.access import accounts
from console.access.passwords import Passwords
from console.access.permissions import Role
from tests.console.browsing import PASSWORD, Browser, Clock, add_account, set_up_factor, told

WRONG = "The name or the password is wrong."


def test_guessing_passwords_becomes_slow_and_then_goes_on(console: FastAPI, clock: Clock) -> None:
    attacker = Browser(console)
    answers = [attacker.log_in("reviewer-1", f"guess number {n} of many").status_code for n in range(7)]
    assert answers == [401] * 5 + [429] * 2
    for n in range(12):
        clock.pass_by(minutes=15)
        assert attacker.log_in("reviewer-1", f"guess number {n} of many").status_code == 401
    waiting = attacker.log_in("reviewer-1", "guess")
    assert waiting.status_code == 429 and int(waiting.headers["retry-after"]) <= 900
    assert told(console, "account")[-1]["what"] == "slowed down after failed logins"
    assert sum(one["what"].startswith("slowed") for one in told(console, "account")) == 1


def test_the_right_password_does_not_help_whoever_must_wait(console: FastAPI, clock: Clock) -> None:
    attacker = Browser(console)
    for n in range(5):
        attacker.log_in("reviewer-1", f"guess number {n}")
    assert attacker.log_in("reviewer-1").status_code == 429
    clock.pass_by(minutes=16)
    assert attacker.log_in("reviewer-1").status_code == 303


def test_an_attacker_cannot_lock_the_owner_out(console: FastAPI, clock: Clock) -> None:
    owner, attacker = Browser(console), Browser(console, address="198.51.100.7")
    owner.log_in("reviewer-1")
    owner.submit("/logout")
    for n in range(20):
        attacker.log_in("reviewer-1", f"guess number {n}")
        clock.pass_by(seconds=3)
    assert attacker.log_in("reviewer-1", "guess").status_code == 429
    assert owner.log_in("reviewer-1").status_code == 303


def test_failures_of_a_whole_address_do_not_stop_a_browser_that_is_known(console: FastAPI) -> None:
    """Everybody behind one proxy has one address."""
    owner, attacker = Browser(console), Browser(console)
    owner.log_in("reviewer-1")
    owner.submit("/logout")
    for n in range(40):
        attacker.log_in(f"other-{n}", "password spraying")
    assert Browser(console).log_in("reviewer-1").status_code == 429
    assert owner.log_in("reviewer-1").status_code == 303


def test_a_stolen_mark_of_a_browser_gives_no_more_tries(console: FastAPI) -> None:
    owner, attacker = Browser(console), Browser(console)
    owner.log_in("reviewer-1")
    attacker.cookies.set("probewatch-device", owner.cookies["probewatch-device"])
    answers = [attacker.log_in("reviewer-1", f"guess number {n}").status_code for n in range(7)]
    assert answers == [401] * 5 + [429] * 2


def test_many_accounts_from_one_address_become_slow_too(console: FastAPI) -> None:
    attacker = Browser(console)
    answers = [attacker.log_in(f"reviewer-{n}", "password spraying").status_code for n in range(40)]
    assert answers == [401] * 30 + [429] * 10
    assert Browser(console, address="198.51.100.7").log_in("reviewer-1").status_code == 303


def test_success_does_not_hide_the_failures_of_an_address(console: FastAPI) -> None:
    attacker = Browser(console)
    answers = []
    for n in range(33):
        answers.append(attacker.log_in(f"other-{n}", "password spraying").status_code)
        attacker.log_in("reviewer-1")
        attacker.submit("/logout")
    assert answers[:29] == [401] * 29 and set(answers[31:]) == {429}


def test_guessing_codes_becomes_slow_too(console: FastAPI, clock: Clock) -> None:
    browser = Browser(console)
    browser.log_in("reviewer-1")
    set_up_factor(browser, clock)
    attacker = Browser(console, address="198.51.100.7")
    attacker.log_in("reviewer-1")
    answers = [attacker.submit("/login/code", {"code": f"{n:06}"}).status_code for n in range(7)]
    assert answers == [401] * 5 + [429] * 2


def test_somebody_at_an_open_session_cannot_guess_the_password(console: FastAPI) -> None:
    browser = Browser(console).enter("reviewer-1")
    new = {"new": "seven storks on a chimney", "again": "seven storks on a chimney"}
    answers = [
        browser.submit("/account/password", {"old": f"guess {n}", **new}).status_code for n in range(7)
    ]
    assert answers == [422] * 5 + [429] * 2


def ways_to_fail(app: FastAPI) -> dict[str, Callable[[Browser], Any]]:
    add_account(app, "disabled-1", Role.REVIEWER)
    add_account(app, "provider-1", Role.REVIEWER, password=None)
    with app.state.store.writing() as session:
        disabled = accounts.named(session, "disabled-1")
        assert disabled is not None
        accounts.disable(session, disabled, "administrator-1", app.state.now())
    return {
        "wrong password": lambda browser: browser.log_in("reviewer-1", "not the password"),
        "unknown": lambda browser: browser.log_in("nobody-1", "not the password"),
        "unknown, right": lambda browser: browser.log_in("nobody-1"),
        "disabled": lambda browser: browser.log_in("disabled-1"),
        "provider's": lambda browser: browser.log_in("provider-1"),
        "odd": lambda browser: browser.log_in("' or 1=1 --", "' or 1=1 --"),
        "long": lambda browser: browser.log_in("a" * 70_000, "b" * 70_000),
        "none": lambda browser: browser.log_in("", ""),
    }


def test_no_answer_says_which_accounts_there_are(console: FastAPI) -> None:
    """User enumeration by text, status, headers and cookies."""
    seen = {}
    for n, (way, fail) in enumerate(ways_to_fail(console).items()):
        answer = fail(Browser(console, address=f"198.51.100.{n}"))
        text = re.sub(
            r'(name="csrf_token" value=)"\w+"|(id="name" name="name" value=)"[^"]*"', r"\1\2", answer.text
        )
        seen[way] = answer.status_code, text, sorted(answer.headers.keys()), WRONG in text
    for way, what in seen.items():
        assert what == seen["wrong password"], way
    assert seen["unknown"][0] == 401 and seen["unknown"][3]


def test_an_unknown_account_becomes_as_slow_as_a_known_one(console: FastAPI) -> None:
    attackers = {
        name: Browser(console, address=f"198.51.100.{n}") for n, name in enumerate(("reviewer-1", "nobody-1"))
    }
    answers = {
        name: [attacker.log_in(name, f"guess {n}").status_code for n in range(8)]
        for name, attacker in attackers.items()
    }
    assert answers["reviewer-1"] == answers["nobody-1"] == [401] * 5 + [429] * 3


def test_no_time_says_which_accounts_there_are(console: FastAPI, clock: Clock) -> None:
    """With a hash that takes 20 ms or so, an unknown account is not answered in less than half of that."""
    passwords = console.state.passwords = Passwords(
        PasswordHasher(time_cost=1, memory_cost=16_384, parallelism=1)
    )
    with console.state.store.writing() as session:
        row = accounts.named(session, "reviewer-1")
        assert row is not None
        row.password = passwords.hash(PASSWORD)
    taken: dict[str, list[float]] = {"reviewer-1": [], "nobody-1": []}
    browser = Browser(console)
    browser.get("/login")
    for n in range(7):
        for name, times in taken.items():
            clock.pass_by(days=2)
            begin = time.process_time()
            assert browser.submit("/login", {"name": name, "password": f"guess {n}"}).status_code == 401
            times.append(time.process_time() - begin)
    known, unknown = (median(times) for times in taken.values())
    assert 0.5 < unknown / known < 2.0
