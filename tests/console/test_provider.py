"""Login through the organisation's provider, against a real one on the loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import FastAPI
from joserfc.jwk import RSAKey

from console.access import accounts
from console.access.permissions import Role
from console.access.tables import AccountRow
from console.settings import ConsoleSettings
from console.storage.engine import Store
from console.storage.ledger import entries
from tests.console.browsing import Browser, add_account, make_console
from tests.console.provider import CLIENT, SECRET, ProviderServer


@pytest.fixture(scope="module")
def server() -> Iterator[ProviderServer]:
    with ProviderServer() as running:
        yield running


@pytest.fixture
def provider(server: ProviderServer) -> ProviderServer:
    """Honest again before each test."""
    server.claims = {"sub": "s-1", "preferred_username": "Reviewer-1", "roles": ["reviewer"]}
    server.lie, server.sign, server.refusal, server.issued = {}, None, None, {}
    server.keys = server.keys[:1]
    return server


@pytest.fixture
def console(store: Store, tmp_path: Path, provider: ProviderServer) -> FastAPI:
    return make_console(store, tmp_path, **configured(provider))


def configured(provider: ProviderServer, **more: str) -> dict[str, Any]:
    return {"oidc_issuer": provider.issuer, "oidc_client_id": CLIENT, "oidc_client_secret": SECRET, **more}


def go(browser: Browser, **query: str) -> str:
    """To the provider, and the address at which it sends the browser back."""
    there = browser.get("/login/provider", params=query)
    assert there.status_code == 303, there.text
    back = httpx.get(there.headers["location"], verify=False)
    assert back.status_code == 302, back.text
    return str(back.headers["location"])


def come_back(browser: Browser, address: str) -> Any:
    parts = urlsplit(address)
    return browser.get(f"{parts.path}?{parts.query}")


def log_in(browser: Browser, **query: str) -> Any:
    return come_back(browser, go(browser, **query))


def refused(browser: Browser, answer: Any) -> str:
    """Nobody is logged in; what the login page says."""
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert browser.get("/account").headers["location"].startswith("/login")
    return str(browser.get("/login").text)


def row(app: FastAPI, name: str) -> AccountRow:
    with app.state.store.reading() as session:
        found = accounts.named(session, name)
        assert found is not None
        return found


def test_who_is_vouched_for_is_logged_in_with_the_roles_of_the_claim(console: FastAPI) -> None:
    browser = Browser(console)
    assert "Log in with your organisation" in browser.get("/login").text
    answer = log_in(browser, next="/account")
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    page = browser.get("/account").text
    assert "reviewer-1" in page and "kept by your organisation" in page
    assert row(console, "reviewer-1").roles == ["reviewer"]
    with console.state.store.reading() as session:
        told = [(entry.kind, entry.actor, entry.body) for entry in entries(session)]
    assert told == [
        ("account", "login provider", {"account": "reviewer-1", "what": "added", "roles": ["reviewer"]}),
        ("access", "reviewer-1", {"what": "logged in", "by": "login provider"}),
    ]


def test_other_roles_at_the_provider_end_what_was_open(console: FastAPI, provider: ProviderServer) -> None:
    old, new = Browser(console), Browser(console)
    log_in(old)
    provider.claims["roles"] = ["supervisor", "something else"]
    log_in(new)
    assert old.get("/account").status_code == 303
    assert new.get("/names/look-ups").status_code == 200
    assert row(console, "reviewer-1").roles == ["supervisor"]


def test_groups_are_translated(store: Store, tmp_path: Path, provider: ProviderServer) -> None:
    given = {"oidc_roles_claim": "groups", "oidc_roles": "Oversight Board = supervisor, staff=viewer"}
    app = make_console(store, tmp_path, **configured(provider, **given))
    provider.claims = {"sub": "s-2", "preferred_username": "viewer-1", "groups": ["staff", "supervisor", "x"]}
    log_in(Browser(app))
    assert row(app, "viewer-1").roles == ["viewer"]


@pytest.mark.parametrize("roles", [[], ["owner"], None, "", 7, {"reviewer": 1}])
def test_without_a_role_nobody_gets_in(console: FastAPI, provider: ProviderServer, roles: object) -> None:
    provider.claims["roles"] = roles
    browser = Browser(console)
    assert "no role here" in refused(browser, log_in(browser))


def test_an_auditor_gets_no_other_role(console: FastAPI, provider: ProviderServer) -> None:
    provider.claims["roles"] = "auditor reviewer"
    browser = Browser(console)
    assert "do not go together" in refused(browser, log_in(browser))


def test_a_name_of_a_local_account_gives_nothing_of_it(console: FastAPI) -> None:
    """The provider's users may choose their names."""
    local = add_account(console, "reviewer-1", Role.ADMINISTRATOR)
    browser = Browser(console)
    log_in(browser)
    page = browser.get("/account").text
    assert "reviewer-1-" in page and "administrator" not in page
    assert row(console, "reviewer-1").id == local.id


