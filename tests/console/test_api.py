"""The JSON API does what its description says, whatever is sent to it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from schemathesis.core.result import Ok

from console.access.permissions import Role
from console.storage.engine import open_store
from tests.console.browsing import HOME, Browser, add_account, make_console


@pytest.fixture(scope="module")
def console(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    folder = tmp_path_factory.mktemp("api")
    shutil.copyfile(template, folder / "console.sqlite")
    store = open_store(f"sqlite:///{folder}/console.sqlite", migrate=False)
    app = make_console(store, folder)
    add_account(app, "supervisor-1", Role.SUPERVISOR, Role.ANALYST, Role.ADMINISTRATOR)
    yield app
    store.close()


def test_every_route_answers_as_described(console: FastAPI) -> None:
    """Schemathesis makes the requests, right and wrong ones, and judges the answers."""
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", console, headers={"host": "127.0.0.1"})
    browser = Browser(console).enter("supervisor-1")
    cookie = {"cookie": f"probewatch-session={browser.token}"}
    tried = 0
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()

        @settings(max_examples=15, suppress_health_check=list(HealthCheck), database=None)
        @given(case=operation.as_strategy())
        def agrees(case: Any) -> None:
            nonlocal tried
            tried += 1
            case.call_and_validate(base_url=HOME, headers=cookie)

        agrees()
    assert tried


def test_the_description_names_every_route_and_no_page(console: FastAPI) -> None:
    paths = Browser(console).get("/api/openapi.json").json()["paths"]
    assert "/api/account" in paths
    assert all(path.startswith("/api/") for path in paths)


def test_the_api_says_who_one_is(console: FastAPI) -> None:
    assert Browser(console).get("/api/account").status_code == 401
    answer = Browser(console).enter("supervisor-1").get("/api/account").json()
    assert answer["name"] == "supervisor-1"
    assert "MANAGE_ACCOUNTS" in answer["permissions"] and "WORK" in answer["permissions"]
