"""Laws of what slows failed logins down, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pyotp
from hypothesis import given
from hypothesis import strategies as st

from console.access import accounts, second_factor, throttle
from console.access.permissions import Role
from console.access.tables import AccountRow
from console.access.throttle import LONGEST_PAUSE, Key, pause
from console.access.tokens import Seal
from console.storage.engine import Store

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
KEY = Key("account:reviewer-1", 5)


def judged(store: Store, at: datetime) -> bool:
    with store.writing() as session:
        return not throttle.charge(session, [KEY], at).wait


@given(st.integers(0, 10**9), st.integers(1, 100))
def test_pauses_grow_and_end(failures: int, free: int) -> None:
    assert timedelta(0) <= pause(failures, free) <= pause(failures + 1, free) <= LONGEST_PAUSE


def test_a_day_gives_an_attacker_a_hundred_tries(store: Store) -> None:
    tries = sum(judged(store, NOW + timedelta(minutes=minute)) for minute in range(24 * 60))
    assert 90 < tries < 110


def test_tries_at_the_same_moment_gain_nothing(either: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda _: judged(either, NOW), range(24))) == KEY.free


def test_after_a_day_all_is_forgotten(either: Store) -> None:
    for _ in range(9):
        judged(either, NOW)
    later = NOW + timedelta(days=1, seconds=1)
    assert [judged(either, later) for _ in range(6)] == [True] * 5 + [False]
    with either.writing() as session:
        throttle.sweep(session, later + timedelta(days=2))
    assert judged(either, later)


def test_a_success_forgets_an_account_and_one_try_of_an_address(either: Store) -> None:
    for _ in range(5):
        judged(either, NOW)
    with either.writing() as session:
        throttle.refund(session, KEY)
    assert [judged(either, NOW) for _ in range(2)] == [True, False]
    with either.writing() as session:
        throttle.succeeded(session, KEY)
    assert [judged(either, NOW) for _ in range(6)] == [True] * 5 + [False]


def test_a_code_sent_twice_at_once_opens_one_session(either: Store) -> None:
    seal, app = Seal(b"x" * 32), pyotp.TOTP(second_factor.fresh_secret())
    with either.writing() as session:
        row = accounts.add(session, name="reviewer-1", roles=[Role.REVIEWER], actor="command line", now=NOW)
        assert second_factor.set_up(session, row, app.secret, app.at(NOW), seal, NOW)
        number = row.id
    later = NOW + timedelta(minutes=2)

    def take(_: int) -> bool:
        with either.writing() as session:
            return second_factor.take(
                session, session.get_one(AccountRow, number), app.at(later), seal, later
            )

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, range(8))) == 1


def test_two_administrators_do_not_disable_each_other(either: Store) -> None:
    with either.writing() as session:
        for name in ("administrator-1", "administrator-2"):
            accounts.add(session, name=name, roles=[Role.ADMINISTRATOR], actor="command line", now=NOW)

    def disable(name: str, actor: str) -> bool:
        try:
            with either.writing() as session:
                row = accounts.named(session, name)
                assert row is not None
                accounts.disable(session, row, actor, NOW)
        except accounts.Refused:
            return False
        return True

    pairs = [("administrator-1", "administrator-2"), ("administrator-2", "administrator-1")]
    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(lambda pair: disable(*pair), pairs)) == 1


def test_what_is_sealed_can_be_opened_and_not_changed() -> None:
    seal = Seal(b"x" * 32)
    sealed = seal.close("a secret")
    assert "a secret" not in sealed and seal.open(sealed) == "a secret"
    for number, letter in enumerate(sealed):
        changed = sealed[:number] + ("A" if letter != "A" else "Q") + sealed[number + 1 :]
        assert seal.open(changed) is None, number
    assert Seal(b"y" * 32).open(sealed) is None
    assert seal.open("") is None and seal.open("a.b.c.d.e") is None