def test_a_disabled_account_stays_out(console: FastAPI) -> None:
    log_in(Browser(console))
    with console.state.store.writing() as session:
        found = session.get_one(AccountRow, row(console, "reviewer-1").id)
        accounts.disable(session, found, "administrator-1", console.state.now())
    browser = Browser(console)
    assert "disabled" in refused(browser, log_in(browser))


def test_a_login_that_was_begun_elsewhere_is_refused(console: FastAPI) -> None:
    """Login forgery: the attacker sends the victim an answer for the attacker's own account."""
    attacker, victim = Browser(console), Browser(console)
    address = go(attacker)
    assert "not begun in this browser" in refused(victim, come_back(victim, address))
    go(victim)  # has begun one too, with another state
    assert "not begun in this browser" in refused(victim, come_back(victim, address))


def test_an_answer_is_good_once(console: FastAPI) -> None:
    browser = Browser(console)
    address = go(browser)
    kept = browser.cookies["probewatch-provider"]
    assert come_back(browser, address).headers["location"] == "/"
    browser.submit("/logout")
    assert "not begun" in refused(browser, come_back(browser, address))
    browser.cookies.set("probewatch-provider", kept)
    assert "did not confirm" in refused(browser, come_back(browser, address))


def test_a_code_from_another_login_is_refused(console: FastAPI) -> None:
    """Code injection: the verifier of PKCE belongs to one browser."""
    victim, attacker = Browser(console), Browser(console)
    stolen = parse_qs(urlsplit(go(victim)).query)["code"][0]
    own = parse_qs(urlsplit(go(attacker)).query)
    answer = attacker.get("/login/provider/back", params={"code": stolen, "state": own["state"][0]})
    assert "did not confirm" in refused(attacker, answer)


def test_an_answer_of_another_provider_is_refused(console: FastAPI) -> None:
    browser = Browser(console)
    own = parse_qs(urlsplit(go(browser)).query)
    answer = browser.get(
        "/login/provider/back",
        params={"code": own["code"][0], "state": own["state"][0], "iss": "https://elsewhere.example"},
    )
    assert "another login provider" in refused(browser, answer)


LIES: list[dict[str, Any]] = [
    {"nonce": "another"},
    {"nonce": None},
    {"aud": "another client"},
    {"aud": ["probewatch", "another"], "azp": "another"},
    {"iss": "https://elsewhere.example"},
    {"exp": 1},
    {"exp": None},
    {"sub": None},
    {"iat": 4_000_000_000},  # the year 2096
]


@pytest.mark.parametrize("lie", LIES, ids=str)
def test_a_token_that_does_not_fit_is_not_believed(
    console: FastAPI, provider: ProviderServer, lie: Any
) -> None:
    provider.lie = lie
    browser = Browser(console)
    assert "cannot be believed" in refused(browser, log_in(browser))


@pytest.mark.parametrize("way", ["by_shared_secret", "by_nobody", "by_another"])
def test_a_signature_that_is_not_the_provider_s_is_not_believed(
    console: FastAPI, provider: ProviderServer, way: str
) -> None:
    provider.sign = getattr(provider, way)
    browser = Browser(console)
    assert "cannot be believed" in refused(browser, log_in(browser))


def test_new_keys_of_the_provider_are_fetched(console: FastAPI, provider: ProviderServer) -> None:
    log_in(Browser(console))
    provider.keys = [*provider.keys, RSAKey.generate_key(2048, {"kid": "two"})]
    assert log_in(Browser(console)).headers["location"] == "/"


def test_a_refusal_of_the_provider_is_told(console: FastAPI, provider: ProviderServer) -> None:
    provider.refusal = "access_denied"
    browser = Browser(console)
    assert "did not let you in" in refused(browser, log_in(browser))


def test_a_provider_that_is_away_is_told(store: Store, tmp_path: Path) -> None:
    app = make_console(store, tmp_path, oidc_issuer="http://127.0.0.1:1", oidc_client_id="x")
    browser = Browser(app)
    assert "does not answer as it should" in refused(browser, browser.get("/login/provider"))


def test_where_none_is_configured_there_is_no_such_page(store: Store, tmp_path: Path) -> None:
    browser = Browser(make_console(store, tmp_path))
    assert (
        browser.get("/login/provider").status_code == browser.get("/login/provider/back").status_code == 404
    )
    assert "organisation" not in browser.get("/login").text


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"oidc_issuer": "login.example.org", "oidc_client_id": "x"}, "no address"),
        ({"oidc_issuer": "https://login.example.org"}, "given together"),
        ({"oidc_roles": "board:supervisor"}, "GROUP=ROLE"),
        ({"oidc_roles": "board=owner"}, "owner is no role"),
        ({"public_url": "https://console.example.org/path"}, "without a path"),
    ],
)
def test_wrong_settings_are_told(given: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ConsoleSettings(**given)  # type: ignore[arg-type]
